"""worker-directory: which worker owns which partition, and where its read views are.

A compacted topic: key ``<processor>/<partition>``, value ``{"url": ..., "partitions": n}``. A stale entry does no harm:
the worker it names answers 421 and the reader looks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka import Producer

from streams.kafka_log import KAFKA_LOG
from streams.processors.topics import WORKER_DIRECTORY


class DirectoryEntry(msgspec.Struct, frozen=True):
    """Where a partition's rows can be read."""

    url: str
    partitions: int


class Directory:
    """Publishes what this worker owns. Best effort: readers retry."""

    def __init__(self, connection: Mapping[str, Any], url: str) -> None:
        self._producer = Producer(
            {**connection, "acks": "all", "enable.idempotence": True, "linger.ms": 5}, logger=KAFKA_LOG
        )
        self._url = url

    def owned(self, processor: str, partition: int, partitions: int) -> None:
        """Tell where this partition's rows can be read from now on."""
        entry = msgspec.json.encode(DirectoryEntry(self._url, partitions))
        self._producer.produce(WORKER_DIRECTORY, entry, f"{processor}/{partition}", 0)
        self._producer.poll(0)

    def close(self) -> None:
        """Send what is queued."""
        self._producer.flush(2.0)
