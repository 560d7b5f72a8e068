"""What providers said, written durably into the log of the customer's partition."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.codec import Codec
from schemas.events import AttemptReported
from streams.engine.processor import Clock
from streams.kafka_log import KAFKA_LOG
from streams.processors.topics import DELIVERY_OUTCOMES

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0


class KafkaReports:
    """:class:`streams.delivery.Reports` in the topic of outcomes. Runs on the event loop it is made in."""

    def __init__(self, connection: Mapping[str, Any], codec: Codec, clock: Clock) -> None:
        self._codec = codec
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        # Not idempotent: such a producer can fail for good, and the fold takes no notice of a repeated report.
        self._producer = Producer(
            {**connection, "acks": "all", "enable.idempotence": False, "linger.ms": 2}, logger=KAFKA_LOG
        )
        self._closing = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="delivery-reports", daemon=True)
        self._poller.start()

    async def publish(self, partition: int, record: AttemptReported) -> None:
        """Returns when Kafka has it; tries for as long as it takes."""
        value = self._codec.encode(record)
        while True:
            acknowledged: asyncio.Future[bool] = self._loop.create_future()

            def settle(error: KafkaError | None, _: Any, done: asyncio.Future[bool] = acknowledged) -> None:
                self._loop.call_soon_threadsafe(_set, done, error is None)

            try:
                self._producer.produce(
                    DELIVERY_OUTCOMES,
                    value,
                    record.customer_id.encode(),
                    partition,
                    timestamp=self._clock.now_ms(),
                    on_delivery=settle,
                )
                if await acknowledged:
                    return
            except (BufferError, KafkaException) as error:
                log.warning("report_not_written", action_id=record.action_id, error=type(error).__name__)
            await asyncio.sleep(_RETRY_SECONDS)

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.1)

    async def close(self) -> None:
        """Send what is queued, and let go of the producer."""
        self._closing.set()
        await asyncio.to_thread(self._poller.join)
        await asyncio.to_thread(self._producer.flush, 2.0)


def _set(done: asyncio.Future[bool], value: bool) -> None:
    if not done.done():
        done.set_result(value)
