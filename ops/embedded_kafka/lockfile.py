"""``kafka.lock``: which jars make up Kafka, with size and SHA-256. Pure: text in, text out.

One jar a line, ``<sha256> <size in bytes> <group>:<artifact>:<version>``, in class path order; ``#`` starts a comment.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ops.embedded_kafka.errors import EmbeddedKafkaError

LOCK_FILE = Path(__file__).with_name("kafka.lock")

_LINE = re.compile(
    r"(?P<sha256>[0-9a-f]{64}) (?P<size>[1-9][0-9]*) (?P<group>[\w.-]+):(?P<artifact>[\w.-]+):(?P<version>[\w.-]+)"
)
_HEADER = """\
# Kafka's jars. Written by `python -m ops.embedded_kafka.relock`; do not edit by hand.
# sha256, size in bytes, group:artifact:version
"""


@dataclass(frozen=True, slots=True)
class LockedJar:
    """One jar: Maven coordinates, size in bytes and SHA-256 in lower-case hex."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def coordinate(self) -> str:
        """``group:artifact:version``."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def filename(self) -> str:
        """The jar's name in the cache."""
        return f"{self.artifact}-{self.version}.jar"


@dataclass(frozen=True, slots=True)
class Lock:
    """All jars, in class path order."""

    jars: tuple[LockedJar, ...]

    @property
    def digest(self) -> str:
        """Eight hex characters that change whenever any jar changes."""
        return hashlib.sha256("".join(jar.sha256 for jar in self.jars).encode()).hexdigest()[:8]


def parse_lock(text: str, name: str) -> Lock:
    """Read a lock file; ``name`` appears in errors. Raises `EmbeddedKafkaError` with the line that is wrong."""
    jars: dict[str, LockedJar] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            raise EmbeddedKafkaError(
                f"{name}, line {number}: expected '<sha256> <size> <group>:<artifact>:<version>', found {stripped!r}. "
                "Write the file anew with `python -m ops.embedded_kafka.relock`."
            )
        jar = LockedJar(match["group"], match["artifact"], match["version"], int(match["size"]), match["sha256"])
        if jar.filename in jars:
            raise EmbeddedKafkaError(f"{name}, line {number}: {jar.filename} is named twice.")
        jars[jar.filename] = jar
    if not jars:
        raise EmbeddedKafkaError(f"{name} names no jar. Write it anew with `python -m ops.embedded_kafka.relock`.")
    return Lock(tuple(jars.values()))


def render_lock(jars: Iterable[LockedJar]) -> str:
    """The file for ``jars``, sorted by file name so that a change is a small diff."""
    ordered = sorted(jars, key=lambda jar: jar.filename)
    return _HEADER + "".join(f"{jar.sha256} {jar.size} {jar.coordinate}\n" for jar in ordered)


def read_lock() -> Lock:
    """The committed lock file."""
    return parse_lock(LOCK_FILE.read_text(encoding="utf-8"), LOCK_FILE.name)
