"""Attempts: every outcome of a provider call, repeats of everything, and the times between tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import (
    AttemptOutcome,
    AttemptReported,
    MessageDelivered,
    MessageFailed,
    OnUnknown,
    SendMessage,
)
from schemas.rows import AttemptRow, AttemptState
from tables.attempts import (
    ATTEMPTS,
    FIRST_BACKOFF_MS,
    KEEP_FINISHED_MS,
    MAX_BACKOFF_MS,
    Receipt,
    backoff_ms,
    fire_due,
    report,
    start,
)
from tables.view import DictView, Rows

NOW = 1_795_000_000_000
HOUR = 3_600_000
ACTION = SendMessage(
    action_id="a" * 32,
    customer_id="c-1",
    brand="aoba",
    rule="pickup-ready",
    ruleset_hash="f" * 64,
    trigger_event_id="e-1",
    trigger_received_at=NOW - 500,
    channel="line",
    to="U1",
    text="ready",
    purpose="service",
    valid_until=NOW + HOUR,
    on_unknown=OnUnknown.DROP,
    decided_at=NOW,
)


@dataclass
class Desk:
    """The rows of one customer's actions."""

    view: DictView

    def start(self, action: SendMessage = ACTION, now_ms: int = NOW) -> Receipt | None:
        return start(Rows(self.view, ATTEMPTS, action.customer_id), action, now_ms)

    def report(self, outcome: AttemptOutcome, now_ms: int = NOW + 1_000, **fields: Any) -> Receipt | None:
        known: dict[str, Any] = {"action_id": ACTION.action_id, "customer_id": "c-1", "attempt": 1}
        said = AttemptReported(**(known | {"outcome": outcome, "reported_at": now_ms - 10} | fields))
        return report(Rows(self.view, ATTEMPTS, "c-1"), said, now_ms)

    @property
    def row(self) -> AttemptRow:
        row = self.view.get(ATTEMPTS, "c-1", ACTION.action_id)
        assert row is not None
        return row


@pytest.fixture
def desk() -> Desk:
    return Desk(DictView())


def test_an_action_starts_its_first_attempt(desk: Desk) -> None:
    assert desk.start() is None
    assert desk.row == AttemptRow(AttemptState.STARTED, 1, NOW, None, ACTION)


def test_an_action_that_comes_too_late_fails_without_an_attempt(desk: Desk) -> None:
    receipt = desk.start(now_ms=ACTION.valid_until)
    assert isinstance(receipt, MessageFailed)
    assert (receipt.reason, receipt.action_id) == ("EXPIRED", ACTION.action_id)
    assert (desk.row.state, desk.row.attempt, desk.row.action) == (AttemptState.FAILED, 0, None)


@pytest.mark.parametrize(
    "then",
    [
        None,
        AttemptOutcome.DELIVERED,
        AttemptOutcome.REJECTED,
        AttemptOutcome.EXPIRED,
        AttemptOutcome.UNKNOWN,
        AttemptOutcome.RETRY_AFTER,
    ],
)
def test_the_same_action_again_changes_nothing(desk: Desk, then: AttemptOutcome | None) -> None:
    desk.start()
    if then is not None:
        desk.report(then)
    before = desk.row
    assert desk.start(now_ms=NOW + 5_000) is None
    assert desk.row == before


def test_delivered(desk: Desk) -> None:
    desk.start()
    receipt = desk.report(AttemptOutcome.DELIVERED, provider_message_id="461")
    assert isinstance(receipt, MessageDelivered)
    assert (receipt.provider_message_id, receipt.attempts, receipt.rule) == ("461", 1, ACTION.rule)
    assert receipt.envelope.customer_id == "c-1"
    assert receipt.envelope.occurred_at == NOW + 990, "when the provider said so"
    assert desk.row == AttemptRow(
        AttemptState.DELIVERED, 1, NOW + 1_000, NOW + 1_000 + KEEP_FINISHED_MS, None, "", "461"
    )


@pytest.mark.parametrize(
    ("outcome", "reason"), [(AttemptOutcome.REJECTED, "BLOCKED"), (AttemptOutcome.EXPIRED, "EXPIRED")]
)
def test_refused_for_good(desk: Desk, outcome: AttemptOutcome, reason: str) -> None:
    desk.start()
    receipt = desk.report(outcome, reason=reason, detail="HTTP 403")
    assert isinstance(receipt, MessageFailed)
    assert (receipt.reason, receipt.detail) == (reason, "HTTP 403")
    assert desk.row.state is AttemptState.FAILED
    assert desk.row.action is None, "the text and address are not kept"


def test_a_finished_action_keeps_no_text_and_no_address(desk: Desk) -> None:
    desk.start()
    desk.report(AttemptOutcome.DELIVERED)
    assert ACTION.text not in str(desk.row)
    assert ACTION.to not in str(desk.row)


def test_unknown_is_dropped_or_tried_again_as_the_rule_says(desk: Desk) -> None:
    desk.start()
    receipt = desk.report(AttemptOutcome.UNKNOWN)
    assert isinstance(receipt, MessageFailed)
    assert receipt.reason == "UNKNOWN"

    other = Desk(DictView())
    other.start(replace(ACTION, on_unknown=OnUnknown.RESEND))
    assert other.report(AttemptOutcome.UNKNOWN) is None
    assert other.row.state is AttemptState.WAITING


def test_a_retry_waits_for_its_backoff_or_for_what_the_provider_asked(desk: Desk) -> None:
    desk.start()
    assert desk.report(AttemptOutcome.RETRY_AFTER, reason="RATE_LIMITED") is None
    assert desk.row.due_ms == NOW + 1_000 + backoff_ms(ACTION.action_id, 1)
    assert (desk.row.state, desk.row.reason, desk.row.action) == (AttemptState.WAITING, "RATE_LIMITED", ACTION)

    later = NOW + 600_000
    other = Desk(DictView())
    other.start()
    other.report(AttemptOutcome.RETRY_AFTER, retry_at=later)
    assert other.row.due_ms == later


