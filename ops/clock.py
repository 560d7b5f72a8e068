"""The edge's clocks. The core never asks one: it is told `now` through the log.

``wall`` is the machine's clock. A demo steers a clock of its own through a small shared file, so that a week passes in
a minute for every process alike; it never runs ahead of the wall, because Kafka refuses records from the future, and
once it has caught up it *is* the wall's.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Protocol

from schemas.errors import ConfigurationError

_SLOT = struct.Struct("<qqdq")  # wall ms, virtual ms, virtual ms per wall ms, virtual ms where it stops
_INDEX = struct.Struct("<B")
_SIZE = 80
_SLOTS = (8, 40)
_NEVER = 2**62
_LONGEST_WAIT_SECONDS = 0.05


class Clock(Protocol):
    """See :class:`streams.engine.processor.Clock`."""

    def now_ms(self) -> int:
        """Epoch milliseconds UTC."""

    def seconds_until(self, at_ms: int) -> float:
        """Wall seconds until the clock shows ``at_ms``, or until it is worth asking again; 0 when it is past."""


class WallClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """See :class:`Clock`."""
        return time.time_ns() // 1_000_000

    def seconds_until(self, at_ms: int) -> float:
        """See :class:`Clock`."""
        return max(0.0, (at_ms - self.now_ms()) / 1000)


class SteeredClock:
    """A clock whose speed one process sets and all processes of a demo read.

    The file has two slots and a byte that says which one counts; the other one is written first, so a reader never
    sees half of a change.
    """

    def __init__(self, path: Path) -> None:
        """Open an existing clock file; raises :class:`ConfigurationError` when there is none."""
        try:
            with path.open("r+b") as file:
                self._memory = mmap.mmap(file.fileno(), _SIZE)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"clock file {path} cannot be read: {error}") from error
        self._wall = WallClock()

    @classmethod
    def create(cls, path: Path, start_ms: int) -> SteeredClock:
        """A clock that stands still at ``start_ms`` until it is steered."""
        path.write_bytes(bytes(_SIZE))
        clock = cls(path)
        clock._write(clock._wall.now_ms(), start_ms, 0.0, _NEVER)
        return clock

    def now_ms(self) -> int:
        """See :class:`Clock`; never ahead of the wall."""
        wall = self._wall.now_ms()
        since, start, speed, stop = self._read()
        return min(wall, stop, start + int((wall - since) * speed))

    def seconds_until(self, at_ms: int) -> float:
        """See :class:`Clock`. Short, because the speed may change meanwhile."""
        return 0.0 if at_ms <= self.now_ms() else _LONGEST_WAIT_SECONDS

    def steer(self, speed: float) -> None:
        """From now on ``speed`` (0 or more) virtual milliseconds pass in one of the wall's."""
        self._write(self._wall.now_ms(), self.now_ms(), speed, _NEVER)

    def reach(self, at_ms: int, seconds: float) -> None:
        """Run evenly so that it shows ``at_ms`` in ``seconds``, and stand there until steered again."""
        now = self.now_ms()
        speed = max(0.0, (at_ms - now) / (seconds * 1000))
        self._write(self._wall.now_ms(), now, speed, max(at_ms, now))

    def _read(self) -> tuple[int, int, float, int]:
        (index,) = _INDEX.unpack_from(self._memory, 0)
        wall, virtual, speed, stop = _SLOT.unpack_from(self._memory, _SLOTS[index])
        return wall, virtual, speed, stop

    def _write(self, wall_ms: int, virtual_ms: int, speed: float, stop_ms: int) -> None:
        (index,) = _INDEX.unpack_from(self._memory, 0)
        other = 1 - index
        _SLOT.pack_into(self._memory, _SLOTS[other], wall_ms, virtual_ms, speed, stop_ms)
        _INDEX.pack_into(self._memory, 0, other)


def clock_from(spec: str) -> Clock:
    """``wall``, or ``file:PATH`` of a steered clock."""
    if spec == "wall":
        return WallClock()
    if spec.startswith("file:"):
        return SteeredClock(Path(spec.removeprefix("file:")))
    raise ConfigurationError(f"clock is {spec!r}: give `wall` or `file:PATH`")
