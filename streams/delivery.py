"""Calls providers for attempts that were committed, and reports what became of them as records.

The row STARTED is committed before the call; the report is a record in the same partition's log. Dying in between
leaves a STARTED row without a report: whoever owns the partition next asks the courier to reconcile it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaError, Producer

from schemas.codec import Codec
from schemas.events import AttemptOutcome, AttemptReported, SendMessage
from schemas.metrics import WorkerMetrics
from schemas.rows import AttemptRow, AttemptState
from streams.engine.processor import Clock
from streams.processors.topics import DELIVERY_OUTCOMES
from tables.attempts import ATTEMPTS
from tables.view import Table

log = structlog.get_logger(__name__)

_AT_ONCE_PER_CHANNEL = 64
_RETRY_PUBLISH_SECONDS = 1.0
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


class DeliveryEffects:
    """:class:`streams.engine.processor.Effects` of the delivery processor. Runs on the event loop it is made in."""

    def __init__(
        self,
        couriers: Mapping[str, Courier],
        connection: Mapping[str, Any],
        codec: Codec,
        clock: Clock,
        metrics: WorkerMetrics,
    ) -> None:
        self._couriers = couriers
        self._codec = codec
        self._clock = clock
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._slots = {channel: asyncio.Semaphore(_AT_ONCE_PER_CHANNEL) for channel in couriers}
        self._under_way: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._producer = Producer({**connection, "acks": "all", "enable.idempotence": True, "linger.ms": 2})
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="delivery-reports", daemon=True)
        self._poller.start()

    # Partition threads.

    def committed(self, partition: int, rows: list[tuple[Table[Any], str, str, Any]]) -> None:
        """See :class:`Effects`."""
        for _, _, _, row in rows:
            if isinstance(row, AttemptRow) and row.state is AttemptState.STARTED:
                self._loop.call_soon_threadsafe(self._start, partition, row, False)

    def owned(self, partition: int, scan: Callable[[Table[Any]], list[tuple[str, str, Any]]]) -> None:
        """See :class:`Effects`."""
        for _, _, row in scan(ATTEMPTS):
            if row.state is AttemptState.STARTED:
                self._loop.call_soon_threadsafe(self._start, partition, row, True)

    # Event loop.

    def _start(self, partition: int, row: AttemptRow, lost: bool) -> None:
        assert row.action is not None
        key = (row.action.action_id, row.attempt)
        if key not in self._under_way and not self._closing.is_set():
            task = self._loop.create_task(self._attempt(partition, row, row.action, lost))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))

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
        await self._publish(partition, record)

    async def _call(self, row: AttemptRow, action: SendMessage, lost: bool) -> Report:
        courier = self._couriers.get(action.channel)
        if courier is None:
            return Report(
                AttemptOutcome.REJECTED, "CHANNEL_NOT_CONFIGURED", f"no provider for {action.channel} is set up"
            )
        if lost:
            report = Report(AttemptOutcome.UNKNOWN)
        elif self._clock.now_ms() >= action.valid_until:
            return Report(AttemptOutcome.EXPIRED)
        else:
            report = await self._guarded(courier.deliver(action, self._clock.now_ms()), action)
        settled_ms = row.started_at_ms + courier.settle_ms
        while report.outcome is AttemptOutcome.UNKNOWN:
            # A repeat could be a second message: only asking the provider may follow.
            asked_at_ms = self._clock.now_ms()
            report = await self._guarded(courier.reconcile(action, asked_at_ms, row.started_at_ms), action)
            if asked_at_ms > settled_ms:
                break
            await asyncio.sleep(min(_ASK_AGAIN_SECONDS, self._clock.seconds_until(settled_ms + 1)))
        return report

    async def _guarded(self, call: Coroutine[Any, Any, Report], action: SendMessage) -> Report:
        async with self._slots[action.channel]:
            try:
                return await call
            except Exception as error:
                # A bug in a sink must end in a recorded outcome too; whether the message went out is not known.
                log.exception("sink_failed", channel=action.channel, action_id=action.action_id)
                return Report(AttemptOutcome.UNKNOWN, "SINK_FAILED", type(error).__name__)

    async def _publish(self, partition: int, record: AttemptReported) -> None:
        value = self._codec.encode(record)
        while True:
            acknowledged: asyncio.Future[bool] = self._loop.create_future()

            def settle(error: KafkaError | None, _: Any, done: asyncio.Future[bool] = acknowledged) -> None:
                self._loop.call_soon_threadsafe(_set, done, error is None)

            try:
                self._producer.produce(
                    DELIVERY_OUTCOMES,
                    value,
                    record.customer_id.encode(),
                    partition,
                    timestamp=self._clock.now_ms(),
                    on_delivery=settle,
                )
                if await acknowledged:
                    return
            except BufferError:
                pass
            await asyncio.sleep(_RETRY_PUBLISH_SECONDS)

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)

    async def drain(self, seconds: float) -> None:
        """Let calls that are under way end; those that do not are reconciled by the next owner."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=seconds)

    async def close(self) -> None:
        """Stop starting attempts and let go of the producer."""
        self._closing.set()
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.to_thread(self._poller.join)
        await asyncio.to_thread(self._producer.flush, 2.0)


def _set(done: asyncio.Future[bool], value: bool) -> None:
    if not done.done():
        done.set_result(value)
