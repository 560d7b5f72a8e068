"""The live view shows the way of an event and nothing by which to reach a person."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from connectors.gateway.live_view import mask, view
from schemas.catalogue import ROOT, channel_record_names, declared
from schemas.events import (
    RECORD_TYPES,
    ClockTick,
    DeadLetter,
    DeadLetterReason,
    Decision,
    DecisionOutcome,
    MessageDelivered,
    Record,
    ReleaseReason,
    ReservationReleased,
    SendMessage,
    StockReserved,
    StockSold,
)
from schemas.validation import parse_event
from tests.strategies import all_records

NOW_MS = 1_795_400_000_000
SECRET = "planted-personal-value"


def example(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "examples" / f"{name}.json").read_text())
    return loaded


def stored(name: str, flat: dict[str, Any]) -> Record:
    """The record as it lies in customer-events."""
    envelope_fields = {field["name"] for field in declared()["Envelope"]["fields"]}
    envelope = {key: value for key, value in flat.items() if key in envelope_fields} | {"customer_id": "c-1"}
    envelope["occurred_at"] = NOW_MS
    own = {key: value for key, value in flat.items() if key not in envelope_fields and key != "type"}
    own = {key: NOW_MS if key == "hold_until" else value for key, value in own.items()}
    return msgspec.convert({"envelope": envelope, **own}, RECORD_TYPES[name])


@pytest.mark.parametrize("name", sorted(channel_record_names()))
def test_no_personal_field_of_an_event_is_shown(name: str) -> None:
    flat = example(name)
    flat["identifiers"] = [{"type": kind, "value": SECRET} for kind in ("member_id", "email", "phone")]
    flat |= {field["name"]: SECRET for field in declared()[name]["fields"] if field.get("pii")}
    shown = view(stored(name, flat), NOW_MS)
    assert shown is not None
    assert SECRET not in json.dumps(shown)
    assert shown["customer_id"] == "c-1"
    assert shown["at_ms"] == NOW_MS


@given(all_records())
def test_every_record_has_a_line_or_none_and_the_line_is_json(record: Record) -> None:
    shown = view(record, 7)
    if shown is not None:
        msgspec.json.encode(shown)
        assert shown["at_ms"] == 7


def test_an_order_says_what_the_shop_needs() -> None:
    shown = view(parse_event(example("OrderPlaced"), NOW_MS), NOW_MS)
    assert shown is not None
    assert (shown["kind"], shown["order_id"], shown["store_id"]) == ("accepted", "ORD-1001", "shibuya")
    assert shown["lines"][0] == {"sku": "SKU-RAIN-JACKET-M", "name": "Rain jacket M", "quantity": 1}


def decision(outcome: DecisionOutcome, reason: str = "") -> Decision:
    return Decision(
        decision_id="d", customer_id="c", brand="aoba", rule="r", ruleset_hash="h", correlation="o-1",
        trigger_event_id="e", outcome=outcome, reason=reason, decided_at=1,
    )  # fmt: skip


@pytest.mark.parametrize("outcome", list(DecisionOutcome))
def test_a_no_is_told_from_the_other_decisions(outcome: DecisionOutcome) -> None:
    shown = view(decision(outcome, "quiet_hours"), 1)
    assert shown is not None
    assert shown["kind"] == ("suppressed" if outcome is DecisionOutcome.SUPPRESSED else "decided")
    assert (shown["rule"], shown["reason"]) == ("r", "quiet_hours")


def test_an_action_shows_its_text_and_masks_its_address() -> None:
    action = SendMessage(
        action_id="a", customer_id="c", brand="aoba", rule="r", ruleset_hash="h", trigger_event_id="e",
        trigger_received_at=1, channel="email", to="sakura@example.com", text="Your order is ready",
        purpose="service", valid_until=9, decided_at=1,
    )  # fmt: skip
    shown = view(action, 1)
    assert shown is not None
    assert (shown["kind"], shown["to"], shown["text"]) == ("action", "s***@example.com", "Your order is ready")


@pytest.mark.parametrize(
    ("address", "shown"),
    [("sakura@example.com", "s***@example.com"), ("+819012345678", "***78"), ("U4af4980629", "***29"), ("", "***")],
)
def test_masks(address: str, shown: str) -> None:
    assert mask(address) == shown


def test_stock_movements_and_dead_letters_are_shown() -> None:
    reserved = StockReserved(
        reservation_id="r", order_id="o", customer_id="c", sku="s", location_id="l", quantity=2, reserved_at=1,
        expires_at=2,
    )  # fmt: skip
    released = ReservationReleased(
        reservation_id="r", order_id="o", sku="s", location_id="l", reason=ReleaseReason.COLLECTED, released_at=1
    )
    sold = StockSold(movement_id="m", sku="s", location_id="l", quantity=1, sold_at=1)
    for record in (reserved, released, sold):
        shown = view(record, 1)
        assert shown is not None
        assert (shown["kind"], shown["type"], shown["sku"]) == ("stock", type(record).__name__, "s")
    letter = DeadLetter(
        topic="channel.app", partition=1, offset=2, processor="identity", reason=DeadLetterReason.UNDECODABLE,
        error=SECRET, key=SECRET.encode(), value=SECRET.encode(), failed_at=1,
    )  # fmt: skip
    shown = view(letter, 1)
    assert shown is not None
    assert shown["reason"] == "UNDECODABLE"
    assert SECRET not in json.dumps(shown)


def test_ticks_say_nothing() -> None:
    assert view(ClockTick(up_to=1), 1) is None


def test_a_delivery_names_its_action() -> None:
    record = stored("MessageDelivered", example("MessageDelivered"))
    assert isinstance(record, MessageDelivered)
    shown = view(record, 1)
    assert shown is not None
    assert (shown["kind"], shown["action_id"]) == ("delivered", record.action_id)
