"""A delivery desk: couriers that do what a test says, a clock that it moves, and what was told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from schemas.events import AttemptOutcome, AttemptReported, SendMessage
from schemas.rows import AttemptRow, AttemptState
from streams.delivery import DeliveryEffects, Report
from tests.unit.engine.test_attempts import ACTION, NOW

DELIVERED = Report(AttemptOutcome.DELIVERED, provider_message_id="461")
UNKNOWN = Report(AttemptOutcome.UNKNOWN, "UNKNOWN")
STARTED = AttemptRow(AttemptState.STARTED, 1, NOW, None, ACTION)


@dataclass
class Clock:
    """Stands still until it is moved; whoever waits for a time is woken by the move."""

    at_ms: int = NOW

    def now_ms(self) -> int:
        return self.at_ms

    def seconds_until(self, at_ms: int) -> float:
        return 0.0 if at_ms <= self.at_ms else 0.001


@dataclass
class Courier:
    """``deliver`` and ``reconcile`` answer from their lists; what they were asked is kept."""

    settle_ms: int = 0
    to_deliver: list[Report | Exception] = field(default_factory=list)
    to_reconcile: list[Report | Exception] = field(default_factory=list)
    delivered: list[tuple[str, int]] = field(default_factory=list)
    reconciled: list[tuple[str, int, int]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    at_once: int = 0
    most_at_once: int = 0

    async def deliver(self, action: SendMessage, now_ms: int) -> Report:
        self.delivered.append((action.action_id, now_ms))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.at_once -= 1
        return _said(self.to_deliver.pop(0) if self.to_deliver else DELIVERED)

    async def reconcile(self, action: SendMessage, now_ms: int, started_at_ms: int) -> Report:
        self.reconciled.append((action.action_id, now_ms, started_at_ms))
        return _said(self.to_reconcile.pop(0) if self.to_reconcile else UNKNOWN)


def _said(what: Report | Exception) -> Report:
    if isinstance(what, Exception):
        raise what
    return what


@dataclass
class Reports:
    """Where outcomes are told, as a list."""

    told: list[tuple[int, AttemptReported]] = field(default_factory=list)
    failures: int = 0

    async def publish(self, partition: int, record: AttemptReported) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("a bug of ours")
        self.told.append((partition, record))


@dataclass
class Desk:
    effects: DeliveryEffects
    courier: Courier
    clock: Clock
    reports: Reports
    registry: CollectorRegistry

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0)

    async def told(self, count: int = 1) -> list[AttemptReported]:
        await self.until(lambda: len(self.reports.told) >= count)
        return [record for _, record in self.reports.told]


MakeDesk = Callable[..., Awaitable[Desk]]


def scan(*rows: AttemptRow) -> Callable[[object], list[AttemptRow]]:
    return lambda _table: list(rows)
