"""What a scene expects, and the clock that paces scenes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ops.demo.scenes import (
    CartIs,
    DecisionMade,
    InquiryShows,
    MessageSent,
    NothingSent,
    OrderIs,
    ProfileIs,
    StockIs,
)
from schemas.events import Decision, DecisionOutcome, SendMessage

MESSAGE = SendMessage(
    action_id="a",
    customer_id="c",
    brand="aoba",
    rule="pickup-ready",
    ruleset_hash="h",
    trigger_event_id="e",
    trigger_received_at=1_000,
    channel="line",
    to="U1",
    text="Order ORD-1 waits at Shibuya store",
    purpose="service",
    valid_until=9_000,
    decided_at=1_000,
)
DECISION = Decision(
    decision_id="d",
    customer_id="c",
    brand="aoba",
    rule="thanks",
    ruleset_hash="h",
    correlation="c",
    trigger_event_id="e",
    outcome=DecisionOutcome.HELD,
    reason="QUIET_HOURS",
    until=5_000,
    decided_at=1_000,
)


def test_a_message_matches_by_rule_channel_text_and_time() -> None:
    expected = MessageSent("pickup-ready", "line", ("ORD-1", "Shibuya"), 1_000)

    assert expected.matches(MESSAGE)
    assert not expected.matches(replace(MESSAGE, rule="other"))
    assert not expected.matches(replace(MESSAGE, channel="sms"))
    assert not expected.matches(replace(MESSAGE, text="Order ORD-1 waits"))
    assert not expected.matches(replace(MESSAGE, decided_at=999))


def test_nothing_sent_matches_what_must_not_be_there() -> None:
    forbidden = NothingSent("pickup-ready", 1_000)

    assert forbidden.matches(MESSAGE)
    assert not forbidden.matches(replace(MESSAGE, decided_at=999))
    assert not forbidden.matches(replace(MESSAGE, rule="other"))


def test_a_decision_matches_by_rule_outcome_reason_time_and_end() -> None:
    expected = DecisionMade("thanks", DecisionOutcome.HELD, "QUIET_HOURS", 1_000, until_ms=5_000)

    assert expected.matches(DECISION)
    assert DecisionMade("thanks", DecisionOutcome.HELD, "QUIET_HOURS", 1_000).matches(replace(DECISION, until=1))
    assert not expected.matches(replace(DECISION, until=5_001))
    assert not expected.matches(replace(DECISION, outcome=DecisionOutcome.SUPPRESSED))
    assert not expected.matches(replace(DECISION, reason="NO_CONSENT"))
    assert not expected.matches(replace(DECISION, rule="other"))
    assert not expected.matches(replace(DECISION, decided_at=999))


def place(**changes: Any) -> dict[str, Any]:
    shelf = {"location_id": "shibuya", "on_hand": 5, "reserved": 1, "available_to_promise": 4, "safety_stock": 0}
    return shelf | changes


def test_stock_holds_for_its_location() -> None:
    expected = StockIs("S", "shibuya", 5, 1, 4)

    assert expected.holds({"locations": [place(location_id="ginza", on_hand=9), place()]})
    assert not expected.holds({"locations": []})
    for change in ("on_hand", "reserved", "available_to_promise"):
        assert not expected.holds({"locations": [place(**{change: 3})]})
    assert not expected.holds({"locations": [place(location_id="ginza")]})


def test_profile_cart_and_order_hold_for_the_customers_view() -> None:
    view = {
        "profile": {"name": "Sakura", "preferred_channel": "line"},
        "cart": [{"sku": "A", "quantity": 1}],
        "orders": [{"order_id": "O", "status": "READY"}],
    }

    assert ProfileIs("Sakura", "line").holds(view)
    assert not ProfileIs("Sakura", "sms").holds(view)
    assert not ProfileIs("Sakura", "line").holds({"profile": None})
    assert CartIs(("A",)).holds(view)
    assert not CartIs(()).holds(view)
    assert not CartIs(("A", "B")).holds(view)
    assert not CartIs(("A",)).holds({"cart": [{"sku": "A", "quantity": 2}]})
    assert OrderIs("O", "READY").holds(view)
    assert not OrderIs("O", "PLACED").holds(view)


def thread(**changes: Any) -> dict[str, Any]:
    said = [{"text": "Hello?"}, {"text": "Yes."}]
    return {"topic": "product", "state": "OPEN", "channels": ["phone", "chat"], "messages": said} | changes


def test_an_inquiry_shows_all_in_one_thread() -> None:
    expected = InquiryShows("product", "OPEN", ("chat", "phone"), ("Hello?", "Yes."))

    assert expected.holds({"inquiries": [thread(topic="delivery", messages=[]), thread()]})
    assert not expected.holds({"inquiries": [thread(), thread()]})
    assert not expected.holds({"inquiries": []})
    assert not expected.holds({"inquiries": [thread(state="SOLVED")]})
    assert not expected.holds({"inquiries": [thread(channels=["phone"])]})
    assert not expected.holds({"inquiries": [thread(messages=[{"text": "Yes."}, {"text": "Hello?"}])]})
