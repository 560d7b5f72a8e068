"""Row keys that sort by time."""

from __future__ import annotations

_LAST = 10**13 - 1  # in the year 2286


def time_key(at_ms: int) -> str:
    """13 digits that sort as the times do; times before 1970 or after 2286 become the nearest of the two."""
    return f"{min(max(at_ms, 0), _LAST):013d}"


def children(parent: str) -> tuple[str, str]:
    """(start, stop) of the row keys ``parent/...``, half-open. A parent that itself contains ``/`` may lie in another
    one's range: whoever scans checks the row's own field."""
    return f"{parent}/", f"{parent}0"  # "0" is the character after "/"
