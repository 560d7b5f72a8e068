"""What was sent, and how much more may be: the table ``sends`` and the limits of a cap group.

Row key = time/action id, so windows are ranges. Bounded on write: a new row drops those older than any window needs, so
a customer keeps at most what was sent within the longest window of the ruleset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from orchestration_rules import quiet
from orchestration_rules.durations import duration_ms
from orchestration_rules.model import CapLimit
from schemas.rows import SendRow
from tables.keys import time_key
from tables.view import Rows

REMEMBERED_MS = 72 * 3_600_000
"""Every send is remembered this long, so that the same event coming again within the event-dedup window of the profile
cannot send twice."""
_DAY_MS = 50 * 3_600_000
"""Longer than any calendar day, also one that a customer's move across zones stretches."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that allows no more now."""

    limit: int
    window: str


def group_key(brand: str, group: str | None) -> str:
    """How a send names its cap group: caps are per brand. Empty: not capped."""
    return f"{brand}/{group}" if group else ""


def reached(
    rows: Rows[SendRow], limits: Iterable[CapLimit], group: str, now_ms: int, where: ZoneInfo
) -> Reached | None:
    """The first limit of the group that is used up at ``now_ms``; ``None`` when one more message may go.

    A rolling window is half-open, (now - duration, now]; a calendar day is the customer's, in ``where``.
    """
    for limit in limits:
        if limit.rolling is not None:
            start_ms, window = now_ms - duration_ms(limit.rolling) + 1, f"rolling {limit.rolling}"
        else:
            start_ms, window = quiet.day_start(now_ms, where), "calendar day"
        sent = sum(1 for _, row in rows.range(time_key(start_ms)) if row.cap_group == group)
        if sent >= limit.limit:
            return Reached(limit.limit, window)
    return None


def was_sent(rows: Rows[SendRow], action_ids: Iterable[str]) -> bool:
    """Whether one of these actions was decided before, as far back as sends are remembered."""
    endings = tuple(f"/{action_id}" for action_id in action_ids)
    return any(key.endswith(endings) for key, _ in rows.range())


def record(rows: Rows[SendRow], row: SendRow, action_id: str, caps: Mapping[str, tuple[CapLimit, ...]]) -> None:
    """Remember a send, and forget those that no limit of ``caps`` can count any more."""
    longest = max((_window_ms(limit) for limits in caps.values() for limit in limits), default=0)
    capped_from = row.at_ms - max(longest, REMEMBERED_MS)
    others_from = row.at_ms - REMEMBERED_MS
    for key, old in list(rows.range(stop=time_key(others_from))):
        if not old.cap_group or old.at_ms < capped_from:
            rows.delete(key)
    rows.put(row, f"{time_key(row.at_ms)}/{action_id}")


def _window_ms(limit: CapLimit) -> int:
    return duration_ms(limit.rolling) if limit.rolling else _DAY_MS
