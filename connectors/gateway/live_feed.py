"""The live feed: one reader of the log for all who watch, in a thread that runs only while somebody does.

It needs no consumer group. It begins a little before the end, so that a page opened late shows what just happened, and
then follows. Each watcher has a bounded queue: whoever reads too slowly is told how much was skipped, and slows nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from connectors.gateway.live_view import View, view
from schemas.codec import Codec
from schemas.errors import Undecodable
from schemas.metrics import GatewayMetrics

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.1
_METADATA_SECONDS = 1.5
_PAST_RECORDS = 60
"""Records read back in each partition at the start."""
_PAST_LINES = 400
"""Lines kept for those who come later."""
READY = b'data: {"kind":"ready"}\n\n'
"""Sent once, between the past and what happens from now on."""


def sse(line: View) -> bytes:
    """One server-sent event. Source: HTML Living Standard, section 9.2.5; JSON holds no line break."""
    return b"data: " + msgspec.json.encode(line) + b"\n\n"


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
        self, kafka: Mapping[str, str], topics: Sequence[str], codec: Codec, metrics: GatewayMetrics, queue: int
    ) -> None:
        self._kafka = dict(kafka)
        self._topics = tuple(topics)
        self._codec = codec
        self._metrics = metrics
        self._queue = queue
        self._watchers: set[Watcher] = set()
        self._past: deque[bytes] = deque(maxlen=_PAST_LINES)
        self._ready = False
        self._run: _Run | None = None

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

    def _receive(self, run: _Run, lines: list[bytes], ready: bool) -> None:
        if run is not self._run:
            return
        self._past.extend(lines)
        if ready and not self._ready:
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
        receive: Callable[[_Run, list[bytes], bool], None],
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
        consumer = Consumer(
            {
                "log_level": 2,
                **self._kafka,
                "client.id": "tsunagi-gateway-live",
                # Required by the client, never joined: partitions are assigned by hand.
                "group.id": "tsunagi-gateway-live",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": 8_192,
                "fetch.queue.backoff.ms": 5,
            }
        )
        try:
            ends = self._assign(consumer)
            past: list[tuple[int, bytes]] = []
            while not self._stopped.is_set():
                messages = consumer.consume(500, _POLL_SECONDS)
                if ends:
                    past.extend(line for message in messages for line in self._lines(message))
                    for message in messages:
                        _reached(ends, message)
                    if not ends:
                        # Partitions arrive one after the other; only the record times put the past in order.
                        past.sort(key=lambda line: line[0])
                        self._hand_over([line for _, line in past[-_PAST_LINES:]], ready=True)
                    continue
                lines = [line for message in messages for _, line in self._lines(message)]
                if lines:
                    self._hand_over(lines, ready=True)
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> dict[tuple[str, int], int]:
        """Sets each partition a little before its end; returns the ends not yet reached."""
        while not self._stopped.is_set():
            try:
                known = consumer.list_topics(timeout=_METADATA_SECONDS).topics
                places = [
                    (topic, number) for topic in self._topics if topic in known for number in known[topic].partitions
                ]
                starts, ends = [], {}
                for topic, number in places:
                    low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), _METADATA_SECONDS)
                    starts.append(TopicPartition(topic, number, max(low, high - _PAST_RECORDS)))
                    if high > low:
                        ends[topic, number] = high
            except KafkaException as error:
                log.info("live feed waits for Kafka", error=error.args[0].name())
                self._stopped.wait(_POLL_SECONDS)
                continue
            consumer.assign(starts)
            if not ends:
                self._hand_over([], ready=True)
            return ends
        return {}

    def _lines(self, message: KafkaMessage) -> list[tuple[int, bytes]]:
        if message.error() is not None:
            return []
        at_ms = int(message.timestamp()[1])
        try:
            shown = view(self._codec.decode(message.value()), at_ms)
        except Undecodable:
            # A processor dead-letters it, and that is shown.
            return []
        return [] if shown is None else [(at_ms, sse(shown))]

    def _hand_over(self, lines: list[bytes], *, ready: bool) -> None:
        self._loop.call_soon_threadsafe(self._receive, self, lines, ready)


def _reached(ends: dict[tuple[str, int], int], message: Any) -> None:
    """Removes a partition from ``ends`` when this message says that its end was reached."""
    place = (message.topic(), message.partition())
    error = message.error()
    at_end = error is not None and error.code() == KafkaError._PARTITION_EOF
    if at_end or (error is None and place in ends and message.offset() >= ends[place] - 1):
        ends.pop(place, None)