@pytest.mark.parametrize(
    ("said", "told"), [("ANSWER_LOST", "UNKNOWN"), ("RATE_LIMITED", "RATE_LIMITED"), ("", "EXPIRED")]
)
def test_no_time_for_another_try_is_a_failure_now(desk: Desk, said: str, told: str) -> None:
    desk.start(replace(ACTION, valid_until=NOW + FIRST_BACKOFF_MS))
    receipt = desk.report(AttemptOutcome.RETRY_AFTER, reason=said)
    assert isinstance(receipt, MessageFailed)
    assert receipt.reason == told
    assert desk.row.state is AttemptState.FAILED


def test_a_due_retry_starts_the_next_attempt(desk: Desk) -> None:
    desk.start()
    desk.report(AttemptOutcome.RETRY_AFTER)
    due = desk.row.due_ms
    assert due is not None
    fire_due(desk.view, due - 1, due - 1, 10)
    assert desk.row.state is AttemptState.WAITING
    fire_due(desk.view, due, due + 3, 10)
    assert (desk.row.state, desk.row.attempt, desk.row.started_at_ms, desk.row.due_ms) == (
        AttemptState.STARTED,
        2,
        due + 3,
        None,
    )
    receipt = desk.report(AttemptOutcome.DELIVERED, due + 1_000, attempt=2)
    assert isinstance(receipt, MessageDelivered)
    assert receipt.attempts == 2


def test_reports_of_another_attempt_or_action_change_nothing(desk: Desk) -> None:
    assert desk.report(AttemptOutcome.DELIVERED) is None, "never started"
    desk.start()
    assert desk.report(AttemptOutcome.DELIVERED, attempt=2) is None
    desk.report(AttemptOutcome.RETRY_AFTER)
    waiting = desk.row
    assert desk.report(AttemptOutcome.DELIVERED) is None, "late: the first attempt is settled"
    assert desk.row == waiting
    due = waiting.due_ms
    assert due is not None
    fire_due(desk.view, due, due, 10)
    assert desk.report(AttemptOutcome.DELIVERED) is None, "about the first, while the second is under way"
    assert desk.row.state is AttemptState.STARTED


def test_a_repeated_report_gives_one_receipt(desk: Desk) -> None:
    desk.start()
    assert desk.report(AttemptOutcome.DELIVERED) is not None
    before = desk.row
    assert desk.report(AttemptOutcome.DELIVERED, NOW + 9_000) is None
    assert desk.report(AttemptOutcome.REJECTED, NOW + 9_000, reason="BLOCKED") is None
    assert desk.row == before


def test_receipts_have_the_same_id_however_often_they_are_derived(desk: Desk) -> None:
    other = Desk(DictView())
    receipts = []
    for one in (desk, other):
        one.start()
        receipts.append(one.report(AttemptOutcome.DELIVERED))
    assert receipts[0] == receipts[1]


def test_finished_actions_are_forgotten_when_their_record_is_gone_too(desk: Desk) -> None:
    desk.start()
    desk.report(AttemptOutcome.DELIVERED)
    sweep = NOW + 1_000 + KEEP_FINISHED_MS
    fire_due(desk.view, sweep - 1, sweep - 1, 10)
    assert desk.row.state is AttemptState.DELIVERED
    fire_due(desk.view, sweep, sweep, 10)
    assert not desk.view.rows


def test_a_tick_takes_the_earliest_and_leaves_the_rest(desk: Desk) -> None:
    for number in range(5):
        action = replace(ACTION, action_id=f"{number:032x}")
        desk.start(action)
        desk.report(AttemptOutcome.RETRY_AFTER, retry_at=NOW + 500_000 - number, action_id=action.action_id)
    fire_due(desk.view, NOW + HOUR, NOW + HOUR, 2)
    started = {key for (_, _, key), row in desk.view.rows.items() if getattr(row, "state", "") is AttemptState.STARTED}
    assert started == {f"{4:032x}", f"{3:032x}"}


@given(st.text(max_size=40), st.integers(1, 10_000))
def test_backoff_grows_to_its_bound_with_a_quarter_of_jitter(action_id: str, attempt: int) -> None:
    base = min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** min(attempt - 1, 20))
    assert base <= backoff_ms(action_id, attempt) <= base * 5 // 4
    assert backoff_ms(action_id, attempt) == backoff_ms(action_id, attempt)


def test_a_thousand_actions_do_not_come_back_at_once() -> None:
    waits = {backoff_ms(f"{number:032x}", 1) for number in range(1_000)}
    assert len(waits) > 700


OUTCOMES = st.sampled_from(list(AttemptOutcome))


@given(st.lists(st.tuples(st.sampled_from(["start", "report", "tick"]), OUTCOMES, st.integers(1, 4)), max_size=30))
def test_one_action_has_one_receipt_whatever_happens(steps: list[tuple[str, AttemptOutcome, int]]) -> None:
    desk, now, receipts = Desk(DictView()), NOW, 0
    for what, outcome, attempt in steps:
        now += 60_000
        receipt: Receipt | None = None
        if what == "start":
            receipt = desk.start(replace(ACTION, on_unknown=OnUnknown.RESEND), now)
        elif what == "report":
            receipt = desk.report(outcome, now, attempt=attempt)
        else:
            fire_due(desk.view, now, now, 10)
        receipts += receipt is not None
    started = any(what == "start" for what, *_ in steps)
    finished = started and desk.row.state in (AttemptState.DELIVERED, AttemptState.FAILED)
    assert receipts == finished
