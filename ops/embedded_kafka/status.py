"""What is known of a broker from outside: its state file, and what callers are told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ops.embedded_kafka.locations import KAFKA_VERSION, DataDir


class BrokerState(StrEnum):
    """``starting``: the JVM lives and does not listen yet. ``crashed``: it is gone without having been asked to end."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPED = "stopped"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class BrokerStatus:
    """``bootstrap`` (host:port) is empty, ``pid``, ``rss_bytes`` and ``uptime_seconds`` are None unless a broker lives.

    ``detached``: it stays when its starter ends. ``detail``: why it crashed. ``notices``: what a start or stop met and
    put right, for people.
    """

    state: BrokerState
    data_dir: Path
    bootstrap: str = ""
    pid: int | None = None
    rss_bytes: int | None = None
    uptime_seconds: float | None = None
    detached: bool | None = None
    cluster_id: str | None = None
    kafka_version: str = KAFKA_VERSION
    detail: str | None = None
    notices: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {
            "bootstrap": self.bootstrap or None,
            "data_dir": str(self.data_dir),
            "notices": list(self.notices),
        }


@dataclass(frozen=True, slots=True)
class RunRecord:
    """``running.json``: what the supervisor started. ``log_offset``: size of the server log before it, in bytes."""

    pid: int
    supervisor_pid: int
    started_at_ms: int
    port: int
    cluster_id: str
    detached: bool
    log_offset: int
    exit_code: int | None = None


def read_run(data: DataDir) -> RunRecord | None:
    """The last run that did not end cleanly or still lasts; None without one or when the file is unreadable."""
    try:
        return RunRecord(**json.loads(data.state_file.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None


def words_since(data: DataDir, log_offset: int) -> str:
    """What server log (from ``log_offset``, at most the last 200 kB) and console say, for `diagnosis.explain_end`."""
    return _tail(data.server_log, log_offset) + _tail(data.console_log, 0)


def _tail(path: Path, offset: int, limit: int = 200_000) -> str:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            # A log that was rolled over in the meantime is shorter than the offset: all of it is new.
            file.seek(max(offset if offset <= size else 0, size - limit))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
