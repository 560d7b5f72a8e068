"""Recognising and ending processes, by /proc and by ps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded_kafka import processes

MARKER = "-Dtsunagi.broker.dir=/somewhere/a b"
SLEEPER = "import sys, time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture(params=["/proc", "ps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look at processes the Linux way and, where ``ps`` is there, the macOS way."""
    if request.param == "ps":
        if shutil.which("ps") is None:
            pytest.skip("no ps on this machine")
        monkeypatch.setattr(processes, "_PROC", tmp_path / "no-proc")
    elif not Path("/proc/self").exists():
        pytest.skip("no /proc on this machine")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[str]]:
    yield from _run(SLEEPER)


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[str]]:
    yield from _run(STUBBORN)


def _run(code: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", code, MARKER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.usefixtures("way")
def test_only_a_process_with_the_marker_is_ours(sleeper: subprocess.Popen[str]) -> None:
    assert processes.is_ours(sleeper.pid, MARKER)
    assert not processes.is_ours(sleeper.pid, f"{MARKER}c")
    assert not processes.is_ours(os.getpid(), MARKER)
    memory = processes.rss_bytes(sleeper.pid)
    assert memory is not None
    assert 1_000_000 < memory < 200_000_000


@pytest.mark.usefixtures("way")
def test_the_dead_and_the_unreaped_are_gone(sleeper: subprocess.Popen[str]) -> None:
    sleeper.kill()
    assert processes.wait_gone(sleeper.pid, MARKER, 10), "a zombie counts as gone"
    sleeper.wait()
    assert not processes.is_ours(sleeper.pid, MARKER)
    assert processes.rss_bytes(sleeper.pid) is None


@pytest.mark.usefixtures("way")
def test_ending_is_gentle_first_and_never_hits_a_stranger(
    sleeper: subprocess.Popen[str], stubborn: subprocess.Popen[str]
) -> None:
    assert processes.end(sleeper.pid, "-Dsomebody=else", 1)
    assert sleeper.poll() is None, "not ours, so not touched"
    assert processes.end(sleeper.pid, MARKER, 10)
    assert sleeper.wait(10) == -15
    assert not processes.end(stubborn.pid, MARKER, 0.1)
    assert stubborn.wait(10) == -9
