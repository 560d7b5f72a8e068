"""A bench for each test: topics of its own on the run's Kafka, and workers that end with the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.processors.topics import DEAD_LETTERS, WORKER_DIRECTORY
from tests.integration.engine.bench import PARTITIONS, Bench
from tests.integration.engine.counting import Names

if TYPE_CHECKING:
    from tests.kafka import Kafka, Topics


@pytest.fixture(scope="session")
def shared_topics(kafka: Kafka) -> None:
    """The topics whose names are fixed; every test looks for its own processor in them."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    wanted = [
        NewTopic(DEAD_LETTERS, 2, config={"max.message.bytes": "2097176"}),
        NewTopic(WORKER_DIRECTORY, 1, config={"cleanup.policy": "compact"}),
    ]
    for created in admin.create_topics(wanted).values():
        try:
            created.result(20)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


@pytest.fixture
def bench(kafka: Kafka, topics: Topics, shared_topics: None, tmp_path: Path) -> Iterator[Bench]:
    """Two inputs, an output and a changelog, two partitions each."""
    changelog = topics("changelog", PARTITIONS, {"cleanup.policy": "compact"})
    names = Names(
        processor=changelog.removeprefix("changelog."),
        inputs=(topics("in", PARTITIONS), topics("also", PARTITIONS)),
        output=topics("out", PARTITIONS),
    )
    # Brokers of other people's refuse less than 6 s.
    seconds = 6.0 if "TSUNAGI_TEST_BOOTSTRAP" in os.environ else 2.0
    made = Bench(kafka.bootstrap, names, tmp_path, seconds)
    try:
        yield made
    finally:
        made.close()
