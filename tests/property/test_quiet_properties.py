"""Quiet hours in zones that put their clocks forward and back: over as soon as they are, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration_rules import quiet

MINUTE = 60_000
ZONES = ["Asia/Tokyo", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"]
# Around changes of the clock in those zones, and a plain day.
STARTS = [f"2026-{day}" for day in ["03-07", "03-28", "04-04", "06-10", "09-05", "10-03", "10-24", "10-31"]]


def wall(at_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone))


@given(
    st.sampled_from(STARTS),
    st.sampled_from(ZONES),
    st.integers(0, 4 * 1_440),
    st.integers(0, 1_439),
    st.integers(1, 1_439),
)
@settings(max_examples=150, deadline=None)
def test_quiet_hours_end_at_the_first_minute_that_is_not_quiet(
    start: str, zone: str, offset: int, from_minute: int, length: int
) -> None:
    def clock(minute: int) -> time:
        return (datetime(2026, 1, 1) + timedelta(minutes=minute % 1_440)).time()  # noqa: DTZ001 - a time of day alone

    begin, end = clock(from_minute), clock(from_minute + length)

    def is_quiet(at_ms: int) -> bool:
        now = wall(at_ms, zone).time()
        return begin <= now < end if begin < end else now >= begin or now < end

    now_ms = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()) * 1000 + offset * MINUTE
    until = quiet.quiet_until(now_ms, begin, end, ZoneInfo(zone))
    if until is None:
        assert not is_quiet(now_ms)
        following = quiet.quiet_from(now_ms, begin, end, ZoneInfo(zone))
        assert is_quiet(following)
        assert not any(is_quiet(at) for at in range(now_ms, following, MINUTE))
        return
    assert until > now_ms
    assert not is_quiet(until)
    assert all(is_quiet(at) for at in range(now_ms, until, MINUTE)), "not a minute later than needed"
