"""Local time: quiet hours and calendar days in a customer's zone. Correct across daylight saving changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """The IANA time zone, or ``None`` when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a name such as "../x" or "America" is refused in these ways
        return None


def local(now_ms: int, where: ZoneInfo) -> datetime:
    """The wall clock there."""
    return datetime.fromtimestamp(now_ms // 1000, UTC).astimezone(where)


def _millis(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _is_quiet(wall: time, start: time, end: time) -> bool:
    """Whether start <= wall < end, across midnight when start > end."""
    return start <= wall < end if start < end else wall >= start or wall < end


def _instants(day: date, wall: time, where: ZoneInfo) -> list[datetime]:
    """When the wall clock shows ``wall`` on ``day``, ascending: twice where the clock is put back over it; where it is
    put forward over it, the instant of the jump."""
    both = {datetime.combine(day, wall, where).replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    shown = sorted(moment for moment in both if moment.astimezone(where).time() == wall)
    if shown:
        return shown
    low, high = max(both) - timedelta(hours=25), max(both)
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        there = middle.astimezone(where)
        low, high = (low, middle) if (there.date(), there.time()) >= (day, wall) else (middle, high)
    return [high.replace(microsecond=0)]


def _next(now_ms: int, wall: time, where: ZoneInfo, wanted: Callable[[time], bool]) -> int:
    day = local(now_ms, where).date() - timedelta(days=1)
    while True:
        for moment in _instants(day, wall, where):
            if _millis(moment) > now_ms and wanted(moment.astimezone(where).time()):
                return _millis(moment)
        day += timedelta(days=1)


def quiet_until(now_ms: int, start: time, end: time, where: ZoneInfo) -> int | None:
    """When the quiet hours [start, end) that hold at ``now_ms`` are over; ``None`` when it is not quiet.

    Wall-clock times in ``where``; start == end is refused by the model. The instant returned is itself not quiet, also
    where the clock is put forward or back in between.
    """
    if not _is_quiet(local(now_ms, where).time(), start, end):
        return None
    return _next(now_ms, end, where, lambda wall: not _is_quiet(wall, start, end))


def quiet_from(now_ms: int, start: time, end: time, where: ZoneInfo) -> int:
    """When the next quiet hours begin, for a ``now_ms`` that is not quiet."""
    return _next(now_ms, start, where, lambda wall: _is_quiet(wall, start, end))


def day_start(now_ms: int, where: ZoneInfo) -> int:
    """The first instant of the calendar day that it is there."""
    return _millis(_instants(local(now_ms, where).date(), time(0), where)[0])
