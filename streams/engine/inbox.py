"""Fetched records that wait for their cycle."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any


class Inbox:
    """In the order they came. Not thread-safe by itself: its task's condition guards it."""

    def __init__(self) -> None:
        self._pieces: deque[Sequence[Any]] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, records: Sequence[Any]) -> None:
        """Records of one fetch."""
        self._pieces.append(records)
        self._count += len(records)

    def take(self, limit: int) -> list[Any]:
        """The oldest records, at most ``limit``."""
        taken: list[Any] = []
        while self._pieces and len(taken) < limit:
            piece = self._pieces.popleft()
            room = limit - len(taken)
            taken.extend(piece[:room])
            if len(piece) > room:
                self._pieces.appendleft(piece[room:])
        self._count -= len(taken)
        return taken

    def clear(self) -> None:
        """Forget them; the position brings them again."""
        self._pieces.clear()
        self._count = 0
