"""Our murmur2 and the partitioner that other producers of the same topics use agree, on a real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, Message, Producer

from schemas.partitioning import partition_of

if TYPE_CHECKING:
    from tests.kafka import Kafka, Topics

KEYS = ["", "a", "ab", "abc", "abcd", "桜", "018f3a52-order-1001", *(f"customer-{number}" for number in range(100))]


def test_librdkafkas_murmur2_puts_keys_where_we_do(kafka: Kafka, topics: Topics) -> None:
    topic = topics("keys", partitions=7)
    landed: dict[str, int] = {}

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None
        landed[(message.key() or b"").decode()] = message.partition() or 0

    producer = Producer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2"})
    for key in KEYS:
        producer.produce(topic, key=key.encode(), value=b"", on_delivery=delivered)
    assert producer.flush(20) == 0
    assert landed == {key: partition_of(key, 7) for key in KEYS}
