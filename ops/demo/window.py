"""The virtual days that the generator's five years are folded into."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ops.demo.shares import DAY_MS, HOUR_MS, MINUTE_MS

ZONE = ZoneInfo("Asia/Tokyo")
"""The brand's zone: the generator's clock times are read as local time here. It has no daylight saving time."""
MAX_DAYS = 90


@dataclass(frozen=True, slots=True)
class Window:
    """``days`` virtual days in the half-open interval [start_ms, end_ms).

    A virtual day begins at the window's own time of day, whatever that is, and lasts 24 h; every local clock time
    occurs once in each. The first day belongs to sign-ups and stock counts, purchases fill the others.
    """

    end_ms: int
    days: int

    def __post_init__(self) -> None:
        if not 2 <= self.days <= MAX_DAYS:
            raise ValueError(f"days is {self.days}; give 2 to {MAX_DAYS} (the first is for sign-ups)")

    @property
    def start_ms(self) -> int:
        return self.end_ms - self.days * DAY_MS

    @property
    def settled_ms(self) -> int:
        """All sign-ups lie before, all events that need them at or after: 4 h before the first day ends."""
        return self.start_ms + DAY_MS - 4 * HOUR_MS

    def at(self, day: int, clock_ms: int) -> int:
        """Epoch milliseconds of the local time of day ``clock_ms`` (0 to 24 h) within virtual day ``day`` (from 0)."""
        local = datetime.fromtimestamp(self.start_ms / 1000, UTC).astimezone(ZONE)
        begins = (local.hour * 60 + local.minute) * MINUTE_MS + local.second * 1000 + self.start_ms % 1000
        return self.start_ms + day * DAY_MS + (clock_ms - begins) % DAY_MS
