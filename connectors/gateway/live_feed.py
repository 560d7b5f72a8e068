"""The live feed: one reader of the log for all who watch, in a thread that runs only while somebody does.

It needs no consumer group. It begins a little before the end, so that a page opened late shows what just happened, and
then follows. Each watcher has a bounded queue: whoever reads too slowly is told how much was skipped, and slows nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, Message

from connectors.gateway.live_line import READY, Line, line, sse
from connectors.gateway.live_past import customer_past
from connectors.gateway.readers import METADATA_SECONDS, Stretch, reader
from schemas.codec import Codec
from schemas.metrics import GatewayMetrics

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.1
_PAST_RECORDS = 60
"""Records read back in each partition at the start."""
_PAST_LINES = 400
"""Lines kept for those who come later."""
_LOOK_BACKS = 2
"""How many may look a customer's past up at once."""


class Watcher:
    """One reader's queue: the newest ``limit`` lines it has not taken yet."""

    def __init__(self, limit: int) -> None:
        self._lines: deque[bytes] = deque(maxlen=limit)
        self._skipped = 0
        self._news = asyncio.Event()
        self._closed = False

    def put(self, lines: Sequence[bytes]) -> int:
        """Queues lines and returns how many older ones were dropped for them."""
        held = len(self._lines)
        self._lines.extend(lines)
        dropped = held + len(lines) - len(self._lines)
        self._skipped += dropped
        if self._lines:
            self._news.set()
        return dropped

    def close(self) -> None:
        """Makes the next ``take`` the last."""
        self._closed = True
        self._news.set()

    async def take(self) -> bytes:
        """Everything queued, waiting for the first line; what was dropped is said first. Empty: it is over."""
        await self._news.wait()
        if not self._closed:
            self._news.clear()
        notice = sse({"kind": "skipped", "count": self._skipped}) if self._skipped else b""
        self._skipped = 0
        chunk = notice + b"".join(self._lines)
        self._lines.clear()
        return chunk


class LiveFeed:
    """Decodes the watched topics once and hands the lines to every watcher."""

    def __init__(
        self,
        kafka: Mapping[str, str],
        topics: Sequence[str],
        topics_by_customer: Sequence[str],
        codec: Codec,
        metrics: GatewayMetrics,
        queue: int,
    ) -> None:
        """``topics_by_customer``: those of ``topics`` whose key is the customer id. ``queue``: lines for one reader."""
        self._kafka = dict(kafka)
        self._topics = tuple(topics)
        self._by_customer = tuple(topics_by_customer)
        self._codec = codec
        self._metrics = metrics
        self._queue = queue
        self._watchers: set[Watcher] = set()
        self._past: deque[bytes] = deque(maxlen=_PAST_LINES)
        self._ready = False
        self._run: _Run | None = None
        self._looking_back = asyncio.Semaphore(_LOOK_BACKS)

    def __len__(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def join(self) -> Watcher:
        """A new watcher, which first gets what is known of the last while."""
        watcher = Watcher(max(self._queue, _PAST_LINES + 1))
        if self._run is None:
            self._past.clear()
            self._ready = False
            self._run = _Run(self._kafka, self._topics, self._codec, self._receive)
        watcher.put([*self._past, READY] if self._ready else list(self._past))
        self._watchers.add(watcher)
        self._metrics.live_clients.set(len(self._watchers))
        return watcher

    async def past_of(self, customer_id: str) -> list[bytes]:
        """What the log still has of one customer; see :func:`customer_past`."""
        async with self._looking_back:
            return await asyncio.to_thread(customer_past, self._kafka, self._by_customer, self._codec, customer_id)

    async def leave(self, watcher: Watcher) -> None:
        """Forgets a watcher; the last one ends the reading."""
        self._watchers.discard(watcher)
        self._metrics.live_clients.set(len(self._watchers))
        if not self._watchers and self._run is not None:
            run, self._run = self._run, None
            await asyncio.to_thread(run.stop)

    def close(self) -> None:
        """Ends every watcher's stream."""
        for watcher in self._watchers:
            watcher.close()

    def _receive(self, run: _Run, lines: list[bytes]) -> None:
        if run is not self._run:
            return
        self._past.extend(lines)
        if not self._ready:
            # The first lines of a run are its past.
            self._ready = True
            lines = [*lines, READY]
        for watcher in self._watchers:
            self._metrics.live_skipped.inc(watcher.put(lines))


class _Run:
    """One stretch of reading, from the first watcher to the last."""

    def __init__(
        self,
        kafka: Mapping[str, str],
        topics: Sequence[str],
        codec: Codec,
        receive: Callable[[_Run, list[bytes]], None],
    ) -> None:
        self._kafka, self._topics, self._codec, self._receive = kafka, topics, codec, receive
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="gateway-live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _follow(self) -> None:
        consumer = reader(self._kafka, "live")
        try:
            stretch = self._assign(consumer)
            past: list[Line] = []
            while stretch is not None and not (stretch.read or self._stopped.is_set()):
                for message in consumer.consume(500, _POLL_SECONDS):
                    stretch.seen(message)
                    past.extend(self._lines(message))
            # Partitions arrive one after the other; only the record times put the past in order.
            self._hand_over(sorted(past)[-_PAST_LINES:])
            while not self._stopped.is_set():
                messages = consumer.consume(500, _POLL_SECONDS)
                if messages:
                    self._hand_over([shown for message in messages for shown in self._lines(message)])
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> Stretch | None:
        """Sets each partition a little before its end, trying again while Kafka is away."""
        while not self._stopped.is_set():
            try:
                known = consumer.list_topics(timeout=METADATA_SECONDS).topics
                places = [(name, number) for name in self._topics if name in known for number in known[name].partitions]
                return Stretch(consumer, places, _PAST_RECORDS)
            except KafkaException as error:
                log.info("live feed waits for Kafka", error=error.args[0].name())
                self._stopped.wait(_POLL_SECONDS)
        return None

    def _lines(self, message: Message) -> list[Line]:
        shown = line(self._codec, message)
        return [] if shown is None else [shown]

    def _hand_over(self, lines: list[Line]) -> None:
        self._loop.call_soon_threadsafe(self._receive, self, [data for _, data in lines])
