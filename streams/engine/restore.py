"""Rows from the changelog: read committed, from where the local store stands to the end.

Done by position, never by counting records: transaction markers and compaction leave offsets that hold nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import ConfigurationError, Unavailable
from streams.engine.store import PartitionStore
from streams.kafka_log import KAFKA_LOG

log = structlog.get_logger(__name__)
_PIECE = 10_000
_PIECE_SECONDS = 0.02  # consume() waits this long for a full piece, so it is what an empty changelog costs
_SILENCE_SECONDS = 30.0


def restore(
    store: PartitionStore,
    connection: Mapping[str, Any],
    changelog: str,
    partition: int,
    keep_going: Callable[[], bool],
) -> int:
    """Bring ``store`` up to the end of its changelog partition; the number of records read.

    Call it after fencing: then nothing of the old owner can follow. Raises :class:`Unavailable` when the broker is
    away, :class:`ConfigurationError` when the changelog is not there. Stops early, the store behind the changelog, when
    ``keep_going`` says so: the caller asks it again.
    """
    consumer = Consumer(
        {
            **connection,
            "group.id": "tsunagi-restore",  # never joined: assign() only
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 1,
            "fetch.wait.max.ms": 10,  # the end is told by an empty answer, for which the broker else waits 500 ms
            "queued.min.messages": 50_000,
            "queued.max.messages.kbytes": 32_768,
        },
        logger=KAFKA_LOG,
    )
    try:
        return _read(consumer, store, changelog, partition, keep_going)
    except KafkaException as error:
        raise Unavailable(f"cannot restore {changelog}[{partition}]: {error}") from error
    finally:
        consumer.close()


def _read(
    consumer: Consumer,
    store: PartitionStore,
    changelog: str,
    partition: int,
    keep_going: Callable[[], bool],
) -> int:
    first, end = consumer.get_watermark_offsets(TopicPartition(changelog, partition), timeout=10)
    start = store.changelog_position()
    if start and not first <= start <= end:
        # Before the log's start, tombstones may be gone; behind its end, it is another log than the one we know.
        store.rebuild(f"stands at {start}, the changelog reaches from {first} to {end}")
        start = 0
    start = max(start, first)
    if start >= end:
        return 0
    consumer.assign([TopicPartition(changelog, partition, start)])
    count = 0
    heard = time.monotonic()
    while keep_going():
        piece: dict[bytes, bytes | None] = {}
        position = None
        for message in consumer.consume(_PIECE, timeout=_PIECE_SECONDS):
            error = message.error()
            offset = message.offset() or 0
            if error is None:
                key = message.key()
                assert key is not None, "changelog records have keys"
                piece[key] = message.value()
                count += 1
            elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise ConfigurationError(f"topic {changelog} is missing: run `tsunagi topics apply`")
            elif error.code() != KafkaError._PARTITION_EOF:
                continue
            position = offset + (1 if error is None else 0)
        if position is not None:
            heard = time.monotonic()
            store.restore(piece, position)
            if position >= end:
                return count
        elif time.monotonic() - heard > _SILENCE_SECONDS:
            raise Unavailable(f"{changelog}[{partition}] is silent at {store.changelog_position()} of {end}")
    return count
