"""From the last words of a JVM to an error that says what to do. Pure."""

from __future__ import annotations

import re
from pathlib import Path

from ops.embedded_kafka.errors import BrokerCrashed, DataDirRefused, DiskFull, EmbeddedKafkaError, PortTaken
from ops.embedded_kafka.ports import taken_error

_LAST_LINES = 15
_SEVERE = re.compile(r"^\S+ \S+ (ERROR|FATAL) |^Caused by:|^[\w.$]+(Exception|Error)\b|^Error |OutOfMemoryError")
_HARMLESS = re.compile(r"^WARNING: |^\s+at ")


def last_words(log: str) -> list[str]:
    """The lines that matter of a log's end: errors and exceptions without stack frames, else simply the last lines."""
    lines = [line for line in log.splitlines() if line.strip() and not _HARMLESS.match(line)]
    return ([line for line in lines if _SEVERE.search(line)] or lines)[-_LAST_LINES:]


def explain_end(log: str, exit_code: int | None, data_dir: Path, port: int) -> EmbeddedKafkaError:
    """Why the broker ended, from ``log`` (server log since its start, then console)."""
    words = "\n".join(f"  {line}" for line in last_words(log))
    where = (
        f"Last lines of its log ({data_dir / 'logs'}):\n{words}"
        if words
        else f"Its log is empty ({data_dir / 'logs'})."
    )
    if "No space left on device" in log or "Disk quota exceeded" in log:
        return DiskFull(
            f"The broker stopped because the disk of {data_dir} is full. Free space and start again. {where}"
        )
    if "Address already in use" in log:
        return PortTaken(f"{taken_error(port, 'another program took it while the broker was starting')} {where}")
    if "Failed to acquire lock on file .lock" in log:
        return DataDirRefused(
            f"Another Kafka works in {data_dir} (perhaps in a container that shares it). Stop that one first. {where}"
        )
    if "java.lang.OutOfMemoryError" in log:
        return BrokerCrashed(f"The broker ran out of memory. Start it again; its data is intact. {where}")
    return BrokerCrashed(f"The broker ended by itself ({_how(exit_code)}). A new start recovers its data. {where}")


def _how(exit_code: int | None) -> str:
    if exit_code is None:
        return "it was killed together with its supervisor, or the machine went down"
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"
