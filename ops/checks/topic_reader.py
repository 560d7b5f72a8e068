"""A topic as it is recorded: committed records, in offset order, to where the log ends now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import Unavailable

_SILENCE_SECONDS = 15.0
_PIECE = 5_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """One record of a log."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


def read_topics(
    connection: Mapping[str, str], topics: tuple[str, ...], partition: int | None = None
) -> Iterator[Recorded]:
    """All committed records of the topics, or of one partition of each; in offset order within a partition.

    Raises :class:`Unavailable` when the broker is away or falls silent.
    """
    consumer = Consumer(
        {
            "log_level": 2,  # what is wrong is said by the errors
            **connection,
            "group.id": "tsunagi-checks",  # never joined: assign() only
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 1,
            "fetch.wait.max.ms": 10,  # the end is told by an empty answer, for which the broker else waits 500 ms
        }
    )
    try:
        places = []
        for topic in topics:
            count = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
            places += [TopicPartition(topic, p, 0) for p in range(count) if partition in (None, p)]
        consumer.assign(places)
        ended: set[tuple[str, int]] = set()
        heard = time.monotonic()
        while len(ended) < len(places):
            messages = consumer.consume(_PIECE, timeout=0.02)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise Unavailable(f"{', '.join(topics)}: no answer from Kafka")
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    ended.add((str(message.topic()), int(message.partition() or 0)))
                    continue
                yield Recorded(
                    str(message.topic()),
                    int(message.partition() or 0),
                    int(message.offset() or 0),
                    message.timestamp()[1],
                    message.key(),
                    message.value(),
                )
    except KafkaException as error:
        raise Unavailable(f"cannot read {', '.join(topics)}: {error.args[0].str()}") from error
    finally:
        consumer.close()
