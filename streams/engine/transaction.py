"""One transactional producer per partition, and what each failure means.

Before ``commit`` was called a failure is an abort: nothing happened, the batch is tried again. After it, only calling
commit again can tell. A fatal error (fenced, timed out) leaves the outcome unknown: the task drops what it has in
memory and takes the partition over again, where the log tells what was committed.
Source: librdkafka, "Transactional producer API", error handling; KIP-98, KIP-360.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from streams.kafka_log import KAFKA_LOG

log = structlog.get_logger(__name__)

_COMMIT_ATTEMPT_SECONDS = 5.0
TRANSACTION_TIMEOUT_MS = 5_000


class Aborted(Exception):
    """The transaction did not happen; the batch may be tried again."""


class OutcomeUnknown(Exception):
    """Whether the transaction happened only the log knows; this producer is finished."""


class PartitionProducer:
    """The transactional producer of one partition. Not thread-safe: one task owns it."""

    def __init__(self, connection: Mapping[str, Any], transactional_id: str) -> None:
        self._marked_offset: int | None = None
        self._producer = Producer(
            {
                **connection,
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
                "compression.type": "lz4",
                # The next transaction waits for the markers of the last one; at its default of 100 ms that wait is
                # 33 ms a cycle, at 1 ms it is 10.
                "retry.backoff.ms": 1,
                "queue.buffering.max.messages": 500_000,
                # A dead letter carries a record of the largest size there is, and more.
                "message.max.bytes": 2_097_176,
                # What matters comes out of the call it concerns; the rest is told once, in our log's form.
                "error_cb": lambda error: log.info("producer", id=transactional_id, error=error.name()),
            },
            logger=KAFKA_LOG,
        )

    def fence(self, timeout_seconds: float = 30.0) -> None:
        """Take the partition over: settles the old owner's transactions. Only with confirmed membership."""
        try:
            self._producer.init_transactions(timeout_seconds)
        except KafkaException as error:
            raise OutcomeUnknown(f"init_transactions: {error}") from error

    def begin(self) -> None:
        """Begin a transaction."""
        self._marked_offset = None
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            raise self._classified("begin", error) from error

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        *,
        mark: bool = False,
    ) -> None:
        """Add a record; with ``mark`` its offset is what ``commit`` returns."""
        report = self._on_marked if mark else None
        while True:
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=report, timestamp=timestamp_ms)
                return
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as error:
                raise self._classified("produce", error) from error

    def _on_marked(self, error: KafkaError | None, message: Any) -> None:
        # After a fence, looking into an error here can itself raise (confluent-kafka 2.16: SystemError); nothing that
        # happens in this callback may matter, so a missing offset is all it leaves behind.
        if error is None:
            self._marked_offset = message.offset()

    def commit(self) -> int:
        """Commit, asking again until the broker has answered; the offset of the marked record."""
        while True:
            try:
                self._producer.commit_transaction(_COMMIT_ATTEMPT_SECONDS)
            except KafkaException as error:
                if error.args[0].retriable():
                    continue
                raise self._classified("commit", error) from error
            if self._marked_offset is None:
                raise OutcomeUnknown("committed, but the offset of the position record was not reported")
            return self._marked_offset

    def _classified(self, step: str, error: KafkaException) -> Exception:
        cause: KafkaError = error.args[0]
        if cause.txn_requires_abort():
            return self._abort(step, cause)
        return OutcomeUnknown(f"{step}: {cause.name()}: {cause.str()}")

    def _abort(self, step: str, cause: KafkaError) -> Exception:
        try:
            self._producer.abort_transaction(_COMMIT_ATTEMPT_SECONDS)
        except KafkaException as error:
            return OutcomeUnknown(f"{step}: {cause.name()}, and abort: {error.args[0].name()}")
        return Aborted(f"{step}: {cause.name()}: {cause.str()}")

    def close(self, deadline_seconds: float = 1.0) -> None:
        """Let go of connections and threads. Never raises: a fenced producer would say so once more here."""
        end = time.monotonic() + deadline_seconds
        with contextlib.suppress(KafkaException):
            self._producer.purge()
            while len(self._producer) and time.monotonic() < end:
                self._producer.poll(0.05)
