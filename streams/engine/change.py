"""What a cycle does to one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tables.view import Table


@dataclass(frozen=True, slots=True)
class Change:
    """One row as a cycle leaves it: ``row`` ``None`` is a deletion. ``previous_due_ms`` finds the old timer entry."""

    key: bytes
    """Of the changelog record and of the row here."""
    table: Table[Any]
    partition_key: str
    row_key: str
    row: Any | None
    value: bytes | None
    previous_due_ms: int | None

    @property
    def due_ms(self) -> int | None:
        """When the row's timer fires."""
        return self.table.due(self.row) if self.table.due is not None and self.row is not None else None
