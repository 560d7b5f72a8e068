"""Looking at processes by id: /proc where there is one (Linux), else ``ps`` (macOS)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

_PROC = Path("/proc")
_POLL_SECONDS = 0.02


def is_ours(pid: int, marker: str) -> bool:
    """Whether ``pid`` is alive and was started with the argument ``marker``.

    A process id alone proves nothing: after a crash or a reboot it may be anybody's.
    """
    if (_PROC / "self").exists():
        try:
            # Empty for a zombie: dead, only not yet waited for.
            return os.fsencode(marker) in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
    state, _, command = _ps(pid, "stat=,command=").strip().partition(" ")
    return not state.startswith("Z") and f" {marker} " in f" {command} "


def rss_bytes(pid: int) -> int | None:
    """Resident memory of ``pid`` in bytes; None when it is gone."""
    if (_PROC / "self").exists():
        try:
            pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
        except (OSError, IndexError):
            return None
        return pages * os.sysconf("SC_PAGE_SIZE")
    kilobytes = _ps(pid, "rss=").strip()
    return int(kilobytes) * 1024 if kilobytes.isdigit() else None


def _ps(pid: int, columns: str) -> str:
    # ww: without it the command is cut to the width of the terminal
    command = ["ps", "-ww", "-o", columns, "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def end(pid: int, marker: str, grace_seconds: float) -> bool:
    """SIGTERM, and SIGKILL after ``grace_seconds``, to ``pid`` as long as it `is_ours`. False: it had to be killed."""
    gentle = True
    for number, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, grace_seconds)):
        if not is_ours(pid, marker):
            break
        gentle = number is signal.SIGTERM
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        if wait_gone(pid, marker, patience):
            break
    return gentle


def wait_gone(pid: int, marker: str, wait_seconds: float) -> bool:
    """Wait until ``pid`` is no longer ours; False when it still is after ``wait_seconds``."""
    deadline = time.monotonic() + wait_seconds
    while is_ours(pid, marker):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
