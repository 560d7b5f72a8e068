"""Quiet hours and calendar days across daylight saving changes; durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from orchestration_rules import quiet
from orchestration_rules.durations import PATTERN, duration_ms

NEW_YORK = ZoneInfo("America/New_York")
NIGHT = (time(21), time(9))


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-24T11:59:59", None),  # 20:59:59 in Tokyo
        ("2026-11-24T12:00", "2026-11-25T00:00"),  # 21:00, the start is in
        ("2026-11-24T23:59:59", "2026-11-25T00:00"),  # 08:59:59
        ("2026-11-25T00:00", None),  # 09:00, the end is out
    ],
)
def test_quiet_hours_are_half_open_and_cross_midnight(now: str, until: str | None) -> None:
    found = quiet.quiet_until(utc(now), *NIGHT, ZoneInfo("Asia/Tokyo"))
    assert found == (None if until is None else utc(until))


def test_an_end_that_the_clock_jumps_over_is_the_jump() -> None:
    # 2026-03-08 in New York: 02:00 EST is followed by 03:00 EDT, so 02:30 never shows
    assert quiet.quiet_until(utc("2026-03-08T05:00"), time(21), time(2, 30), NEW_YORK) == utc("2026-03-08T07:00")


def test_an_end_that_shows_twice_ends_the_first_time_and_again() -> None:
    # 2026-11-01 in New York: 02:00 EDT is followed by 01:00 EST, so 01:30 shows at 05:30 and at 06:30 UTC
    assert quiet.quiet_until(utc("2026-11-01T04:00"), time(21), time(1, 30), NEW_YORK) == utc("2026-11-01T05:30")
    assert quiet.quiet_until(utc("2026-11-01T05:45"), time(21), time(1, 30), NEW_YORK) is None
    assert quiet.quiet_until(utc("2026-11-01T06:10"), time(21), time(1, 30), NEW_YORK) == utc("2026-11-01T06:30")


def test_the_next_night_begins_where_the_customer_is() -> None:
    assert quiet.quiet_from(utc("2026-11-24T03:00"), *NIGHT, ZoneInfo("Asia/Tokyo")) == utc("2026-11-24T12:00")
    assert quiet.quiet_from(utc("2026-11-01T05:45"), time(1, 30), time(9), NEW_YORK) == utc("2026-11-01T06:30")


def test_a_day_begins_at_the_first_instant_that_exists() -> None:
    # Santiago puts the clock forward at midnight: 2026-09-06 begins at 01:00
    santiago = ZoneInfo("America/Santiago")
    assert quiet.day_start(utc("2026-09-06T12:00"), santiago) == utc("2026-09-06T04:00")
    assert quiet.day_start(utc("2026-11-24T14:59"), ZoneInfo("Asia/Tokyo")) == utc("2026-11-23T15:00")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "America", "Asia/Tokyo\x00"])
def test_a_zone_that_does_not_exist_is_none(name: str) -> None:
    assert quiet.zone(name) is None


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("PT1S", 1_000),
        ("PT90M", 5_400_000),
        ("P1D", 86_400_000),
        ("P2W", 1_209_600_000),
        ("P1DT2H3M4S", 93_784_000),
        ("P365D", 31_536_000_000),
    ],
)
def test_durations(text: str, milliseconds: int) -> None:
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["P1M", "P1Y", "P1Y2M", "P1MT1H"])
def test_months_and_years_are_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="months and years differ in length; write days"):
        duration_ms(text)


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "1H", "PT1.5H", "P-1D", "PT0S", "P366D", "P1H", "P1W2D"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a"):
        duration_ms(text)


def test_the_published_pattern_agrees_with_the_parser() -> None:
    for text in ("PT1H", "P1DT2H", "P2W"):
        assert re.search(PATTERN, text)
    for text in ("P", "PT", "P1M", "P1DT", "P1W2D", "PT1H "):
        assert not re.search(PATTERN, text)
