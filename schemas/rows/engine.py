"""Rows of the engine itself."""

from __future__ import annotations

from schemas.rows.base import Row


class PositionRow(Row, frozen=True, array_like=True):
    """Engine: the next offset to read of each input of this partition. The truth of the input position."""

    offsets: dict[str, int]
    now_ms: int
