"""Hypothesis strategies made from the Avro schemas: a new field or record type is generated without a change here."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schemas.catalogue import resolve
from schemas.events import RECORD_TYPES, Envelope, Record

T = TypeVar("T")

unhurried = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Decorates a property: a busy machine is no counter-example."""

# Far beyond any real time, and still room to add weeks without leaving 64 bits.
TIMES = st.integers(min_value=-(2**62), max_value=2**62)
_INTS = {"int": (-(2**31), 2**31 - 1), "long": (-(2**62), 2**62)}


def records(record_type: type[T], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[T]:
    """Any record that Avro can carry as ``record_type``, sensible or not: limits such as ``minimum`` are the gateway's.

    ``fields`` replaces the strategy of a field; ``envelope`` takes one of the envelope's strategies.
    """
    name = record_type.__name__
    schema = resolve(name)
    values = {field["name"]: _values(field["type"], {}) for field in schema["fields"]}
    unknown = set(fields) - set(values)
    assert not unknown, f"{name} has no field {', '.join(sorted(unknown))}"
    plain = {key: value.map(msgspec.to_builtins) for key, value in fields.items()}
    return st.fixed_dictionaries({**values, **plain}).map(lambda made: msgspec.convert(made, record_type))


def envelopes(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Envelope]:
    """Any envelope; ``fields`` replaces the strategy of a field."""
    return records(Envelope, **fields)


def plain_envelopes(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Envelope]:
    """Envelopes that differ in ``fields`` only: where order and content are searched, not what a string can hold."""
    same: dict[str, Any] = {"event_id": "e", "channel": "app", "source": "s", "brand": "aoba", "received_at": 0}
    fixed = {name: st.just(value) for name, value in {**same, "identifiers": (), "customer_id": None}.items()}
    return envelopes(**{**fixed, **fields})


def any_of(*record_types: type[Any]) -> st.SearchStrategy[Any]:
    """Any record of the given types."""
    return st.one_of([records(record_type) for record_type in record_types])


def all_records() -> st.SearchStrategy[Record]:
    """Any record of the contract."""
    return any_of(*RECORD_TYPES.values())


def _values(node: Any, named: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Builtins that fit an inlined Avro type; ``named`` collects records and enums, which a schema declares once."""
    if isinstance(node, list):
        return st.one_of([_values(branch, named) for branch in node])
    if isinstance(node, str):
        return named[node.removeprefix("tsunagi.")] if node not in _PRIMITIVES else _PRIMITIVES[node]
    match node["type"]:
        case "record":
            fields = {field["name"]: _values(field["type"], named) for field in node["fields"]}
            named[node["name"]] = st.fixed_dictionaries(fields)
            return named[node["name"]]
        case "enum":
            named[node["name"]] = st.sampled_from(node["symbols"])
            return named[node["name"]]
        case "array":
            return st.lists(_values(node["items"], named), max_size=4)
        case "long" if node.get("logicalType") == "timestamp-millis":
            return TIMES
        case other:
            return _values(other, named)


_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(*_INTS["int"]),
    "long": st.integers(*_INTS["long"]),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=20),
    "bytes": st.binary(max_size=20),
}
