"""``tsunagi demo --exit --json`` as a newcomer runs it: one JSON object, nothing lost, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTLED_KEYS = [
    "accepted",
    "processed",
    "actions",
    "suppressed",
    "delivered",
    "events_per_second",
    "p50_ms",
    "p99_ms",
    "lost",
    "duplicated",
    "wrong",
    "delivered_twice",
    "unknown",
    "rss_mb",
]


@pytest.mark.timeout(240)
def test_the_story_and_a_crowd_come_out_right(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100"}
    run = subprocess.run(
        [sys.executable, "-m", "ops.cli", "demo", "--exit", "--json", "--customers", "30", "--speed", "2"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=220,
    )
    assert run.returncode == 0, run.stderr[-6_000:]
    result = json.loads(run.stdout)
    assert set(SETTLED_KEYS) <= result.keys()
    zero = {name: result[name] for name in ("lost", "duplicated", "wrong", "delivered_twice", "unknown", "untold")}
    assert zero == dict.fromkeys(zero, 0)
    assert result["accepted"] == result["processed"] > 500
    assert result["delivered"] >= 4
    assert result["customers_compared"] == 30
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert "only four of five can be promised to others" in " ".join(run.stderr.split())
    assert list(tmp_path.iterdir()) == [], "the demo removes what it made"


def test_an_unknown_input_is_named(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "ops.cli", "demo", "--input", "novel"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "novel" in run.stderr
