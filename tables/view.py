"""How folds see rows: by (partition key, row key), over whatever store the driver has.

A row belongs to a table; its partition key (customer id, SKU, hashed identifier) says in which Kafka partition it
lives; its row key orders the rows of one partition key. The engine keeps rows in RocksDB, the checker and the tests in
a dict (:class:`DictView`): the same folds run over both.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from schemas.rows import Row

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table of one row type.

    ``name`` is unique in its processor and part of the changelog key. ``due`` gives the time a row's timer fires, for
    tables whose rows carry one: the store keeps them findable in (due, key) order.
    """

    name: str
    row_type: type[R]
    due: Callable[[R], int | None] | None = None


class View(Protocol):
    """The rows of one partition, as one batch sees them: its own changes over the committed state."""

    def get(self, table: Table[R], partition_key: str, row_key: str = "") -> R | None:
        """The row, or ``None``."""

    def put(self, table: Table[R], partition_key: str, row_key: str, row: R) -> None:
        """Set the row."""

    def delete(self, table: Table[R], partition_key: str, row_key: str = "") -> None:
        """Remove the row; nothing happens when there is none."""

    def range(
        self, table: Table[R], partition_key: str, start: str = "", stop: str | None = None
    ) -> Iterator[tuple[str, R]]:
        """(row key, row) with start <= row key < stop, ascending; ``stop=None``: to the end."""

    def due(self, table: Table[R], up_to_ms: int, limit: int) -> list[tuple[str, str, R]]:
        """At most ``limit`` rows whose timer is due at or before ``up_to_ms``: (partition key, row key, row), in
        (due, partition key, row key) order."""


class Rows(Generic[R]):
    """The rows of one table under one partition key: what a fold is given, so that it can touch nobody else's."""

    __slots__ = ("_partition_key", "_table", "_view")

    def __init__(self, view: View, table: Table[R], partition_key: str) -> None:
        self._view = view
        self._table = table
        self._partition_key = partition_key

    def get(self, row_key: str = "") -> R | None:
        """The row, or ``None``."""
        return self._view.get(self._table, self._partition_key, row_key)

    def put(self, row: R, row_key: str = "") -> None:
        """Set the row."""
        self._view.put(self._table, self._partition_key, row_key, row)

    def delete(self, row_key: str = "") -> None:
        """Remove the row; nothing happens when there is none."""
        self._view.delete(self._table, self._partition_key, row_key)

    def range(self, start: str = "", stop: str | None = None) -> Iterator[tuple[str, R]]:
        """(row key, row) with start <= row key < stop, ascending. Changes made while iterating are not seen."""
        return self._view.range(self._table, self._partition_key, start, stop)


class DictView:
    """A whole partition in memory: the driver of the checker, the scenarios and the property tests."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], Row] = {}
        self._keys: dict[tuple[str, str], list[str]] = {}

    def get(self, table: Table[R], partition_key: str, row_key: str = "") -> R | None:
        """See :class:`View`."""
        row = self.rows.get((table.name, partition_key, row_key))
        assert row is None or isinstance(row, table.row_type)
        return row

    def put(self, table: Table[R], partition_key: str, row_key: str, row: R) -> None:
        """See :class:`View`."""
        if (table.name, partition_key, row_key) not in self.rows:
            insort(self._keys.setdefault((table.name, partition_key), []), row_key)
        self.rows[table.name, partition_key, row_key] = row

    def delete(self, table: Table[R], partition_key: str, row_key: str = "") -> None:
        """See :class:`View`."""
        if self.rows.pop((table.name, partition_key, row_key), None) is not None:
            self._keys[table.name, partition_key].remove(row_key)

    def range(
        self, table: Table[R], partition_key: str, start: str = "", stop: str | None = None
    ) -> Iterator[tuple[str, R]]:
        """See :class:`View`."""
        keys = self._keys.get((table.name, partition_key), [])
        end = len(keys) if stop is None else bisect_left(keys, stop)
        for row_key in keys[bisect_left(keys, start) : end]:
            row = self.get(table, partition_key, row_key)
            assert row is not None
            yield row_key, row

    def due(self, table: Table[R], up_to_ms: int, limit: int) -> list[tuple[str, str, R]]:
        """See :class:`View`; looks at every row, which is fine for tests."""
        assert table.due is not None
        found: list[tuple[int, str, str, R]] = []
        for (name, partition_key, row_key), row in self.rows.items():
            if name == table.name:
                assert isinstance(row, table.row_type)
                due = table.due(row)
                if due is not None and due <= up_to_ms:
                    found.append((due, partition_key, row_key, row))
        found.sort(key=lambda item: item[:3])
        return [item[1:] for item in found[:limit]]
