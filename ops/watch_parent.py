"""Ends a child when its parent is gone, however the parent went: the pipe on standard input closes."""

from __future__ import annotations

import os
import signal
import sys
import threading

VARIABLE = "TSUNAGI_ENDS_WITH_PARENT"


def end_with_parent() -> None:
    """Start the watch when the parent asked for it. SIGTERM to ourselves, so that the end is the usual one."""
    if os.environ.get(VARIABLE) == "1":
        threading.Thread(target=_watch, name="watch-parent", daemon=True).start()


def _watch() -> None:
    # Not through sys.stdin: its lock, held by this thread for good, makes the interpreter abort when it ends.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
