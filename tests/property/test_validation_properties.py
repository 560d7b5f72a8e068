"""Whatever JSON arrives: an event, or InvalidInput that names fields; never another error."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import channel_record_names, record_names
from schemas.codec import Codec
from schemas.errors import InvalidInput
from schemas.history import example, published, schema_id
from schemas.validation import MAX_ERRORS, parse_event

NOW_MS = 1_795_400_000_000
CODEC = Codec({name: schema_id(published(name)[-1]) for name in record_names()}, lambda _: "")
# Lone surrogates too: json.loads makes them of "\\ud800".
TEXT = st.text(st.characters(), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
NAMES = sorted(channel_record_names())


def _only_invalid_input(raw: Any) -> None:
    refused: InvalidInput | None = None
    try:
        event = parse_event(raw, NOW_MS)
    except InvalidInput as error:
        refused = error
    if refused is None:
        assert CODEC.decode(CODEC.encode(event)) == event, "what is let in can be written"
    else:
        assert 1 <= len(refused.errors) <= MAX_ERRORS + 5
        assert all(entry.message for entry in refused.errors)
        (str(refused) + str(refused.errors)).encode()  # fits an answer and a log line


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_value(value: Any) -> None:
    _only_invalid_input(value)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.dictionaries(TEXT, JSON, max_size=5))
def test_any_object_with_a_type(name: str, fields: dict[str, Any]) -> None:
    _only_invalid_input(fields | {"type": name})


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _paths(inner, (*path, key))
    return found


@settings(max_examples=1_000, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_an_example_with_anything_in_the_place_of_some_values(name: str, data: st.DataObject) -> None:
    raw = copy.deepcopy(example(name))
    for path in data.draw(st.lists(st.sampled_from(_paths(raw)), min_size=1, max_size=3)):
        place: Any = raw
        for key in path[:-1]:
            if not isinstance(place, dict | list) or (isinstance(place, list) and key >= len(place)):
                break
            place = place[key] if isinstance(place, list) else place.get(key)
        if isinstance(place, dict) or (isinstance(place, list) and isinstance(path[-1], int) and path[-1] < len(place)):
            place[path[-1]] = data.draw(JSON)
    _only_invalid_input(raw)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_an_example_with_some_fields_missing_or_strange(name: str, data: st.DataObject) -> None:
    raw = copy.deepcopy(example(name))
    for key in data.draw(st.lists(st.sampled_from(sorted(raw)), max_size=3)):
        raw.pop(key, None)
    raw |= data.draw(st.dictionaries(TEXT, JSON, max_size=2))
    _only_invalid_input(raw)


@pytest.mark.parametrize("depth", [50, 900])
def test_deep_nesting_is_refused_like_any_other_wrong_type(depth: int) -> None:
    value: Any = []
    for _ in range(depth):
        value = [value]
    for field in ("identifiers", "lines", "order_id", "nothing"):
        _only_invalid_input(copy.deepcopy(example("OrderPlaced")) | {field: value})
