"""Dead letters from the outside: read them, show one, send one back to where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from schemas.codec import Codec
from schemas.errors import InvalidInput, Unavailable
from schemas.events import DeadLetter
from streams.processors.topics import DEAD_LETTERS

_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter and its place in the topic; ``id`` is ``partition-offset``."""

    partition: int
    offset: int
    record: DeadLetter

    @property
    def id(self) -> str:
        return f"{self.partition}-{self.offset}"


def read_letters(connection: Mapping[str, str], codec: Codec) -> Iterator[Letter]:
    """All dead letters that are retained, by partition; raises :class:`Unavailable` when Kafka is away."""
    consumer = Consumer(
        {
            "log_level": 2,  # what is wrong is said by the errors
            **connection,
            "group.id": "tsunagi-dlq",  # never joined: assign() only
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        found = consumer.list_topics(DEAD_LETTERS, timeout=_TIMEOUT_SECONDS).topics[DEAD_LETTERS]
        partitions = sorted(found.partitions)
        consumer.assign([TopicPartition(DEAD_LETTERS, partition, 0) for partition in partitions])
        open_ends = set(partitions)
        while open_ends:
            message = consumer.poll(_TIMEOUT_SECONDS)
            if message is None:
                raise Unavailable(f"{DEAD_LETTERS} is silent")
            partition, offset, error = message.partition(), message.offset(), message.error()
            assert partition is not None
            assert offset is not None
            if error is None:
                record = codec.decode(message.value())
                assert isinstance(record, DeadLetter)
                yield Letter(partition, offset, record)
            elif error.code() == KafkaError._PARTITION_EOF:
                open_ends.discard(partition)
            else:
                raise KafkaException(error)
    except KafkaException as error:
        raise Unavailable(f"cannot read {DEAD_LETTERS}: {error.args[0].str()}") from error
    finally:
        consumer.close()


def find_letter(connection: Mapping[str, str], codec: Codec, letter_id: str) -> Letter:
    """The dead letter with that id; raises :class:`InvalidInput` when there is none."""
    for letter in read_letters(connection, codec):
        if letter.id == letter_id:
            return letter
    raise InvalidInput(f"no dead letter {letter_id!r}: see `tsunagi dlq list`")


def replay_letters(connection: Mapping[str, str], letters: list[Letter], now_ms: int) -> int:
    """Write the original bytes back to the topic and partition they came from; how many were acknowledged.

    What was processed meanwhile is not processed twice: events are known by source and event id for 72 hours.
    """
    producer = Producer({**connection, "acks": "all", "enable.idempotence": True})
    delivered = 0

    def count(error: KafkaError | None, _: object) -> None:
        nonlocal delivered
        delivered += error is None

    for letter in letters:
        record = letter.record
        producer.produce(record.topic, record.value, record.key, record.partition, on_delivery=count, timestamp=now_ms)
    if producer.flush(_TIMEOUT_SECONDS):
        raise Unavailable(f"Kafka acknowledged {delivered} of {len(letters)} records in {_TIMEOUT_SECONDS:.0f} s")
    return delivered
