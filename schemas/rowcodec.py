"""Rows as bytes: one version byte, then a msgpack array of the fields.

Release N reads version v+1, release N+1 writes it; so every worker of a rolling upgrade can read what the others write.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeVar

import msgspec

from schemas.errors import ConfigurationError
from schemas.rows import Row

R = TypeVar("R", bound=Row)

ROW_VERSION: Final = 1
_PREFIX = bytes([ROW_VERSION])
_encoder = msgspec.msgpack.Encoder()


class UnknownRowVersion(ConfigurationError):
    """A row was written by a newer release: the partition stops, the row is neither skipped nor dead-lettered."""


@cache
def _decoder(row_type: type[R]) -> msgspec.msgpack.Decoder[R]:
    return msgspec.msgpack.Decoder(row_type)


def encode_row(row: Row) -> bytes:
    """Bytes of a row, as they stand in the changelog and in the local store."""
    return _PREFIX + _encoder.encode(row)


def decode_row(row_type: type[R], data: bytes) -> R:
    """The row in ``data``; raises :class:`UnknownRowVersion` for a version this release does not know."""
    if data[:1] != _PREFIX:
        raise UnknownRowVersion(
            f"a {row_type.__name__} has version {data[0] if data else 'none'}, this release reads {ROW_VERSION}: "
            "start a release that knows it"
        )
    row: R = _decoder(row_type).decode(memoryview(data)[1:])
    return row
