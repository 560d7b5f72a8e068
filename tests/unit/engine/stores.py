"""Stores to open, fill and look into."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas.rowcodec import encode_row
from schemas.rows import PositionRow, Row
from streams.engine import keys
from streams.engine.store import PartitionStore
from streams.engine.view import BatchView
from tables.view import Table
from tests.unit.engine.rows import NOTES, TABLES, NoteRow

IDENTITY = "cluster/notes/topology-1/4"


class Opener:
    """Opens stores in one directory and closes what a test leaves open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[PartitionStore] = []

    def __call__(self, identity: str = IDENTITY) -> PartitionStore:
        self.opened.append(PartitionStore(self.path, TABLES, identity))
        return self.opened[-1]


def commit(to: PartitionStore, position: int, *puts: tuple[str, NoteRow | None]) -> None:
    """One cycle that puts (or deletes) rows of NOTES under partition key "p"."""
    view = BatchView(to, remember=True)
    for row_key, row in puts:
        if row is None:
            view.delete(NOTES, "p", row_key)
        else:
            view.put(NOTES, "p", row_key, row)
    to.apply(view.changes(), b"position %d" % position, position)


def rows_of(of: PartitionStore) -> dict[str, NoteRow]:
    return dict(of.range(NOTES, keys.group_key(NOTES.name, "p"), "", None))


def timers_of(of: PartitionStore) -> list[tuple[int, str]]:
    return [(due, keys.split(key)[2]) for due, key in of.timers(2**63)]


def break_blocks(
    one: PartitionStore, path: Path, table: Table[Any] = NOTES, row: Callable[[str], Row] = NoteRow
) -> None:
    """3,000 rows ``p/000000`` and 3,000 ``p-000000``, and zeros in the middle of their file, as a dying disk would:
    opening does not notice."""
    view = BatchView(one)
    for number in range(3_000):
        view.put(table, "p", f"{number:06}", row(os.urandom(50).hex()))
        view.put(table, f"p-{number:06}", "", row(os.urandom(50).hex()))
    one.apply(view.changes(), encode_row(PositionRow({}, 0)), 1)
    one._db.flush()
    one.close()
    for file in path.glob("*.sst"):
        data = bytearray(file.read_bytes())
        middle = len(data) // 2
        data[middle - 50_000 : middle + 50_000] = bytes(100_000)
        file.write_bytes(data)
