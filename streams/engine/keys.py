"""Keys of rows as bytes that sort as (table, partition key, row key) does.

Each part but the last ends with 00 00; a 00 inside a part is written 00 FF. So no part can reach into the next, and
bytes compare as the strings do. The same bytes are the key of the changelog record.
"""

from __future__ import annotations

import struct

_END = b"\x00\x00"
_TIMER = b"\xff"
_META = b"\xfe"
POSITION = _META + b"position"
"""Changelog key of the partition's input position."""


def _part(text: str) -> bytes:
    raw = text.encode()
    return (raw.replace(b"\x00", b"\x00\xff") if b"\x00" in raw else raw) + _END


def group_key(table: str, partition_key: str) -> bytes:
    """What all rows of one partition key begin with."""
    return _part(table) + _part(partition_key)


def row_key_bytes(row_key: str) -> bytes:
    """The last part."""
    return row_key.encode()


def table_prefix(table: str) -> bytes:
    """What all rows of a table begin with."""
    return _part(table)


def split(key: bytes) -> tuple[str, str, str]:
    """(table, partition key, row key) of a row's key."""
    table, _, rest = key.partition(_END)
    end = rest.index(_END)
    partition_key, row_key = rest[:end], rest[end + 2 :]
    return table.decode(), partition_key.replace(b"\x00\xff", b"\x00").decode(), row_key.decode()


def is_row(key: bytes) -> bool:
    """False for the position and other records about the partition itself."""
    return not key.startswith(_META)


def local(name: str) -> bytes:
    """Key of a fact about the local store; never in the changelog."""
    return _META + b"local/" + name.encode()


def timer_key(due_ms: int, key: bytes) -> bytes:
    """Index entry of a row's timer: sorts by (due, row key). Local only, made anew when a store is restored.

    A due before 1970 counts as 1970: an entry that cannot be written would fail after its cycle was committed.
    """
    return _TIMER + struct.pack(">Q", min(max(due_ms, 0), _LAST_DUE)) + key


_LAST_DUE = 2**63 - 1
TIMERS_START = _TIMER


def split_timer(entry: bytes) -> tuple[int, bytes]:
    """(due, row's key) of an index entry."""
    return struct.unpack_from(">Q", entry, 1)[0], entry[9:]
