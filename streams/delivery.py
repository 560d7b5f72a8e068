"""Calls providers for attempts that were committed, and reports what became of them as records.

The row STARTED is committed before the call; the report is a record in the same partition's log. Dying in between
leaves a STARTED row without a report: whoever owns the partition next asks the courier to reconcile it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from schemas.events import AttemptOutcome, AttemptReported, SendMessage
from schemas.metrics import WorkerMetrics
from schemas.rows import AttemptRow, AttemptState, Row
from streams.engine.dead_letters import frames
from streams.engine.processor import Clock
from tables.attempts import ATTEMPTS
from tables.view import Table

log = structlog.get_logger(__name__)

_AT_ONCE_PER_CHANNEL = 64
_ASK_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a courier says about one attempt."""

    outcome: AttemptOutcome
    reason: str = ""
    detail: str = ""
    provider_message_id: str | None = None
    retry_at_ms: int | None = None


class Courier(Protocol):
    """Carries messages out over one channel; never raises for what a provider or network does."""

    settle_ms: int
    """How long after its start an attempt may still be found at the provider; 0: asking again tells nothing new."""

    async def deliver(self, action: SendMessage, now_ms: int) -> Report:
        """Send it."""

    async def reconcile(self, action: SendMessage, now_ms: int, started_at_ms: int) -> Report:
        """Find out about, or repeat safely, an attempt whose outcome is not known."""


class Reports(Protocol):
    """Where outcomes are told."""

    async def publish(self, partition: int, record: AttemptReported) -> None:
        """Returns when the report is durable."""


class DeliveryEffects:
    """:class:`streams.engine.processor.Effects` of the delivery processor. Runs on the event loop it is made in."""

    def __init__(self, couriers: Mapping[str, Courier], reports: Reports, clock: Clock, metrics: WorkerMetrics) -> None:
        self._couriers = couriers
        self._reports = reports
        self._clock = clock
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._slots = {channel: asyncio.Semaphore(_AT_ONCE_PER_CHANNEL) for channel in couriers}
        self._under_way: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._closing = False

    # Partition threads.

    def committed(self, partition: int, rows: Sequence[Row]) -> None:
        """See :class:`Effects`."""
        for row in rows:
            if isinstance(row, AttemptRow) and row.state is AttemptState.STARTED:
                self._loop.call_soon_threadsafe(self._start, partition, row, False)

    def owned(self, partition: int, scan: Callable[[Table[Any]], Iterable[Any]]) -> None:
        """See :class:`Effects`."""
        for row in scan(ATTEMPTS):
            if row.state is AttemptState.STARTED:
                self._loop.call_soon_threadsafe(self._start, partition, row, True)

    # Event loop.

    def _start(self, partition: int, row: AttemptRow, lost: bool) -> None:
        assert row.action is not None
        key = (row.action.action_id, row.attempt)
        if key not in self._under_way and not self._closing:
            task = self._loop.create_task(self._attempt(partition, row, row.action, lost))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._ended(partition, row, key, done))

    def _ended(self, partition: int, row: AttemptRow, key: tuple[str, int], task: asyncio.Task[None]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody was told, so the row would stay STARTED until the partition moves.
            log.error("attempt_failed", action_id=key[0], error=type(error).__name__, traceback=frames(error))
            self._loop.call_later(_ASK_AGAIN_SECONDS, self._start, partition, row, True)

    async def _attempt(self, partition: int, row: AttemptRow, action: SendMessage, lost: bool) -> None:
        report = await self._call(row, action, lost)
        now_ms = self._clock.now_ms()
        self._metrics.attempts.labels(action.channel, report.outcome).inc()
        if report.outcome is AttemptOutcome.DELIVERED:
            self._metrics.delivered_seconds.labels(action.channel).observe((now_ms - action.trigger_received_at) / 1000)
        log.info(
            "attempt",
            action_id=action.action_id,
            channel=action.channel,
            attempt=row.attempt,
            outcome=report.outcome,
            reason=report.reason,
        )
        record = AttemptReported(
            action_id=action.action_id,
            customer_id=action.customer_id,
            attempt=row.attempt,
            outcome=report.outcome,
            reason=report.reason,
            detail=report.detail,
            provider_message_id=report.provider_message_id,
            retry_at=report.retry_at_ms,
            reported_at=now_ms,
        )
        await self._reports.publish(partition, record)

    async def _call(self, row: AttemptRow, action: SendMessage, lost: bool) -> Report:
        courier = self._couriers.get(action.channel)
        if courier is None:
            return Report(
                AttemptOutcome.REJECTED, "CHANNEL_NOT_CONFIGURED", f"no provider for {action.channel} is set up"
            )
        report = Report(AttemptOutcome.UNKNOWN) if lost else await self._deliver(courier, action)
        settled_ms = row.started_at_ms + courier.settle_ms
        while report.outcome is AttemptOutcome.UNKNOWN:
            # A repeat could be a second message: only asking the provider may follow.
            asked_at_ms, report = await self._reconcile(courier, action, row.started_at_ms)
            if asked_at_ms > settled_ms:
                break
            await asyncio.sleep(min(_ASK_AGAIN_SECONDS, self._clock.seconds_until(settled_ms + 1)))
        return report

    async def _deliver(self, courier: Courier, action: SendMessage) -> Report:
        async with self._slots[action.channel]:
            now_ms = self._clock.now_ms()  # the wait for a slot may have been long
            if now_ms >= action.valid_until:
                return Report(AttemptOutcome.EXPIRED)
            try:
                return await courier.deliver(action, now_ms)
            except Exception as error:
                return _failed(action, error)

    async def _reconcile(self, courier: Courier, action: SendMessage, started_at_ms: int) -> tuple[int, Report]:
        async with self._slots[action.channel]:
            now_ms = self._clock.now_ms()
            try:
                return now_ms, await courier.reconcile(action, now_ms, started_at_ms)
            except Exception as error:
                return now_ms, _failed(action, error)

    async def drain(self, seconds: float) -> None:
        """Let calls that are under way end; those that do not are reconciled by the next owner."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=seconds)

    async def close(self) -> None:
        """Start no more attempts, and give up those under way."""
        self._closing = True
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _failed(action: SendMessage, error: Exception) -> Report:
    """A bug in a sink must end in a recorded outcome too; whether the message went out is not known."""
    log.error(
        "sink_failed",
        channel=action.channel,
        action_id=action.action_id,
        error=type(error).__name__,
        traceback=frames(error),
    )
    return Report(AttemptOutcome.UNKNOWN, "SINK_FAILED", type(error).__name__)
