"""Durations as rules write them: ISO 8601 without years and months, whose length differs."""

from __future__ import annotations

import re

PATTERN = r"^P(?!$)(\d{1,5}W|(\d{1,5}D)?(T(?=\d)(\d{1,5}H)?(\d{1,6}M)?(\d{1,8}S)?)?)$"
_FORM = re.compile(
    r"P(?!$)(?:(?P<W>\d{1,5})W|(?:(?P<D>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<H>\d{1,5})H)?(?:(?P<M>\d{1,6})M)?(?:(?P<S>\d{1,8})S)?)?)"
)
_UNIT_MS = {"W": 604_800_000, "D": 86_400_000, "H": 3_600_000, "M": 60_000, "S": 1_000}
LONGEST_MS = 365 * 86_400_000


def duration_ms(text: str) -> int:
    """Milliseconds of ``PT1H``, ``P3D``, ``P2W``, ``P1DT12H``: more than 0, at most 365 days.

    A day is 24 hours. Raises ``ValueError`` with the fix for anything else, months and years among it.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        if re.fullmatch(r"P(\d+Y)?(\d+M)?.*", text) and re.search(r"P[^T]*\d+[YM]", text):
            raise ValueError(
                f"found {text!r}: months and years differ in length; write days (P30D), or PT1M for one minute"
            )
        raise ValueError(f"expected an ISO 8601 duration such as PT1H, P3D or P1DT12H, found {text!r}")
    total = sum(int(value) * _UNIT_MS[unit] for unit, value in found.groupdict().items() if value)
    if not 0 < total <= LONGEST_MS:
        raise ValueError(f"expected a duration of more than 0 and at most 365 days, found {text!r}")
    return total
