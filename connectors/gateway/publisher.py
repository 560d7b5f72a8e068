"""Events into Kafka: a promise is made only when all in-sync replicas have the record.

One librdkafka producer; a thread of its own serves its callbacks and wakes the loop once for many requests.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import KafkaException, Producer

from schemas.errors import Unavailable
from schemas.metrics import GatewayMetrics
from schemas.partitioning import partition_of

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.2
_METADATA_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Message:
    """One record to write: ``value`` is framed Avro, ``headers`` name -> bytes."""

    topic: str
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class _Batch:
    """The records of one request on their way. ``delivered`` runs in the callback thread only."""

    __slots__ = ("_finished", "error", "future", "remaining")

    def __init__(self, size: int, future: asyncio.Future[None], finished: Any) -> None:
        self.remaining = size
        self.future = future
        self.error: str | None = None
        self._finished = finished

    def delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self.error = str(error.name())
        self.remaining -= 1
        if self.remaining == 0:
            self._finished(self)


class Publisher:
    """Writes records and waits for the acknowledgement, at most ``delivery_timeout_seconds`` long."""

    def __init__(
        self,
        kafka: Mapping[str, str],
        *,
        topics: Collection[str],
        prefix: str,
        metrics: GatewayMetrics,
        delivery_timeout_seconds: float,
        linger_seconds: float,
        max_in_flight: int,
    ) -> None:
        self._timeout = delivery_timeout_seconds
        self._prefix = prefix
        self._topics = frozenset(prefix + topic for topic in topics)
        self._metrics = metrics
        self._partitions: dict[str, int] = {}
        self._loaded = asyncio.Event()
        self._done: deque[_Batch] = deque()
        self._waking = False
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            {
                # Fewer lines on stderr: reachability is a metric, a log line and /readyz here.
                "log_level": 2,
                **kafka,
                "client.id": "tsunagi-gateway",
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": linger_seconds * 1000,
                "delivery.timeout.ms": int(delivery_timeout_seconds * 1000),
                "queue.buffering.max.messages": max_in_flight,
                "compression.type": "lz4",
            }
        )
        self._metrics.in_flight.set_function(lambda: len(self._producer))
        self._thread = threading.Thread(target=self._serve_callbacks, name="gateway-producer", daemon=True)
        self._load: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the callback thread and the look-up of partition counts, which goes on until Kafka answers."""
        self._thread.start()
        self._load = self._loop.create_task(self._load_partitions())

    async def publish(self, messages: Sequence[Message], timestamp_ms: int) -> None:
        """Writes all messages and returns when each is acknowledged.

        Raises :class:`Unavailable` when one is not. Then some of them may be in the log all the same: the sender
        repeats them with the same event ids, by which repeats are removed.
        """
        await self._wait_for_partitions()
        batch = _Batch(len(messages), self._loop.create_future(), self._finished)
        try:
            for message in messages:
                topic = self._prefix + message.topic
                self._producer.produce(
                    topic,
                    message.value,
                    message.key.encode(),
                    partition_of(message.key, self._partitions[topic]),
                    on_delivery=batch.delivered,
                    timestamp=timestamp_ms,
                    headers=list(message.headers),
                )
        except BufferError as error:
            self._metrics.publish_failures.inc(len(messages))
            raise Unavailable("too many events wait for Kafka already") from error
        except KafkaException as error:
            self._metrics.publish_failures.inc(len(messages))
            raise Unavailable("Kafka refused the events") from error
        try:
            # librdkafka ends every wait itself; the margin only guards against a callback that never comes.
            await asyncio.wait_for(batch.future, self._timeout + 1.0)
        except TimeoutError as error:
            self._metrics.publish_failures.inc(batch.remaining)
            raise Unavailable("Kafka did not answer in time") from error
        if batch.error is not None:
            self._metrics.publish_failures.inc()
            log.warning("not acknowledged", error=batch.error, records=len(messages))
            raise Unavailable("Kafka did not acknowledge the events in time")

    async def reachable(self) -> bool:
        """Whether a broker answers now and all topics are there."""
        try:
            await asyncio.to_thread(self._producer.list_topics, timeout=_METADATA_SECONDS)
        except KafkaException:
            return False
        return self._loaded.is_set()

    async def close(self) -> None:
        """Waits for what is on its way, at most the delivery timeout, and ends the thread."""
        if self._load is not None:
            self._load.cancel()
        # The thread ends first: callbacks then run in one thread at a time, as before.
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)
        left = await asyncio.to_thread(self._producer.flush, self._timeout)
        if left:
            log.error("records not acknowledged at the end", records=left)

    async def _wait_for_partitions(self) -> None:
        if self._loaded.is_set():
            return
        try:
            await asyncio.wait_for(self._loaded.wait(), self._timeout)
        except TimeoutError as error:
            raise Unavailable("Kafka is not reachable, or topics are missing") from error

    async def _load_partitions(self) -> None:
        while True:
            try:
                found = (await asyncio.to_thread(self._producer.list_topics, timeout=_METADATA_SECONDS)).topics
            except KafkaException as error:
                log.warning("Kafka is not reachable", error=error.args[0].name())
                await asyncio.sleep(_POLL_SECONDS)
                continue
            missing = self._topics - set(found)
            if not missing:
                self._partitions = {topic: len(found[topic].partitions) for topic in self._topics}
                self._loaded.set()
                return
            log.warning("topics are missing: run `tsunagi topics apply`", topics=sorted(missing))
            await asyncio.sleep(1.0)

    def _serve_callbacks(self) -> None:
        while not self._stopped.is_set():
            self._producer.poll(_POLL_SECONDS)

    def _finished(self, batch: _Batch) -> None:
        self._done.append(batch)
        if not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        # Cleared first: a batch that ends from here on schedules its own wake-up.
        self._waking = False
        while self._done:
            future = self._done.popleft().future
            if not future.done():
                future.set_result(None)
