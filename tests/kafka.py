"""Pytest plugin: one real Kafka for a whole test run, and topics of its own for each test.

All workers of a run share the broker. It belongs to those that use it and ends with the last of them, also when workers
are killed (see `ops.embedded_kafka.locks`). ``TSUNAGI_TEST_BOOTSTRAP=host:port`` uses that broker instead.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ops.embedded_kafka import EmbeddedBroker
from ops.embedded_kafka.errors import Busy, StillRunning

_WAIT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Kafka:
    """The run's broker; ``bootstrap`` is host:port."""

    bootstrap: str


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker for the whole run."""
    given = os.environ.get("TSUNAGI_TEST_BOOTSTRAP")
    if given:
        yield Kafka(given)
        return
    run_dir = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run_dir = run_dir.parent  # each worker has its own below the run's
    broker = EmbeddedBroker(run_dir / "kafka")
    try:
        yield Kafka(broker.start().bootstrap)
    finally:
        broker.close()
        with contextlib.suppress(StillRunning, Busy):  # other workers still use it
            broker.wipe()


class Brokers(Protocol):
    """``brokers("directory", port, detached=True, ...)``: as `EmbeddedBroker`, below the test's ``tmp_path``."""

    def __call__(self, directory: str = "broker", port: int = 0, **options: Any) -> EmbeddedBroker: ...


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Brokers]:
    """Brokers of a test's own, for tests that kill or damage them; not started yet, stopped at the end."""
    directories: set[Path] = set()

    def make(directory: str = "broker", port: int = 0, **options: Any) -> EmbeddedBroker:
        directories.add(tmp_path / directory)
        return EmbeddedBroker(tmp_path / directory, port, **options)

    yield make
    for directory in directories:
        EmbeddedBroker(directory).stop()


class Topics:
    """Creates topics for one test. Names are unique in the run, so tests never see each other's records."""

    def __init__(self, bootstrap: str, test: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._test = re.sub(r"[^A-Za-z0-9._-]+", "-", test)[:60]
        self._created: list[str] = []

    def unique(self, name: str) -> str:
        """A name for anything that must not meet another test's: group, transactional id, topic."""
        return f"{name}.{self._test}.{uuid.uuid4().hex[:8]}"

    def __call__(self, name: str = "topic", partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        """Create a topic (replication as the broker has it) and return its name once every partition has a leader."""
        topic = self.unique(name)
        self._admin.create_topics([NewTopic(topic, partitions, config=dict(config or {}))])[topic].result(_WAIT_SECONDS)
        self._created.append(topic)
        deadline = time.monotonic() + _WAIT_SECONDS
        while not self._has_leaders(topic, partitions):
            assert time.monotonic() < deadline, f"{topic} has no leaders after {_WAIT_SECONDS} s"
        return topic

    def _has_leaders(self, topic: str, partitions: int) -> bool:
        found = self._admin.list_topics(topic, timeout=_WAIT_SECONDS).topics[topic]
        return len(found.partitions) == partitions and all(p.leader >= 0 for p in found.partitions.values())

    def delete_all(self) -> None:
        """Delete what was created and is still there."""
        if not self._created:
            return
        for deleted in self._admin.delete_topics(self._created).values():
            try:
                deleted.result(_WAIT_SECONDS)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:  # the test deleted it itself
                    raise
        self._created.clear()


@pytest.fixture
def topics(kafka: Kafka, request: pytest.FixtureRequest) -> Iterator[Topics]:
    """``topics("orders", partitions=4)`` gives the name of a new topic; all are deleted after the test."""
    maker = Topics(kafka.bootstrap, request.node.name)
    yield maker
    maker.delete_all()


def broker_processes(below: Path) -> list[int]:
    """Ids of all JVMs and supervisors whose data lies in ``below``; needs /proc, empty elsewhere."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(argument.startswith(f"-Dtsunagi.broker.dir={below}".encode()) for argument in arguments):
            found.append(int(process.name))
    return found
