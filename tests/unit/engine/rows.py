"""Rows and tables of these tests' own."""

from __future__ import annotations

from schemas.rows import Row
from streams.engine import keys
from tables.view import Table


class NoteRow(Row, frozen=True, array_like=True):
    """A row with a timer and something to tell it by."""

    text: str
    due_ms: int | None = None
    number: int = 0


NOTES = Table("notes", NoteRow, due=lambda row: row.due_ms)
OTHERS = Table("others", NoteRow, due=lambda row: row.due_ms)
PLAIN = Table("plain", NoteRow)
TABLES = (NOTES, OTHERS, PLAIN)


def full_key(table: Table[NoteRow], partition_key: str, row_key: str = "") -> bytes:
    """Key of a row in store and changelog."""
    return keys.group_key(table.name, partition_key) + keys.row_key_bytes(row_key)
