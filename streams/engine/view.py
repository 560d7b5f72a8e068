"""What a batch sees: its own changes over the committed rows. Nothing is written until the cycle commits."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from schemas.rowcodec import encode_row
from schemas.rows import Row
from streams.engine import keys
from streams.engine.change import Change
from streams.engine.store import PartitionStore
from tables.view import Table

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class _Entry:
    table: Table[Any]
    partition_key: str
    row_key: str
    row: Any | None


class BatchView:
    """Implements :class:`tables.view.View` for one batch of one partition.

    A view that is thrown away uncommitted shows the committed rows: what the read views do.

    ``mark`` and ``undo`` bracket one record, so that a record whose step raises leaves no trace in the batch.
    """

    def __init__(self, store: PartitionStore, remember: bool = False) -> None:
        """``remember``: keep committed rows decoded for the next batches; only in the thread that writes the store."""
        self._store = store
        self._remember = remember
        self._entries: dict[bytes, _Entry] = {}
        self._groups: dict[bytes, dict[str, _Entry]] = {}
        self._undo: list[tuple[bytes, bytes, str, _Entry | None]] = []

    def get(self, table: Table[R], partition_key: str, row_key: str = "") -> R | None:
        """See :class:`tables.view.View`."""
        key = keys.group_key(table.name, partition_key) + keys.row_key_bytes(row_key)
        entry = self._entries.get(key)
        if entry is not None:
            return entry.row
        return self._store.get(table, key, self._remember)

    def put(self, table: Table[R], partition_key: str, row_key: str, row: R) -> None:
        """See :class:`tables.view.View`."""
        self._set(_Entry(table, partition_key, row_key, row))

    def delete(self, table: Table[R], partition_key: str, row_key: str = "") -> None:
        """See :class:`tables.view.View`."""
        if self.get(table, partition_key, row_key) is not None:
            self._set(_Entry(table, partition_key, row_key, None))

    def range(
        self, table: Table[R], partition_key: str, start: str = "", stop: str | None = None
    ) -> Iterator[tuple[str, R]]:
        """See :class:`tables.view.View`."""
        group = keys.group_key(table.name, partition_key)
        changed = self._groups.get(group)
        committed = self._store.range(table, group, start, stop)
        if not changed:
            yield from committed
            return
        mine = {
            row_key: entry.row
            for row_key, entry in changed.items()
            if row_key >= start and (stop is None or row_key < stop)
        }
        merged: dict[str, Any] = {**dict(committed), **mine}
        for row_key in sorted(merged):
            if merged[row_key] is not None:
                yield row_key, merged[row_key]

    def due(self, table: Table[R], up_to_ms: int, limit: int) -> list[tuple[str, str, R]]:
        """See :class:`tables.view.View`."""
        found = heapq.merge(self._committed_due(table, up_to_ms), self._changed_due(table, up_to_ms))
        rows: list[tuple[str, str, R]] = []
        for _, key in found:
            _, partition_key, row_key = keys.split(key)
            row = self.get(table, partition_key, row_key)
            assert row is not None
            rows.append((partition_key, row_key, row))
            if len(rows) == limit:
                break
        return rows

    def _committed_due(self, table: Table[R], up_to_ms: int) -> Iterator[tuple[int, bytes]]:
        prefix = keys.table_prefix(table.name)
        for due, key in self._store.timers(up_to_ms):
            if key.startswith(prefix) and key not in self._entries:
                yield due, key

    def _changed_due(self, table: Table[R], up_to_ms: int) -> list[tuple[int, bytes]]:
        assert table.due is not None
        found = []
        for key, entry in self._entries.items():
            if entry.table.name == table.name and entry.row is not None:
                due = table.due(entry.row)
                if due is not None and due <= up_to_ms:
                    found.append((due, key))
        return sorted(found)

    def mark(self) -> None:
        """From here on ``undo`` takes back."""
        self._undo.clear()

    def undo(self) -> None:
        """Take back every change since ``mark``."""
        for key, group, row_key, previous in reversed(self._undo):
            if previous is None:
                del self._entries[key]
                del self._groups[group][row_key]
            else:
                self._entries[key] = previous
                self._groups[group][row_key] = previous
        self._undo.clear()

    def changes(self) -> list[Change]:
        """The last value of every row the batch changed, each encoded once; raises what the encoder raises."""
        return [self._change(key, entry) for key, entry in self._entries.items()]

    def marked_changes(self) -> list[Change]:
        """As ``changes``, of the rows changed since ``mark``."""
        return [self._change(key, self._entries[key]) for key in dict.fromkeys(key for key, *_ in self._undo)]

    def _set(self, entry: _Entry) -> None:
        group = keys.group_key(entry.table.name, entry.partition_key)
        key = group + keys.row_key_bytes(entry.row_key)
        self._undo.append((key, group, entry.row_key, self._entries.get(key)))
        self._entries[key] = entry
        self._groups.setdefault(group, {})[entry.row_key] = entry

    def _change(self, key: bytes, entry: _Entry) -> Change:
        previous_due = None
        if entry.table.due is not None:
            committed = self._store.get(entry.table, key, self._remember)
            previous_due = None if committed is None else entry.table.due(committed)
        value = None if entry.row is None else encode_row(entry.row)
        return Change(key, entry.table, entry.partition_key, entry.row_key, entry.row, value, previous_due)
