"""JSON that could be read in two ways is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.request import MalformedBody
from connectors.sources.strict_json import decode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_what_json_says_comes_back_unchanged(value: object, escaped: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=escaped).encode()) == value


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "line 1 column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1} {"a": 2}', "Extra data"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' appears twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
        ('{"a": "東"}'.encode("utf-16"), "not UTF-8"),
        ("\ufeff{}".encode(), "not JSON"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'[[{"a": ["\\uD83D"]}]]', "surrogate"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"9" * 5_000, "too many digits"),
    ],
)
def test_refused_with_what_is_wrong(body: bytes, says: str) -> None:
    with pytest.raises(MalformedBody, match=says):
        decode(body)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert decode(b'["\\ud83d\\udce6"]') == ["📦"]


@given(st.binary(max_size=200))
def test_any_bytes_are_either_a_value_or_refused(body: bytes) -> None:
    try:
        value = decode(body)
    except MalformedBody:
        return
    json.dumps(value).encode()
