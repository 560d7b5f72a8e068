"""Where things lie: the user's cache (shared by all brokers) and one data directory per broker."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.embedded_kafka.errors import DiskFull, EmbeddedKafkaError

KAFKA_VERSION = "4.1.0"


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/tsunagi/kafka-<version>``, by default under ``~/.cache``."""
    return _xdg("XDG_CACHE_HOME", ".cache") / "tsunagi" / f"kafka-{KAFKA_VERSION}"


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/tsunagi/broker``, by default under ``~/.local/share``."""
    return _xdg("XDG_DATA_HOME", ".local/share") / "tsunagi" / "broker"


def _xdg(variable: str, fallback: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    # The XDG base directory specification: a relative path is invalid and must be ignored.
    return path if path.is_absolute() else Path.home() / fallback


@dataclass(frozen=True, slots=True)
class DataDir:
    """The files of one broker. ``root`` is absolute and resolved; Kafka sees the rest relative to it."""

    root: Path

    @property
    def log_dir(self) -> Path:
        """Kafka's ``log.dirs``: metadata and topics."""
        return self.root / "kafka"

    @property
    def logs(self) -> Path:
        """What Kafka says about itself."""
        return self.root / "logs"

    @property
    def server_log(self) -> Path:
        """Kafka's own log, rolled at 10 MB."""
        return self.logs / "server.log"

    @property
    def console_log(self) -> Path:
        """What the JVM itself prints; emptied at each start."""
        return self.logs / "console.log"

    @property
    def scratch(self) -> Path:
        """``java.io.tmpdir``: unpacked native libraries; emptied at each start, since a killed JVM leaves them."""
        return self.root / "tmp"

    @property
    def server_properties(self) -> Path:
        """Kafka's settings, rewritten at each start."""
        return self.root / "server.properties"

    @property
    def log4j_properties(self) -> Path:
        """Settings of the logging backend, rewritten at each start."""
        return self.root / "log4j2.properties"

    @property
    def cluster_file(self) -> Path:
        """What stays for the life of the data: Kafka version, ids, ports. Marks the directory as ours."""
        return self.root / "cluster.json"

    @property
    def state_file(self) -> Path:
        """The process that runs now; absent after a clean stop."""
        return self.root / "running.json"

    @property
    def mutex(self) -> Path:
        """Held while starting, stopping or wiping."""
        return self.root / ".mutex"

    @property
    def owners(self) -> Path:
        """Shared by every process the broker must not outlive."""
        return self.root / ".owners"

    @property
    def marker(self) -> str:
        """A JVM argument that tells this broker's processes from all others."""
        return f"-Dtsunagi.broker.dir={self.root}"

    def everything(self) -> tuple[Path, ...]:
        """All that a broker ever writes into ``root``, the mutex last."""
        return (
            self.log_dir,
            self.logs,
            self.scratch,
            self.server_properties,
            self.log4j_properties,
            self.state_file,
            self.owners,
            self.cluster_file,
            self.mutex,
        )


def require_free_space(path: Path, needed_bytes: int, what: str) -> None:
    """Raise `DiskFull` unless the file system that holds (or will hold) ``path`` has ``needed_bytes`` free."""
    existing = path
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise DiskFull(
            f"Too little space for {what} in {path}: {needed_bytes / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free. "
            "Free some space, or choose a directory on another disk."
        )


@contextmanager
def disk_errors_explained(path: Path, what: str) -> Iterator[None]:
    """Turn the operating system's errors of ``what`` into those of the tree."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"The disk filled up while {what} in {path}. Free some space and start again.") from problem
        if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise EmbeddedKafkaError(
                f"{path} cannot be written while {what}: {problem}. Choose another one."
            ) from problem
        raise
