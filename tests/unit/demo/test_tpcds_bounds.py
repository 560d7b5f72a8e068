"""What the TPC-DS input accepts, how long it takes, and what it says when something is missing."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import duckdb
import pytest

from ops.demo.shares import DAY_MS, HOUR_MS
from ops.demo.source import generate
from ops.demo.tpcds import load
from ops.demo.window import ZONE, Window
from schemas.errors import ConfigurationError

END_MS = 1_795_311_017_123


def test_a_window_of_two_days_is_the_shortest() -> None:
    with closing(load(5, 1, end_ms=END_MS, days=2)) as short:
        assert short.window.start_ms == END_MS - 2 * DAY_MS
        assert any(event.raw["type"] == "OrderPlaced" for event in short.events)
    with pytest.raises(ConfigurationError, match="days is 1; give 2 to 90"):
        load(5, 1, end_ms=END_MS, days=1)


def test_clock_times_occur_once_in_each_virtual_day() -> None:
    window = Window(END_MS, 7)
    for hour in range(24):
        at = window.at(3, hour * HOUR_MS)
        assert window.start_ms + 3 * DAY_MS <= at < window.start_ms + 4 * DAY_MS
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZONE)
        assert (local.hour, local.minute, local.second) == (hour, 0, 0)


@pytest.mark.parametrize("customers", [0, -1, 10_001])
def test_number_of_customers_has_bounds(customers: int) -> None:
    with pytest.raises(ConfigurationError, match=f"customers is {customers}; give 1 to 10000"):
        load(customers, 1, end_ms=END_MS)


def test_seed_must_not_be_negative() -> None:
    with pytest.raises(ConfigurationError, match="seed is -1; give 0 to"):
        load(5, -1, end_ms=END_MS)


@pytest.mark.parametrize("sf", [0, -0.01, 10.5])
def test_scale_factor_has_bounds(sf: float) -> None:
    with pytest.raises(ConfigurationError, match=f"sf is {sf}; give a scale factor above 0, at most 10"):
        load(5, 1, end_ms=END_MS, sf=sf)


def test_a_scale_factor_with_too_few_customers_says_how_many_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"has \d+ customers of three channels, 900 were asked for"):
        load(900, 1, end_ms=END_MS, sf=0.01)


def test_without_duckdb_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigurationError, match=r"package duckdb; .*tsunagi\[demo\]"):
        generate(0.01)


def test_without_the_extension_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"duckdb-extension-tpcds; .*tsunagi\[demo\]"):
        generate(0.01)


def test_versions_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb, "__version__", "0.0.1")
    with pytest.raises(ConfigurationError, match=r"duckdb is 0\.0\.1 and duckdb-extension-tpcds is another version"):
        generate(0.01)


def test_the_load_run_is_ready_in_ten_seconds_and_400_mb() -> None:
    program = (
        "import sys, time; began = time.monotonic(); from ops.demo.tpcds import load; "
        f"data = load(540, 7, end_ms={END_MS}); "
        "seconds = time.monotonic() - began; "
        # ru_maxrss would start from what the test process had when it forked
        "status = open('/proc/self/status').read() if sys.platform == 'linux' else ''; "
        "peak = int(status.split('VmHWM:')[1].split()[0]) if status else 0; "
        "print(len(data.events), seconds, peak)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    events, seconds, peak_kb = map(float, done.stdout.split())

    assert events >= 20_000
    assert seconds < 10
    assert peak_kb < 400 * 1024
