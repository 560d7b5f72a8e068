"""Rows as bytes: a version that this release does not know stops the partition, it is never guessed at."""

from __future__ import annotations

import msgspec
import pytest

from schemas.errors import ConfigurationError
from schemas.rowcodec import ROW_VERSION, UnknownRowVersion, decode_row, encode_row
from tests.unit.engine.rows import NoteRow

ROW = NoteRow("牛乳", 7, 3)


def test_a_row_comes_back() -> None:
    assert decode_row(NoteRow, encode_row(ROW)) == ROW


@pytest.mark.parametrize("version", [0, ROW_VERSION + 1, 255])
def test_an_unknown_version_is_named_with_what_to_do(version: int) -> None:
    newer = bytes([version]) + encode_row(ROW)[1:]
    with pytest.raises(UnknownRowVersion, match=rf"NoteRow has version {version}, this release reads {ROW_VERSION}"):
        decode_row(NoteRow, newer)


def test_no_bytes_at_all_are_an_unknown_version_too() -> None:
    with pytest.raises(UnknownRowVersion, match="version none"):
        decode_row(NoteRow, b"")


def test_it_is_the_operators_to_mend() -> None:
    assert issubclass(UnknownRowVersion, ConfigurationError)


def test_fields_that_an_older_release_did_not_have_get_their_defaults() -> None:
    older = bytes([ROW_VERSION]) + msgspec.msgpack.encode(["牛乳"])
    assert decode_row(NoteRow, older) == NoteRow("牛乳")
