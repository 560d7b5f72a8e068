"""Rows that a release has written stay readable: golden bytes of each row type and version, see row_examples."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import NODEFAULT
from msgspec.structs import fields

from schemas import rows
from schemas.rowcodec import ROW_VERSION, UnknownRowVersion, decode_row, encode_row
from schemas.rows import Row, SendRow
from tests.contract.row_examples import EXAMPLES, GOLDEN, versions

_ROW_TYPES = [
    value for value in vars(rows).values() if isinstance(value, type) and issubclass(value, Row) and value is not Row
]
_FILES = [(row, path) for row in EXAMPLES for path in versions(type(row))]


def _default(field: msgspec.structs.FieldInfo) -> object:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    assert field.default is not NODEFAULT, f"{field.name} was appended without a default: old rows cannot be read"
    return field.default


def _as_written_with(row: Row, count: int) -> Row:
    """The example as a release that knew only its first ``count`` fields had it."""
    described = fields(row)
    known = [getattr(row, field.name) for field in described[:count]]
    return type(row)(*known, *(_default(field) for field in described[count:]))


def test_every_row_type_has_an_example_and_golden_bytes() -> None:
    assert {type(row) for row in EXAMPLES} == set(_ROW_TYPES)
    assert len(EXAMPLES) == len(_ROW_TYPES)
    for row_type in _ROW_TYPES:
        numbers = [int(path.suffixes[0][1:]) for path in versions(row_type)]
        assert numbers, f"{row_type.__name__} has no golden bytes: run python -m tests.contract.row_examples"
        assert numbers == list(range(1, len(numbers) + 1))
    assert {path for _, path in _FILES} == set(GOLDEN.iterdir())


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: type(row).__name__)
def test_what_is_written_now_is_the_newest_golden_version(row: Row) -> None:
    assert encode_row(row).hex() == versions(type(row))[-1].read_text().strip(), (
        "the bytes of this row changed: append fields only, then run python -m tests.contract.row_examples"
    )


@pytest.mark.parametrize(("row", "path"), _FILES, ids=lambda value: value.name if isinstance(value, Path) else "")
def test_every_version_is_read_with_the_defaults_of_newer_fields(row: Row, path: Path) -> None:
    data = bytes.fromhex(path.read_text())
    assert data[0] == ROW_VERSION
    written = msgspec.msgpack.decode(data[1:])
    assert decode_row(type(row), data) == _as_written_with(row, len(written))


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: type(row).__name__)
def test_a_row_of_the_fewest_fields_is_read_with_defaults(row: Row) -> None:
    """Every field that has a default may be missing at the end of a row."""
    required = sum(1 for field in fields(row) if field.required)
    values = msgspec.to_builtins(row, builtin_types=(bytes,))[:required]
    data = bytes([ROW_VERSION]) + msgspec.msgpack.encode(values)
    assert decode_row(type(row), data) == _as_written_with(row, required)


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: type(row).__name__)
def test_an_example_fills_every_field_in(row: Row) -> None:
    """A field left at its default would hide that two fields changed places."""
    assert [
        field.name
        for field in fields(row)
        if (field.default is not NODEFAULT or field.default_factory is not NODEFAULT)
        and getattr(row, field.name) == _default(field)
    ] == []


def test_a_version_from_the_future_is_refused() -> None:
    data = bytes([ROW_VERSION + 1]) + encode_row(SendRow(1, "r", "g", "line", "c"))[1:]
    with pytest.raises(UnknownRowVersion, match="start a release that knows it"):
        decode_row(SendRow, data)
