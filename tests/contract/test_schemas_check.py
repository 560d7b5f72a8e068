"""Each kind of incompatible change is planted once and must be found, at its place, with who breaks and the fix."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas.catalogue import AvroSchema, resolve
from schemas.compatibility import Breaks, Incompatibility, check, compare, not_avro

Change = Callable[[AvroSchema], None]


def _field(schema: AvroSchema, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(field for field in schema["fields"] if field["name"] == name)
    return found


def _envelope(schema: AvroSchema) -> AvroSchema:
    inner: AvroSchema = _field(schema, "envelope")["type"]
    return inner


def _planted(change: Change, name: str = "OrderPlaced") -> list[Incompatibility]:
    new = copy.deepcopy(resolve(name))
    change(new)
    return check(name, new, [resolve(name)])


def _set(name: str, **words: Any) -> Change:
    return lambda schema: _field(schema, name).update(words)


def _drop(name: str, word: str) -> Change:
    return lambda schema: _field(schema, name).pop(word) and None


def _new_field(**words: Any) -> Change:
    field = {"name": "gift", "type": "boolean", "doc": "Wrapped as a gift.", "default": False} | words
    return lambda schema: schema["fields"].append({key: word for key, word in field.items() if word is not ...})


def _removed(name: str) -> Change:
    return lambda schema: schema["fields"].remove(_field(schema, name))


def _fulfilment(change: Change) -> Change:
    return lambda schema: change(_field(schema, "fulfilment")["type"])


def _in_envelope(change: Change) -> Change:
    return lambda schema: change(_envelope(schema))


def _in_identifier(change: Change) -> Change:
    return lambda schema: change(_field(_envelope(schema), "identifiers")["type"]["items"])


def _in_lines(change: Change) -> Change:
    return lambda schema: change(_field(schema, "lines")["type"]["items"])


OLD, NEW, BOTH, SENDER, CONTRACT = Breaks.OLD_READER, Breaks.NEW_READER, Breaks.BOTH, Breaks.SENDER, Breaks.CONTRACT
CASES: dict[str, tuple[Change, Breaks, str, str]] = {
    # change, who breaks, file:field, words of the problem
    "new field without default": (_new_field(default=..., example=True), NEW, "OrderPlaced:gift", "has no default"),
    "field without default removed": (_removed("order_id"), OLD, "OrderPlaced:order_id", "was removed"),
    "long narrowed to int": (_set("total_minor", type="int"), NEW, "OrderPlaced:total_minor", "from long to int"),
    "int widened to long": (
        _in_lines(_set("quantity", type="long")),
        OLD,
        "OrderLine:quantity",
        "from int to long",
    ),
    "string made nullable": (
        _set("order_id", type=["null", "string"]),
        OLD,
        "OrderPlaced:order_id",
        "to null or string",
    ),
    "nullable made string": (
        _set("cart_id", type="string", default=""),
        NEW,
        "OrderPlaced:cart_id",
        "from null or string",
    ),
    "string to bytes, which Avro accepts": (_set("order_id", type="bytes"), BOTH, "OrderPlaced:order_id", "to bytes"),
    "record to string": (_set("lines", type="string", example="x"), BOTH, "OrderPlaced:lines", "from array to string"),
    "items of an array": (
        _set("lines", type={"type": "array", "items": "string"}),
        BOTH,
        "OrderPlaced:lines",
        "OrderLine to string",
    ),
    "logical type dropped, which Avro accepts": (
        _in_envelope(_set("occurred_at", type="long", example=7)),
        BOTH,
        "Envelope:occurred_at",
        "logicalType changed",
    ),
    "logical type added, which Avro accepts": (
        _set("total_minor", type={"type": "long", "logicalType": "timestamp-millis"}),
        BOTH,
        "OrderPlaced:total_minor",
        "logicalType changed",
    ),
    "namespace changed, which Avro accepts": (
        lambda schema: schema.update(namespace="elsewhere"),
        BOTH,
        "OrderPlaced:",
        "tsunagi.OrderPlaced to elsewhere",
    ),
    "record renamed": (lambda schema: schema.update(name="Ordered"), BOTH, "OrderPlaced:", "tsunagi.Ordered"),
    "enum symbol removed, which Avro accepts": (
        _fulfilment(lambda enum: enum["symbols"].remove("STORE_PICKUP")),
        NEW,
        "OrderPlaced:fulfilment",
        "reads it as HOME_DELIVERY",
    ),
    "enum default removed": (
        _fulfilment(lambda enum: enum.pop("default")),
        BOTH,
        "OrderPlaced:fulfilment",
        "HOME_DELIVERY was removed",
    ),
    "enum without default symbol": (
        _fulfilment(lambda enum: enum.pop("default")),
        CONTRACT,
        "OrderPlaced:fulfilment",
        "no default symbol",
    ),
    "enum default changed, which Avro accepts": (
        _fulfilment(lambda enum: enum.update(default="STORE_PICKUP")),
        BOTH,
        "OrderPlaced:fulfilment",
        "changed to STORE_PICKUP",
    ),
    "default changed, which Avro accepts": (
        _set("fulfilment", default="STORE_PICKUP"),
        BOTH,
        "OrderPlaced:fulfilment",
        "the default changed",
    ),
    "default removed": (_drop("cart_id", "default"), SENDER, "OrderPlaced:cart_id", "default was removed"),
    "field without doc": (_new_field(doc=...), CONTRACT, "OrderPlaced:gift", "no doc"),
    "record without doc": (lambda schema: schema.update(doc=""), CONTRACT, "OrderPlaced:", "no doc"),
    "required field without example": (
        _drop("order_id", "example"),
        CONTRACT,
        "OrderPlaced:order_id",
        "without an example",
    ),
    "example of another type": (_set("order_id", example=7), CONTRACT, "OrderPlaced:order_id", "does not fit"),
    "envelope field removed, which Avro accepts": (
        _in_envelope(_removed("customer_id")),
        BOTH,
        "Envelope:customer_id",
        "only grows",
    ),
    "envelope field without default": (
        _in_envelope(_new_field(default=..., example=True)),
        NEW,
        "Envelope:gift",
        "has no default",
    ),
    "channel event without envelope": (_removed("envelope"), CONTRACT, "OrderPlaced:", "without the envelope"),
    "field named like one of the envelope": (
        _new_field(name="brand"),
        CONTRACT,
        "OrderPlaced:brand",
        "JSON form is flat",
    ),
    "field named type": (_new_field(name="type"), CONTRACT, "OrderPlaced:type", "JSON form is flat"),
    "personal data no longer tagged": (
        _in_identifier(_drop("value", "pii")),
        CONTRACT,
        "Identifier:value",
        "pii tag was removed",
    ),
    "lower bound raised": (
        _in_lines(_set("quantity", minimum=2)),
        SENDER,
        "OrderLine:quantity",
        "minimum became tighter",
    ),
    "upper bound added": (_set("lines", maxItems=3), SENDER, "OrderPlaced:lines", "maxItems became tighter"),
    "pattern changed": (_set("currency", pattern="^JPY$"), SENDER, "OrderPlaced:currency", "pattern became tighter"),
    "default of the second branch": (
        _set("cart_id", default="cart"),
        CONTRACT,
        "OrderPlaced:cart_id",
        "does not fit the (first) type",
    ),
    "renamed with an alias": (
        _new_field(name="order_number", type="string", default="", aliases=["order_id"]),
        CONTRACT,
        "OrderPlaced:order_number",
        "for new readers only",
    ),
    "union of two": (
        _new_field(type=["string", "int"], default=""),
        CONTRACT,
        "OrderPlaced:gift",
        "not nullable-first",
    ),
    "type that the JSON form lacks": (
        _new_field(type="double", default=0.0),
        CONTRACT,
        "OrderPlaced:gift",
        "not in use",
    ),
    "camelCase": (_new_field(name="giftWrap"), CONTRACT, "OrderPlaced:giftWrap", "snake_case"),
    "no Avro at all": (_set("order_id", type="strin"), CONTRACT, "OrderPlaced:", "not valid Avro"),
    "default of another type": (_new_field(default="no"), CONTRACT, "OrderPlaced:", "not valid Avro"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_planted_change_is_found_and_explained(case: str) -> None:
    change, breaks, where, problem = CASES[case]
    file, _, field = where.partition(":")
    found = _planted(change)
    hits = [
        finding
        for finding in found
        if (finding.breaks, finding.file, finding.field) == (breaks, f"{file}.avsc", field)
        and problem in finding.problem
    ]
    assert hits, "\n".join(map(str, found))
    assert hits[0].record == "OrderPlaced"
    assert hits[0].fix
    assert hits[0].versions == (() if breaks is CONTRACT and "pii" not in problem else (1,))


@pytest.mark.parametrize(
    "change",
    [
        _new_field(),
        _new_field(type=["null", "string"], default=None),
        _in_envelope(_new_field()),
        _in_lines(_new_field()),
        _removed("cart_id"),
        _fulfilment(lambda enum: enum["symbols"].append("LOCKER")),
        _set("order_id", doc="Said better."),
        _drop("lines", "minItems"),
        lambda schema: schema["fields"].reverse() or schema["fields"].insert(0, schema["fields"].pop()),
    ],
    ids=["field", "nullable", "envelope", "line", "defaulted removed", "symbol", "doc", "looser", "reordered"],
)
def test_a_safe_change_is_let_through(change: Change) -> None:
    assert _planted(change) == []


def test_decimal_scale_is_seen_though_avro_accepts_it() -> None:
    def money(scale: int) -> AvroSchema:
        decimal = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": scale}
        return {"type": "record", "name": "Paid", "fields": [{"name": "amount", "type": decimal}]}

    (finding,) = compare("Paid", money(2), money(3))
    assert (finding.field, finding.breaks) == ("amount", Breaks.BOTH)
    assert "scale changed from 3 to 2" in finding.problem


def test_every_published_version_is_compared_not_only_the_latest() -> None:
    first, second, third = (copy.deepcopy(resolve("ClockTick")) for _ in range(3))
    first["fields"].append({"name": "speed", "type": "int", "doc": "How fast.", "default": 1})
    third["fields"].append({"name": "speed", "type": "string", "doc": "How fast.", "default": "1"})
    found = check("ClockTick", third, [first, second])
    assert "the type changed from int to string" in {finding.problem for finding in found}
    assert {finding.versions for finding in found} == {(1,)}
    assert check("ClockTick", third, [second]) == []


def test_a_schema_that_refers_to_itself_is_walked_once() -> None:
    node = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"], "default": None}]}
    assert compare("Node", node, copy.deepcopy(node)) == []


@pytest.mark.parametrize(
    "broken", [None, 3, {}, {"type": "record"}, {"type": "record", "name": "A", "fields": 3}, "strin"]
)
def test_anything_may_be_asked_whether_it_is_avro(broken: Any) -> None:
    assert not_avro(broken)
