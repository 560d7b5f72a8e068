"""Who owns which partition now, as the workers say it in the compacted topic worker-directory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from connectors.gateway.readers import METADATA_SECONDS, reader
from schemas.partitioning import partition_of

log = structlog.get_logger(__name__)

TOPIC = "worker-directory"
_POLL_SECONDS = 0.5


class Owner(msgspec.Struct, frozen=True):
    """Value of a directory record: the base URL of the owner's read views, and the processor's partition count."""

    url: str
    partitions: int


class Table:
    """The directory as a view of its topic. Replaced, never edited in place: another thread reads it."""

    def __init__(self) -> None:
        self._owners: Mapping[tuple[str, int], Owner] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Folds one record in: key ``<processor>/<partition>``, value JSON; no value means that nobody owns it."""
        try:
            processor, _, number = (key or b"").decode().rpartition("/")
            place = (processor, int(number))
            if not value:
                self._owners = {other: owner for other, owner in self._owners.items() if other != place}
                return
            owner = msgspec.json.decode(value, type=Owner)
            if not owner.url.startswith(("http://", "https://")) or owner.partitions < 1:
                raise ValueError("url must be http(s), partitions at least 1")
        except (ValueError, msgspec.DecodeError, msgspec.ValidationError) as error:
            log.warning("not a directory record", error=type(error).__name__)
            return
        self._owners = {**self._owners, place: Owner(owner.url.rstrip("/"), owner.partitions)}

    def owner(self, processor: str, key: str) -> str | None:
        """Base URL of the worker that owns the partition of ``key``; ``None`` when nobody does."""
        owners = self._owners
        count = next((owner.partitions for (name, _), owner in owners.items() if name == processor), None)
        if count is None:
            return None
        found = owners.get((processor, partition_of(key, count)))
        return found.url if found else None

    def workers(self, processor: str) -> list[str]:
        """Base URLs of all workers that own a partition of ``processor``, sorted."""
        return sorted({owner.url for (name, _), owner in self._owners.items() if name == processor})


class Directory:
    """Keeps a :class:`Table` up to date from Kafka in a thread of its own; needs no consumer group."""

    def __init__(self, kafka: Mapping[str, str], topic: str = TOPIC) -> None:
        self._kafka = dict(kafka)
        self._topic = topic
        self._table = Table()
        self._loaded = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-directory", daemon=True)

    def start(self) -> None:
        """Starts following the topic; goes on trying while Kafka is away."""
        self._thread.start()

    @property
    def loaded(self) -> bool:
        """Whether everything that was in the topic at the start has been read."""
        return self._loaded.is_set()

    def owner(self, processor: str, key: str) -> str | None:
        """See :meth:`Table.owner`."""
        return self._table.owner(processor, key)

    def workers(self, processor: str) -> list[str]:
        """See :meth:`Table.workers`."""
        return self._table.workers(processor)

    async def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        consumer = reader(self._kafka, "directory")
        try:
            unread = self._assign(consumer)
            while not self._stopped.is_set():
                message = consumer.poll(_POLL_SECONDS)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    self._table.apply(message.key(), message.value())
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                    if not unread:
                        self._loaded.set()
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> set[int]:
        while not self._stopped.is_set():
            try:
                topics = consumer.list_topics(self._topic, timeout=METADATA_SECONDS).topics
            except KafkaException:
                self._stopped.wait(_POLL_SECONDS)
                continue
            partitions = set(topics[self._topic].partitions)
            if partitions:
                consumer.assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in partitions])
                return partitions
            self._stopped.wait(_POLL_SECONDS)
        return set()
