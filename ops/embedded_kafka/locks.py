"""Two kinds of lock, both given back by the kernel when a process dies, kill -9 included.

`exclusive` is a mutex (flock: also excludes threads of one process). `Share` counts owners without a counter that a
crash could leave wrong: each owner process holds a shared POSIX record lock, and whoever gets the exclusive one knows
that nobody is left. Record locks belong to a process: a forked child that inherits the file does not prolong them.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.embedded_kafka.errors import Busy

_POLL_SECONDS = 0.02


@contextmanager
def exclusive(path: Path, wait_seconds: float, busy: str) -> Iterator[None]:
    """Hold the mutex ``path`` (created, with its directory); `Busy` with message ``busy`` after ``wait_seconds``."""
    deadline = time.monotonic() + wait_seconds
    while True:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _flock(fd, deadline, busy)
            # The holder before us may have wiped the directory: then this is a lock on a file nobody else can find.
            if _is_file_at(fd, path):
                yield
                return
        finally:
            os.close(fd)


def _flock(fd: int, deadline: float, busy: str) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Busy(busy) from None
            time.sleep(_POLL_SECONDS)


def _is_file_at(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


@dataclass(slots=True, eq=False)
class _Held:
    fd: int
    pid: int
    count: int


# Closing any descriptor of a file drops all record locks a process has on it, so a process keeps one per file.
_held: dict[Path, _Held] = {}
_held_guard = threading.Lock()


class Share:
    """One process's part in owning ``path``; several in one process count as one to the others."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mine: _Held | None = None

    @property
    def joined(self) -> bool:
        """Whether this object holds its part in this process (a forked child holds nothing)."""
        return self._mine is not None and self._mine.pid == os.getpid()

    def join(self) -> bool:
        """Become an owner. False: the supervisor has found no owner left and is ending the broker."""
        with _held_guard:
            held = _held.get(self._path)
            if held is None or held.pid != os.getpid() or not _is_file_at(held.fd, self._path):
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
                try:
                    fcntl.lockf(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    os.close(fd)
                    return False
                held = _held[self._path] = _Held(fd, os.getpid(), 0)
            if self._mine is not held:
                held.count += 1
                self._mine = held
            return True

    def is_last(self) -> bool:
        """Whether no other owner exists, in this process or another; call it under the broker's mutex.

        True also keeps others from joining until `leave`.
        """
        with _held_guard:
            mine = self._mine
            if mine is None or not self.joined or mine.count > 1 or not _is_file_at(mine.fd, self._path):
                return False
            try:
                fcntl.lockf(mine.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
            return True

    def leave(self) -> None:
        """Stop being an owner; idempotent."""
        with _held_guard:
            mine, joined, self._mine = self._mine, self.joined, None
            if mine is None or not joined:
                return
            mine.count -= 1
            if mine.count == 0:
                if _held.get(self._path) is mine:
                    del _held[self._path]
                os.close(mine.fd)
