"""The past of one customer as the log still has it, for a page that is opened late."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException

from connectors.gateway.live_line import Line, line
from connectors.gateway.readers import METADATA_SECONDS, Stretch, reader
from schemas.codec import Codec
from schemas.partitioning import partition_of

_BACK = 200_000
"""Records looked at in the customer's partition of each topic: only keys are compared, about 1 us each."""
_LONGEST = 400
_AT_MOST_SECONDS = 3.0


def customer_past(kafka: Mapping[str, str], topics: Sequence[str], codec: Codec, customer_id: str) -> list[bytes]:
    """The customer's latest lines of ``topics`` (those keyed by customer id), oldest first, at most ``_LONGEST``.

    Blocks while it reads. Empty when Kafka is away: what comes from now on is shown all the same.
    """
    consumer = reader(kafka, "past")
    try:
        return [data for _, data in sorted(_read(consumer, topics, codec, customer_id))[-_LONGEST:]]
    except KafkaException:
        return []
    finally:
        consumer.close()


def _read(consumer: Consumer, topics: Sequence[str], codec: Codec, customer_id: str) -> list[Line]:
    known = consumer.list_topics(timeout=METADATA_SECONDS).topics
    places = [(name, partition_of(customer_id, len(known[name].partitions))) for name in topics if name in known]
    stretch, key = Stretch(consumer, places, _BACK), customer_id.encode()
    found: list[Line] = []
    give_up_at = time.monotonic() + _AT_MOST_SECONDS
    while not stretch.read and time.monotonic() < give_up_at:
        for message in consumer.consume(1_000, 0.05):
            stretch.seen(message)
            if message.key() == key and (shown := line(codec, message)) is not None:
                found.append(shown)
    return found
