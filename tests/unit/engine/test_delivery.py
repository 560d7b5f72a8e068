"""Provider calls around committed attempts, with couriers that do what the test says and a clock that it moves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import structlog
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from ops.logs import configure_logs
from schemas.events import AttemptOutcome
from schemas.metrics import WorkerMetrics
from schemas.rows import AttemptRow, AttemptState, Row
from streams import delivery
from streams.delivery import DeliveryEffects, Report
from tests.unit.engine.desk import DELIVERED, STARTED, UNKNOWN, Clock, Courier, Desk, MakeDesk, Reports, scan
from tests.unit.engine.test_attempts import ACTION, HOUR, NOW


@pytest.fixture
async def desks() -> AsyncIterator[MakeDesk]:
    made: list[Desk] = []

    async def make(courier: Courier | None = None, channel: str = "line") -> Desk:
        courier, clock, reports, registry = courier or Courier(), Clock(), Reports(), CollectorRegistry()
        effects = DeliveryEffects({channel: courier}, reports, clock, WorkerMetrics(registry))
        made.append(Desk(effects, courier, clock, reports, registry))
        return made[-1]

    yield make
    for desk in made:
        await desk.effects.close()


@contextmanager
def our_logs() -> Iterator[None]:
    """Our logs' own configuration; standard error is another one in a test than in its fixtures."""
    before = list(logging.getLogger().handlers)
    configure_logs("info", process="worker")
    try:
        yield
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        logging.getLogger().handlers[:] = before


async def test_a_committed_attempt_is_carried_out_and_told_to_its_partition(desks: MakeDesk) -> None:
    desk = await desks()
    desk.effects.committed(3, [STARTED])
    (told,) = await desk.told()
    assert (told.action_id, told.customer_id, told.attempt) == (ACTION.action_id, "c-1", 1)
    assert (told.outcome, told.provider_message_id, told.reported_at) == (AttemptOutcome.DELIVERED, "461", NOW)
    assert desk.reports.told[0][0] == 3
    assert desk.courier.delivered == [(ACTION.action_id, NOW)]
    assert desk.courier.reconciled == []
    assert desk.registry.get_sample_value(
        "tsunagi_delivery_attempts_total", {"channel": "line", "outcome": "DELIVERED"}
    ) == 1  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        AttemptRow(AttemptState.WAITING, 1, NOW, NOW + 5, ACTION),
        AttemptRow(AttemptState.DELIVERED, 1, NOW, NOW + 5, None),
        AttemptRow(AttemptState.FAILED, 1, NOW, NOW + 5, None),
    ],
)
async def test_only_started_attempts_are_carried_out(desks: MakeDesk, row: Row) -> None:
    desk = await desks()
    desk.effects.committed(0, [row, replace(STARTED, action=replace(ACTION, action_id="b" * 32))])
    await desk.told()
    assert [action for action, _ in desk.courier.delivered] == ["b" * 32]


async def test_an_attempt_under_way_is_not_begun_again(desks: MakeDesk) -> None:
    """The partition is taken over again by the same worker while the provider has not answered yet."""
    desk = await desks(Courier(gate=asyncio.Event()))
    desk.effects.committed(0, [STARTED])
    await desk.until(lambda: len(desk.courier.delivered) == 1)
    desk.effects.owned(0, scan(STARTED))
    desk.effects.committed(0, [STARTED])
    other = replace(STARTED, action=replace(ACTION, action_id="b" * 32))
    desk.effects.committed(0, [other])
    await desk.until(lambda: len(desk.courier.delivered) == 2)
    assert desk.courier.gate is not None
    desk.courier.gate.set()
    told = await desk.told(2)
    assert sorted(one.action_id for one in told) == [ACTION.action_id, "b" * 32]
    assert desk.courier.reconciled == []


async def test_the_next_attempt_of_an_action_is_another_call(desks: MakeDesk) -> None:
    desk = await desks()
    desk.effects.committed(0, [STARTED])
    await desk.told()
    desk.effects.committed(0, [replace(STARTED, attempt=2)])
    told = await desk.told(2)
    assert [one.attempt for one in told] == [1, 2]


async def test_a_started_attempt_found_at_take_over_is_reconciled_never_sent(desks: MakeDesk) -> None:
    desk = await desks(Courier(to_reconcile=[DELIVERED]))
    desk.effects.owned(1, scan(STARTED, AttemptRow(AttemptState.DELIVERED, 1, NOW, NOW, None)))
    (told,) = await desk.told()
    assert told.outcome is AttemptOutcome.DELIVERED
    assert desk.courier.delivered == []
    assert desk.courier.reconciled == [(ACTION.action_id, NOW, STARTED.started_at_ms)]


async def test_an_unknown_outcome_is_asked_about_until_it_must_have_settled(desks: MakeDesk) -> None:
    desk = await desks(Courier(settle_ms=60_000, to_deliver=[UNKNOWN]))
    desk.effects.committed(0, [STARTED])
    await desk.until(lambda: len(desk.courier.reconciled) >= 2)
    desk.clock.at_ms = NOW + 60_000
    asked = len(desk.courier.reconciled)
    await desk.until(lambda: len(desk.courier.reconciled) > asked)
    assert desk.reports.told == [], "at this very moment it may still turn up"
    desk.clock.at_ms = NOW + 60_001
    (told,) = await desk.told()
    assert told.outcome is AttemptOutcome.UNKNOWN
    assert len(desk.courier.delivered) == 1, "a repeat could be a second message"
    assert {started for *_, started in desk.courier.reconciled} == {NOW}
    assert desk.courier.reconciled[-1][1] == NOW + 60_001, "the last word is of after it settled"


