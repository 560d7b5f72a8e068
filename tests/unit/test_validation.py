"""Flat JSON events: the examples parse, and each mistake is answered with its field, what is wrong and the doc."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from schemas.catalogue import channel_record_names, channels, declared
from schemas.errors import FieldError, InvalidInput, UnknownRecordType
from schemas.events import Fulfilment, Identifier, OrderPlaced, SaleAtTill
from schemas.history import example
from schemas.validation import MAX_ERRORS, destination, event_models, parse_event

NOW_MS = 1_795_400_000_000  # after every example
WRITTEN_BY_US = {"MessageDelivered", "MessageFailed"}
SENDABLE = sorted(channel_record_names() - WRITTEN_BY_US)


def _order(**changes: Any) -> dict[str, Any]:
    raw = copy.deepcopy(example("OrderPlaced")) | changes
    return {key: value for key, value in raw.items() if value is not ...}


def _line(**changes: Any) -> dict[str, Any]:
    line = {"sku": "S", "quantity": 1, "unit_price_minor": 5, "currency": "JPY"} | changes
    return {key: value for key, value in line.items() if value is not ...}


def _errors(raw: Any, now_ms: int = NOW_MS) -> tuple[FieldError, ...]:
    with pytest.raises(InvalidInput) as caught:
        parse_event(raw, now_ms)
    assert caught.value.errors
    return caught.value.errors


def _only(raw: Any, now_ms: int = NOW_MS) -> FieldError:
    (error,) = _errors(raw, now_ms)
    return error


@pytest.mark.parametrize("name", SENDABLE)
def test_every_example_parses_to_its_record(name: str) -> None:
    event = parse_event(example(name), NOW_MS)
    assert type(event).__name__ == name
    assert event.envelope.event_id == example(name)["event_id"]
    assert (event.envelope.received_at, event.envelope.customer_id) == (0, None)


@pytest.mark.parametrize("name", sorted(WRITTEN_BY_US))
def test_what_tsunagi_writes_itself_is_not_taken_from_outside(name: str) -> None:
    error = _only(example(name))
    assert error.field == "type"
    assert "written by Tsunagi itself" in error.message


def test_an_order_is_taken_over_field_by_field() -> None:
    event = parse_event(example("OrderPlaced"), NOW_MS)
    assert isinstance(event, OrderPlaced)
    assert event.envelope.occurred_at == 1_794_870_720_000
    assert event.envelope.identifiers[0] == Identifier(type="member_id", value="M-1001")
    assert event.fulfilment is Fulfilment.STORE_PICKUP
    assert [line.sku for line in event.lines] == ["SKU-RAIN-JACKET-M", "SKU-TRAIL-BOOT-24"]
    assert event.lines[0].unit_price_minor == 12_800


def test_optional_fields_take_the_schemas_defaults() -> None:
    event = parse_event(_order(fulfilment=..., store_id=..., store_name=None, cart_id=...), NOW_MS)
    assert isinstance(event, OrderPlaced)
    assert (event.fulfilment, event.store_id, event.store_name) == (Fulfilment.HOME_DELIVERY, None, None)


@pytest.mark.parametrize(
    "written",
    ["2026-11-17T08:12:00+09:00", "2026-11-16T23:12:00Z", "2026-11-16T23:12:00.000000+00:00", 1_794_870_720_000],
)
def test_times_are_iso_with_offset_or_epoch_milliseconds(written: str | int) -> None:
    assert parse_event(_order(occurred_at=written), NOW_MS).envelope.occurred_at == 1_794_870_720_000


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("2026-11-17T08:12:00", "has no offset, so nobody can say which moment it is"),
        ("2026-11-17", "has no offset"),
        ("yesterday", "is not an ISO 8601 time"),
        ("", "is not an ISO 8601 time"),
        ("1999-12-31T23:59:59Z", "lies before 2000-01-01"),
        (1_794_870_720, "epoch milliseconds, not seconds"),
        (1_794_870_720_000.5, "must be a string (ISO 8601 with offset) or an integer"),
        (True, "must be a string (ISO 8601 with offset) or an integer"),
        (None, "must be a string (ISO 8601 with offset) or an integer"),
        (2**70, "must be at most"),
    ],
)
def test_an_absurd_time_is_refused_with_the_reason(written: Any, why: str) -> None:
    error = _only(_order(occurred_at=written))
    assert error.field == "occurred_at"
    assert why in error.message
    assert error.expected.startswith("When it happened in the world")


def test_a_senders_clock_may_be_five_minutes_ahead_and_no_more() -> None:
    occurred_at = example("OrderPlaced")["occurred_at"]
    at_ms = parse_event(_order(), NOW_MS).envelope.occurred_at
    assert parse_event(_order(occurred_at=occurred_at), at_ms - 300_000)
    error = _only(_order(), at_ms - 300_001)
    assert (error.field, "check the sender's clock" in error.message) == ("occurred_at", True)


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"order_id": ...}, "order_id", "is missing"),
        ({"order_id": 1001}, "order_id", "must be a string, not an integer"),
        ({"order_id": ""}, "order_id", "must not be empty"),
        ({"order_id": " \u0020"}, "order_id", "must have a visible character"),
        ({"order_id": "ORD\n1001"}, "order_id", "no control characters"),
        ({"order_id": "ORD\x001001"}, "order_id", "no control characters"),
        ({"order_id": "x" * 513}, "order_id", "more than 512 characters"),
        ({"order_id": "\ud800"}, "order_id", "not valid Unicode"),
        ({"event_id": "x" * 129}, "event_id", "more than 128 characters"),
        ({"total_minor": "12800"}, "total_minor", "must be an integer, not a string"),
        ({"total_minor": True}, "total_minor", "must be an integer, not true or false"),
        ({"total_minor": 12800.0}, "total_minor", "must be an integer, not a number"),
        ({"total_minor": -1}, "total_minor", "must be at least 0"),
        ({"total_minor": 2**63}, "total_minor", "must be at most 9223372036854775807"),
        ({"total_minor": None}, "total_minor", "must be an integer, not null"),
        ({"currency": "yen"}, "currency", "must match ^[A-Z]{3}$"),
        ({"fulfilment": "DRONE"}, "fulfilment", "'HOME_DELIVERY' or 'STORE_PICKUP'"),
        ({"store_id": ...}, "store_id", "is needed with STORE_PICKUP"),
        ({"store_id": None}, "store_id", "is needed with STORE_PICKUP"),
        ({"lines": []}, "lines", "needs at least 1 entry"),
        ({"lines": None}, "lines", "must be an array, not null"),
        ({"lines": {}}, "lines", "must be an array, not an object"),
        ({"lines": [_line()] * 501}, "lines", "more than 500 entries"),
        ({"lines": [_line(), _line(quantity=0)]}, "lines.1.quantity", "must be at least 1"),
        ({"lines": [_line(quantity=2**31)]}, "lines.0.quantity", "must be at most 2147483647"),
        ({"lines": [_line(sku=...)]}, "lines.0.sku", "is missing"),
        ({"lines": [_line(quantiti=2)]}, "lines.0.quantiti", "is not a field of OrderLine; did you mean quantity?"),
        ({"lines": [_line(url="shop.example/p/1")]}, "lines.0.url", "must match"),
        ({"lines": ["SKU"]}, "lines.0", "must be an object, not a string"),
        ({"totl_minor": 5}, "totl_minor", "is not a field of OrderPlaced; did you mean total_minor?"),
        ({"zzz": 5}, "zzz", "is not a field of OrderPlaced"),
        ({"customer_id": "c"}, "customer_id", "is set by Tsunagi: leave it out"),
        ({"customer_id": None}, "customer_id", "is set by Tsunagi: leave it out"),
        ({"received_at": 0}, "received_at", "is set by Tsunagi: leave it out"),
        ({"envelope": {}}, "envelope", "is flat in JSON"),
        ({"channel": "ap"}, "channel", "'ap' is no channel; did you mean app?; one of app, web,"),
        ({"source": "ec-site"}, "source", "'ec-site' does not report on channel app; one of shop-app"),
        ({"identifiers": ...}, "identifiers", "names nobody"),
        ({"identifiers": []}, "identifiers", "names nobody"),
        ({"identifiers": [{"type": "email", "value": "guest"}]}, "identifiers", "names nobody"),
        ({"identifiers": [{"type": "phone", "value": ""}]}, "identifiers", "names nobody"),
        ({"identifiers": [{"type": "email"}]}, "identifiers.0.value", "is missing"),
        ({"identifiers": [{"type": "mail", "value": "a@b.example"}]}, "identifiers.0.type", "must be one of"),
        ({"identifiers": [{"type": "cookie", "value": "c"}] * 21}, "identifiers", "more than 20 entries"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_its_field(change: dict[str, Any], field: str, message: str) -> None:
    error = _only(_order(**change))
    assert error.field == field
    assert message in error.message


def test_the_schemas_doc_is_quoted_also_deep_inside() -> None:
    assert _only(_order(lines=[_line(quantity=0)])).expected == "Units, at least 1."
    assert _only(_order(total_minor="1")).expected.startswith("What the customer pays in minor units")


def test_all_mistakes_are_told_at_once_also_those_between_fields() -> None:
    raw = _order(
        total_minor="1", channel="ap", source="x", identifiers=[], lines=[_line(sku=7)], occurred_at=NOW_MS * 2
    )
    assert {error.field for error in _errors(raw)} == {
        "total_minor",
        "channel",
        "identifiers",
        "lines.0.sku",
        "occurred_at",
    }


def test_the_list_of_mistakes_is_bounded_and_says_how_many_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"and 1999 more") as caught:
        parse_event(_order(lines=[{}] * 500), NOW_MS)
    assert len(caught.value.errors) == MAX_ERRORS


def test_values_are_never_repeated_because_they_may_be_personal() -> None:
    raw = _order(
        identifiers=[{"type": "email", "value": ["sakura@example.com"]}],
        order_id=["sakura@example.com"],
        fulfilment="sakura@example.com",
        currency="sakura@example.com",
        occurred_at="sakura@example.com",
    )
    with pytest.raises(InvalidInput) as caught:
        parse_event(raw, NOW_MS)
    assert "sakura" not in str(caught.value) + str(caught.value.errors)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Orderplaced", UnknownRecordType, "did you mean OrderPlaced"),
        ("order_placed", UnknownRecordType, "did you mean OrderPlaced"),
        ("Zebra", UnknownRecordType, "docs/events.md lists them"),
        ("SendMessage", UnknownRecordType, "written by Tsunagi itself"),
        ("Envelope", UnknownRecordType, "is no record type"),
        ("x" * 10_000, UnknownRecordType, "is no record type"),
        (7, InvalidInput, "must be a string that names a record type, not an integer"),
        (None, InvalidInput, "not null"),
        (..., InvalidInput, "is missing"),
    ],
)
def test_an_unknown_type_lists_near_names(name: Any, kind: type[InvalidInput], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_event(_order(type=name), NOW_MS)
    assert type(caught.value) is kind
    (error,) = caught.value.errors
    assert error.field == "type"
    assert message in error.message
    assert len(error.message) < 300


@pytest.mark.parametrize("raw", [None, [], "OrderPlaced", 7, True])
def test_what_is_no_object_is_said(raw: Any) -> None:
    assert _only(raw).message.startswith("must be an object, not ")


def test_a_type_that_its_channel_does_not_send_says_who_does() -> None:
    raw = copy.deepcopy(example("SaleAtTill")) | {"channel": "app", "source": "shop-app"}
    assert _only(raw).message == "SaleAtTill does not come from channel app; it comes from store"
    assert destination("SaleAtTill", "app") is None
    assert destination("SaleAtTill", "store") == "channel.store"


def test_stock_goes_to_its_own_log_and_only_from_channels_that_keep_stock() -> None:
    assert {name for name in channels() if destination("StockLevelReported", name)} == {"web", "store"}
    assert destination("StockLevelReported", "store") == "inventory-events"
    raw = copy.deepcopy(example("StockLevelReported")) | {"channel": "app", "source": "shop-app"}
    assert _only(raw).field == "type"


def test_a_sale_at_a_till_and_a_stock_level_need_no_person() -> None:
    raw = copy.deepcopy(example("SaleAtTill"))
    del raw["identifiers"]
    event = parse_event(raw, NOW_MS)
    assert isinstance(event, SaleAtTill)
    assert event.envelope.identifiers == ()


def test_one_usable_identifier_is_enough_and_blocked_ones_do_no_harm() -> None:
    identifiers = [{"type": "member_id", "value": "null"}, {"type": "phone", "value": "090-1234-5678"}]
    assert parse_event(_order(identifiers=identifiers), NOW_MS)


def test_message_channels_are_checked_against_the_sinks() -> None:
    profile = copy.deepcopy(example("ProfileUpdated"))
    assert _only(profile | {"preferred_channel": "LINE"}).message == "must be one of 'email', 'line' or 'sms'"
    consent = copy.deepcopy(example("ConsentGiven"))
    assert _only(consent | {"channels": ["line", "fax"]}).field == "channels.1"


def test_text_may_be_long_and_have_lines_but_not_without_end() -> None:
    message = copy.deepcopy(example("InquiryMessageAdded"))
    assert parse_event(message | {"text": "One line.\nAnother.\t" + "x" * 9_000}, NOW_MS)
    assert "more than 10000 characters" in _only(message | {"text": "x" * 10_001}).message
    assert _only(message | {"text": " \n"}).field == "text"


def test_the_models_tell_openapi_what_the_schemas_say() -> None:
    assert set(event_models()) == channel_record_names()
    schema = event_models()["OrderPlaced"].model_json_schema()
    own = {field["name"] for field in declared()["OrderPlaced"]["fields"]} - {"envelope"}
    envelope = {field["name"] for field in declared()["Envelope"]["fields"]} - {"received_at", "customer_id"}
    assert set(schema["properties"]) == own | envelope | {"type"}
    assert schema["additionalProperties"] is False
    assert schema["properties"]["type"]["const"] == "OrderPlaced"
    assert schema["properties"]["total_minor"]["minimum"] == 0
    assert (schema["properties"]["lines"]["minItems"], schema["properties"]["lines"]["maxItems"]) == (1, 500)
    assert schema["properties"]["order_id"]["description"] == "The order number that every channel shows."
    assert set(schema["required"]) == {"type", "event_id", "occurred_at", "channel", "source", "brand"} | {
        "order_id",
        "lines",
        "total_minor",
        "currency",
    }
    json.dumps(schema)
