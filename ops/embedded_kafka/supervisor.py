"""Parent of the JVM: ends it when nobody needs it any more, and keeps the state file true.

Run by path in a process and session of its own (so Ctrl-C in a terminal does not reach the broker before its clients
are done), with the standard library alone: it stays small and does not depend on what the project imports. Reads one
JSON order from stdin, answers with the JVM's process id on stdout. Its stderr is the console log, and the JVM's too.

Order: ``command`` (list), ``cwd``, ``environment``, ``state_file``, ``state`` (object, completed here with pid,
supervisor_pid, started_at_ms and at a crash exit_code), ``owners`` (lock file, or null: run until told to stop),
``grace_seconds``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

# What the JVM leaves with after it was asked to end, whoever asked (negative: before it listened): not a crash.
_CLEAN_EXITS = (0, 128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM)


def main() -> int:
    """Run the order to its end; the exit code is 0 unless the JVM could not be started."""
    wanted_end = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def end(_signal: int, _frame: FrameType | None) -> None:
        wanted_end.set()
        for process in running:
            process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)

    order: dict[str, Any] = json.load(sys.stdin)
    jvm = subprocess.Popen(
        order["command"],
        cwd=order["cwd"],
        env=order["environment"],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
    )
    running.append(jvm)
    if wanted_end.is_set():
        jvm.terminate()
    try:
        return _watch(jvm, order, wanted_end)
    except BaseException:
        jvm.kill()  # unwatched, it could stay for ever
        raise


def _watch(jvm: subprocess.Popen[bytes], order: dict[str, Any], wanted_end: threading.Event) -> int:
    state_file = Path(order["state_file"])
    state = order["state"] | {
        "pid": jvm.pid,
        "supervisor_pid": os.getpid(),
        "started_at_ms": int(time.time() * 1000),
    }
    _replace(state_file, state)
    if order["owners"] is not None:
        watch = (order["owners"], jvm, wanted_end, order["grace_seconds"])
        threading.Thread(target=_end_when_nobody_is_left, args=watch, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # the starter was killed; whether that ends us, its lock decides
        os.write(sys.stdout.fileno(), f"{jvm.pid}\n".encode())

    exit_code = jvm.wait()
    if wanted_end.is_set() or exit_code in _CLEAN_EXITS:
        state_file.unlink(missing_ok=True)
    elif state_file.exists():
        _replace(state_file, state | {"exit_code": exit_code})
    return 0


def _end_when_nobody_is_left(
    owners: str, jvm: subprocess.Popen[bytes], wanted_end: threading.Event, grace_seconds: float
) -> None:
    fd = os.open(owners, os.O_RDWR | os.O_CREAT, 0o600)
    # Granted when the last process that holds a share has let go of it or died, however it died.
    fcntl.lockf(fd, fcntl.LOCK_EX)
    wanted_end.set()
    jvm.terminate()
    try:
        jvm.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        jvm.kill()


def _replace(path: Path, state: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
