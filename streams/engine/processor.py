"""What the engine runs: a processor is its topics, its tables and one pure step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.events import Record
from schemas.outgoing import Outgoing
from schemas.rows import Row
from tables.view import Table, View

Step = Callable[[View, Record, int], list[Outgoing]]
"""(rows of this partition, record, now in epoch ms) -> records for other partitions. Pure; may raise."""


@dataclass(frozen=True, slots=True)
class Processor:
    """Topics in and out, tables, and the step. All inputs have the same number of partitions.

    ``clock_topic``: the input into which the owner of a partition writes its ClockTicks; ``None`` when no table of the
    processor has timers.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tables: tuple[Table[Any], ...]
    step: Step
    clock_topic: str | None = None

    def __post_init__(self) -> None:
        timed = [table.name for table in self.tables if table.due is not None]
        if timed and self.clock_topic not in self.inputs:
            raise ValueError(f"{self.name}: {', '.join(timed)} has timers, so clock_topic must be one of the inputs")

    @property
    def changelog(self) -> str:
        """The compacted topic its rows are restored from."""
        return f"changelog.{self.name}"


class Clock(Protocol):
    """The edge's clock; in a demo it may run faster than the wall's, never ahead of it."""

    def now_ms(self) -> int:
        """Epoch milliseconds UTC."""

    def seconds_until(self, at_ms: int) -> float:
        """Wall seconds until the clock shows ``at_ms``; 0 when it is past."""


class Effects(Protocol):
    """Work outside the log that committed rows call for (provider calls); all of it may run twice after a crash."""

    def committed(self, partition: int, rows: Sequence[Row]) -> None:
        """Rows put by a cycle that has just been committed."""

    def owned(self, partition: int, scan: Callable[[Table[Any]], Iterable[Any]]) -> None:
        """A partition was taken over; ``scan`` gives all its rows of a table."""