@pytest.mark.parametrize(
    "found",
    [
        DELIVERED,
        Report(AttemptOutcome.RETRY_AFTER, "NOT_ACCEPTED", retry_at_ms=NOW + 5),
        Report(AttemptOutcome.REJECTED, "BLOCKED"),
    ],
)
async def test_asking_ends_with_the_first_answer(desks: MakeDesk, found: Report) -> None:
    desk = await desks(Courier(settle_ms=60_000, to_deliver=[UNKNOWN], to_reconcile=[UNKNOWN, UNKNOWN, found]))
    desk.effects.committed(0, [STARTED])
    (told,) = await desk.told()
    assert (told.outcome, told.reason, told.retry_at) == (found.outcome, found.reason, found.retry_at_ms)
    assert len(desk.courier.reconciled) == 3


async def test_a_sink_that_raises_may_have_sent_so_it_is_asked(desks: MakeDesk) -> None:
    desk = await desks(Courier(to_deliver=[KeyError("U1")], to_reconcile=[DELIVERED]))
    desk.effects.committed(0, [STARTED])
    (told,) = await desk.told()
    assert told.outcome is AttemptOutcome.DELIVERED
    assert len(desk.courier.delivered) == 1


async def test_a_sink_that_always_raises_ends_as_unknown(desks: MakeDesk) -> None:
    courier = Courier(to_deliver=[RuntimeError("boom")], to_reconcile=[RuntimeError("boom")] * 3)
    desk = await desks(courier)
    desk.effects.owned(0, scan(STARTED))
    desk.clock.at_ms += 1
    (told,) = await desk.told()
    assert (told.outcome, told.reason, told.detail) == (AttemptOutcome.UNKNOWN, "SINK_FAILED", "RuntimeError")


async def test_a_failing_sink_is_logged_without_anything_personal(
    desks: MakeDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = await desks(Courier(to_deliver=[ValueError("taro@example.jp is no address")], to_reconcile=[DELIVERED]))
    personal = replace(STARTED, action=replace(ACTION, to="taro@example.jp", text="Dear Taro"))
    with our_logs():
        desk.effects.committed(0, [personal])
        await desk.told()
    written = capsys.readouterr().err
    assert "sink_failed" in written
    assert "desk.py" in written, "where it was raised is told"
    assert "taro" not in written.lower()


async def test_an_outcome_that_could_not_be_told_is_found_out_again(
    desks: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_ASK_AGAIN_SECONDS", 0.001)
    desk = await desks(Courier(to_reconcile=[DELIVERED]))
    desk.reports.failures = 1
    desk.effects.committed(2, [STARTED])
    (told,) = await desk.told()
    assert told.outcome is AttemptOutcome.DELIVERED
    assert desk.reports.told[0][0] == 2
    assert len(desk.courier.delivered) == len(desk.courier.reconciled) == 1


async def test_a_channel_nobody_set_up_is_refused_at_once(desks: MakeDesk) -> None:
    desk = await desks(channel="email")
    desk.effects.committed(0, [STARTED])
    (told,) = await desk.told()
    assert (told.outcome, told.reason) == (AttemptOutcome.REJECTED, "CHANNEL_NOT_CONFIGURED")
    assert told.detail == "no provider for line is set up"


async def test_what_is_out_of_date_is_not_sent(desks: MakeDesk) -> None:
    desk = await desks()
    desk.clock.at_ms = ACTION.valid_until
    desk.effects.committed(0, [STARTED])
    (told,) = await desk.told()
    assert told.outcome is AttemptOutcome.EXPIRED
    assert desk.courier.delivered == []


async def test_what_went_out_of_date_while_it_waited_for_its_turn_is_not_sent(desks: MakeDesk) -> None:
    """A slow provider takes 64 at once; the others wait, and the hour they were good for may pass."""
    desk = await desks(Courier(gate=asyncio.Event()))
    rows = [replace(STARTED, action=replace(ACTION, action_id=f"{number:032x}")) for number in range(80)]
    desk.effects.committed(0, rows)
    await desk.until(lambda: len(desk.courier.delivered) == 64)
    desk.clock.at_ms = NOW + HOUR + 1
    assert desk.courier.gate is not None
    desk.courier.gate.set()
    told = await desk.told(80)
    assert desk.courier.most_at_once == 64
    assert len(desk.courier.delivered) == 64
    assert [one.outcome for one in told].count(AttemptOutcome.EXPIRED) == 16


async def test_calls_under_way_may_end_before_the_worker_leaves(desks: MakeDesk) -> None:
    desk = await desks(Courier(gate=asyncio.Event()))
    desk.effects.committed(0, [STARTED])
    await desk.until(lambda: len(desk.courier.delivered) == 1)
    drained = asyncio.create_task(desk.effects.drain(5))
    await asyncio.sleep(0)
    assert desk.courier.gate is not None
    desk.courier.gate.set()
    await drained
    assert len(desk.reports.told) == 1


async def test_a_call_that_hangs_is_given_up_and_left_to_the_next_owner(desks: MakeDesk) -> None:
    desk = await desks(Courier(gate=asyncio.Event()))
    desk.effects.committed(0, [STARTED])
    await desk.until(lambda: len(desk.courier.delivered) == 1)
    await desk.effects.drain(0.01)
    await desk.effects.close()
    desk.effects.committed(0, [replace(STARTED, attempt=2)])
    await asyncio.sleep(0)
    assert desk.reports.told == [], "no outcome is made up for it"
    assert desk.courier.at_once == 0
    assert len(desk.courier.delivered) == 1, "nothing is started after closing"
