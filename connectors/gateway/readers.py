"""Kafka readers without a consumer group: they read what they want and leave no trace in the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

METADATA_SECONDS = 1.5
"""How long a look-up of topics or offsets may take before Kafka counts as away."""


def reader(kafka: Mapping[str, str], name: str) -> Consumer:
    """A consumer of committed records for partitions assigned by hand; it says when it reaches a partition's end."""
    return Consumer(
        {
            # Fewer lines on stderr: reachability shows in /readyz and in our own log.
            "log_level": 2,
            **kafka,
            "client.id": f"tsunagi-gateway-{name}",
            # Required by the client, never joined.
            "group.id": f"tsunagi-gateway-{name}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "queued.max.messages.kbytes": 8_192,
            "fetch.queue.backoff.ms": 5,
        }
    )


class Stretch:
    """A part of the log to read: some partitions from a little before their end to where they end now."""

    def __init__(self, consumer: Consumer, places: Iterable[tuple[str, int]], back: int) -> None:
        """``back``: how many records to go back in each (topic, partition); raises ``KafkaException``."""
        self._ends: dict[tuple[str, int], int] = {}
        starts = []
        for topic, number in places:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), METADATA_SECONDS)
            starts.append(TopicPartition(topic, number, max(low, high - back)))
            if high > low:
                self._ends[topic, number] = high
        consumer.assign(starts)

    @property
    def read(self) -> bool:
        """Whether all of it has been seen."""
        return not self._ends

    def seen(self, message: Message) -> None:
        """Notes a message, or the end of a partition, that the consumer returned."""
        place = (str(message.topic()), int(message.partition() or 0))
        error = message.error()
        at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
        if at_end or (error is None and (message.offset() or 0) + 1 >= self._ends.get(place, 0)):
            self._ends.pop(place, None)
