"""The steered clock: monotonic, never ahead of the wall, the same for every process that reads the file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ops.clock import SteeredClock, WallClock, clock_from
from schemas.errors import ConfigurationError

DAY_MS = 86_400_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def test_it_stands_still_until_it_is_steered(tmp_path: Path) -> None:
    clock = SteeredClock.create(tmp_path / "clock", 1_000)
    assert clock.now_ms() == 1_000
    assert clock.now_ms() == 1_000


def test_it_reaches_a_time_and_stands_there(tmp_path: Path) -> None:
    start = wall_ms() - 7 * DAY_MS
    clock = SteeredClock.create(tmp_path / "clock", start)
    clock.reach(start + DAY_MS, 0.05)
    seen = [clock.now_ms()]
    deadline = time.monotonic() + 5
    while clock.now_ms() < start + DAY_MS and time.monotonic() < deadline:
        seen.append(clock.now_ms())
    assert clock.now_ms() == start + DAY_MS
    assert seen == sorted(seen)


def test_it_is_never_ahead_of_the_wall(tmp_path: Path) -> None:
    clock = SteeredClock.create(tmp_path / "clock", wall_ms() - 1_000)
    clock.steer(1_000_000.0)
    deadline = time.monotonic() + 5
    while clock.now_ms() < wall_ms() - 5 and time.monotonic() < deadline:
        pass
    assert wall_ms() - 50 <= clock.now_ms() <= wall_ms()


def test_going_back_is_refused_by_standing_still(tmp_path: Path) -> None:
    start = wall_ms() - DAY_MS
    clock = SteeredClock.create(tmp_path / "clock", start)
    clock.reach(start - DAY_MS, 0.01)
    assert clock.now_ms() == start


def test_another_reader_of_the_file_sees_the_same(tmp_path: Path) -> None:
    start = wall_ms() - DAY_MS
    clock = SteeredClock.create(tmp_path / "clock", start)
    other = clock_from(f"file:{tmp_path / 'clock'}")
    clock.reach(start + 5_000, 0.001)
    deadline = time.monotonic() + 5
    while other.now_ms() < start + 5_000 and time.monotonic() < deadline:
        pass
    assert other.now_ms() == clock.now_ms() == start + 5_000
    assert other.seconds_until(start + 5_000) == 0.0
    assert 0.0 < other.seconds_until(start + 6_000) <= 0.05


def test_the_wall_clock_tells_how_long_to_wait() -> None:
    clock = clock_from("wall")
    assert isinstance(clock, WallClock)
    assert clock.seconds_until(0) == 0.0
    assert 0.5 < clock.seconds_until(wall_ms() + 1_000) <= 1.0


@pytest.mark.parametrize("spec", ["", "file:/nowhere/clock", "fast"])
def test_a_wrong_clock_is_refused_with_what_to_give(spec: str) -> None:
    with pytest.raises(ConfigurationError, match="clock"):
        clock_from(spec)
