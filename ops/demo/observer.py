"""What comes out of the pipeline while a demo runs: decisions, actions and receipts as they are committed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from schemas.codec import Codec
from schemas.errors import Undecodable
from schemas.events import ChannelEvent, Decision, DecisionOutcome, MessageDelivered, MessageFailed, SendMessage
from streams.processors.topics import CUSTOMER_EVENTS, DECISIONS, INVENTORY_EVENTS, MESSAGE_CHANNELS, actions


class Observer:
    """Reads along in a thread of its own; readers may look at any time."""

    def __init__(self, connection: Mapping[str, str], codec: Codec) -> None:
        self.decisions: list[Decision] = []
        self.actions: list[SendMessage] = []
        self.settled: set[str] = set()
        self.events: set[tuple[str, str]] = set()
        """(source, event id) of every event that has reached the customers' or the SKUs' log."""
        self.counts: Counter[str] = Counter()
        self._codec = codec
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "log_level": 2,  # what is wrong is said by the errors
                **connection,
                "group.id": "tsunagi-demo",  # never joined: assign() only
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 5,
            }
        )
        topics = (CUSTOMER_EVENTS, INVENTORY_EVENTS, DECISIONS, *(actions(channel) for channel in MESSAGE_CHANNELS))
        found = self._consumer.list_topics(timeout=10).topics
        self._consumer.assign([TopicPartition(topic, p, 0) for topic in topics for p in found[topic].partitions])
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(1_000, timeout=0.1):
                if message.error() is None:
                    self._see(message.value())
        self._consumer.close()

    def _see(self, value: bytes | None) -> None:
        try:
            record = self._codec.decode(value)
        except Undecodable:
            return
        match record:
            case Decision():
                self.decisions.append(record)
                if record.outcome is DecisionOutcome.SUPPRESSED:
                    self.counts["suppressed"] += 1
            case SendMessage():
                self.actions.append(record)
                self.counts["actions"] += 1
            case MessageDelivered():
                self.settled.add(record.action_id)
                self.counts["delivered"] += 1
            case MessageFailed():
                self.settled.add(record.action_id)
                self.counts["failed"] += 1
            case _ if isinstance(record, ChannelEvent):
                self.counts["processed"] += 1
                self.events.add((record.envelope.source, record.envelope.event_id))

    def seen_all(self, events: Mapping[tuple[str, str], object]) -> bool:
        """Whether all of these have reached a log."""
        return events.keys() <= self.events

    def wait_quiet(self, seconds: float = 0.5, at_most: float = 10.0) -> None:
        """Wait until nothing new has been committed for a while."""
        deadline = time.monotonic() + at_most
        last, since = self._total(), time.monotonic()
        while time.monotonic() - since < seconds and time.monotonic() < deadline:
            time.sleep(0.05)
            if self._total() != last:
                last, since = self._total(), time.monotonic()

    def _total(self) -> int:
        return len(self.decisions) + len(self.actions) + len(self.settled) + len(self.events)

    def unsettled(self) -> int:
        """Actions without an outcome yet."""
        return sum(action.action_id not in self.settled for action in list(self.actions))

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()
