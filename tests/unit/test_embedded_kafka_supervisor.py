"""The supervisor with a small process in the JVM's place: what ends it, and what it leaves written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.embedded_kafka import supervisor
from ops.embedded_kafka.locks import Share
from ops.embedded_kafka.processes import end, is_ours, wait_gone

Supervise = Callable[..., subprocess.Popen[bytes]]

SLEEPER = "import time; time.sleep(60)"


@pytest.fixture
def marker(tmp_path: Path) -> str:
    return f"-Dtsunagi.broker.dir={tmp_path}"


@pytest.fixture
def supervise(tmp_path: Path, marker: str) -> Iterator[Supervise]:
    """Runs a supervisor over ``code``; its stdout is ``answers``."""
    started: list[subprocess.Popen[bytes]] = []

    def run(code: str = SLEEPER, *, owned: bool, answers: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
        order = {
            "command": [sys.executable, "-c", code, marker],
            "cwd": str(tmp_path),
            "environment": dict(os.environ),
            "state_file": str(tmp_path / "running.json"),
            "state": {"port": 9092},
            "owners": str(tmp_path / ".owners") if owned else None,
            "grace_seconds": 5,
        }
        command = [sys.executable, "-I", "-S", supervisor.__file__]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=answers, stderr=subprocess.DEVNULL)
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    for pid in [int(path.name) for path in Path("/proc").glob("[0-9]*")]:
        end(pid, marker, 1)


def answer_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def state_in(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "running.json").read_text())
    return found


def test_it_ends_the_process_when_the_last_owner_lets_go(supervise: Supervise, tmp_path: Path, marker: str) -> None:
    share = Share(tmp_path / ".owners")
    share.join()
    process = supervise(owned=True)
    pid = answer_of(process)
    state = state_in(tmp_path)
    assert (state["pid"], state["supervisor_pid"], state["port"]) == (pid, process.pid, 9092)
    assert is_ours(pid, marker)
    share.leave()
    assert process.wait(10) == 0
    assert not is_ours(pid, marker)
    assert not (tmp_path / "running.json").exists()


def test_a_starter_that_died_before_the_answer_changes_nothing(
    supervise: Supervise, tmp_path: Path, marker: str
) -> None:
    nobody, answers = os.pipe()
    os.close(nobody)
    try:
        process = supervise(owned=True, answers=answers)  # and nobody owns it
    finally:
        os.close(answers)
    assert process.wait(10) == 0
    assert not (tmp_path / "running.json").exists()
    assert not [p for p in Path("/proc").glob("[0-9]*") if is_ours(int(p.name), marker)]


def test_a_crash_is_written_down_and_a_wanted_end_is_not(supervise: Supervise, tmp_path: Path, marker: str) -> None:
    process = supervise(owned=False)
    os.kill(answer_of(process), signal.SIGKILL)
    assert process.wait(10) == 0
    assert state_in(tmp_path)["exit_code"] == -9

    process = supervise("import sys; sys.exit(3)", owned=False)
    assert process.wait(10) == 0
    assert state_in(tmp_path)["exit_code"] == 3

    process = supervise(owned=False)
    pid = answer_of(process)
    process.terminate()
    assert process.wait(10) == 0
    assert wait_gone(pid, marker, 1)
    assert not (tmp_path / "running.json").exists()


def test_it_does_not_leave_a_process_it_cannot_write_down(supervise: Supervise, tmp_path: Path, marker: str) -> None:
    (tmp_path / "running.partial").mkdir()  # as a full disk would, this makes writing the state fail
    process = supervise(owned=False)
    assert process.wait(10) == 1
    assert not [p for p in Path("/proc").glob("[0-9]*") if is_ours(int(p.name), marker)]
