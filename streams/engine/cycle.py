"""The protocol of one batch of one partition.

    decode and fold    every record over the batch's view; nothing is written
    begin              the transaction, once the output is ready
    produce            outgoing records, dead letters, the last value of each changed row, the input position
    commit             all of it or nothing
    write              rows and changelog position to the local store, in one batch; now readers see them

Dying before the commit has happened leaves nothing behind; dying after it leaves the local store behind the changelog,
which the next owner reads first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from schemas.codec import Codec
from schemas.errors import ConfigurationError
from schemas.events import ClockTick, Record
from schemas.metrics import WorkerMetrics
from schemas.outgoing import Outgoing
from schemas.partitioning import partition_of
from schemas.rowcodec import decode_row, encode_row
from schemas.rows import PositionRow
from streams.engine import keys
from streams.engine.dead_letters import TOPIC as DEAD_LETTERS
from streams.engine.dead_letters import dead_letter
from streams.engine.processor import Clock, Processor
from streams.engine.store import Change, PartitionStore
from streams.engine.transaction import PartitionProducer
from streams.engine.view import BatchView

log = structlog.get_logger(__name__)

_IGNORABLE = (ConfigurationError,)
"""Errors that are not the record's fault (a row of a newer release): the partition stops, nothing is dead-lettered."""


@dataclass(slots=True)
class Batch:
    """What one batch of records leads to, before anything is written."""

    view: BatchView
    position: PositionRow
    outgoing: list[Outgoing] = field(default_factory=list)
    dead: list[tuple[bytes | None, Record]] = field(default_factory=list)
    records: int = 0


class Cycle:
    """Folds batches of one partition and commits them."""

    def __init__(
        self,
        *,
        processor: Processor,
        partition: int,
        codec: Codec,
        store: PartitionStore,
        producer: PartitionProducer,
        clock: Clock,
        partitions_of: Callable[[str], int],
        metrics: WorkerMetrics,
    ) -> None:
        self._processor = processor
        self._partition = partition
        self._codec = codec
        self._store = store
        self._producer = producer
        self._clock = clock
        self._partitions_of = partitions_of
        self._metrics = metrics
        stored = store.position_bytes()
        self.position = PositionRow({}, 0) if stored is None else decode_row(PositionRow, stored)
        self.tick_up_to_ms = 0
        """The latest tick asked for and not yet seen; no second one is written for the same time."""

    def fold(self, records: Sequence[Any]) -> Batch:
        """Decode and fold, in the order given. ``records``: aiokafka ConsumerRecords of this partition's inputs.

        A record below the position was folded before (a fetch that overlaps a seek) and is dropped.
        """
        offsets = dict(self.position.offsets)
        batch = Batch(BatchView(self._store), self.position)
        now_ms = self.position.now_ms
        for record in records:
            if record.offset < offsets.get(record.topic, 0):
                continue
            offsets[record.topic] = record.offset + 1
            now_ms = max(now_ms, record.timestamp)
            self._fold_one(batch, record, now_ms)
            batch.records += 1
        batch.position = PositionRow(offsets, now_ms)
        return batch

    def _fold_one(self, batch: Batch, record: Any, now_ms: int) -> None:
        batch.view.mark()
        try:
            value = self._codec.decode(record.value)
            if isinstance(value, ClockTick) and value.up_to >= self.tick_up_to_ms:
                self.tick_up_to_ms = 0
            batch.outgoing += self._processor.step(batch.view, value, now_ms)
        except _IGNORABLE:
            raise
        except Exception as error:
            batch.view.undo()
            letter = dead_letter(self._processor.name, record, error, self._clock.now_ms())
            batch.dead.append((record.key, letter))
            self._metrics.dead_letters.labels(self._processor.name, letter.reason).inc()
            log.warning(
                "dead_letter",
                processor=self._processor.name,
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                reason=letter.reason,
                error=letter.error,
            )

    def commit(self, batch: Batch) -> list[Change]:
        """Write the batch; the changed rows. Raises ``Aborted`` or ``OutcomeUnknown`` (see ``transaction``)."""
        changes = batch.view.changes()
        self._transact(batch.outgoing, batch.dead, changes, batch.position)
        self.position = batch.position
        return changes

    def tick(self, up_to_ms: int) -> None:
        """Write a ClockTick into the partition's own input, in a transaction of its own."""
        topic = self._processor.clock_topic
        assert topic is not None
        self._producer.begin()
        self._producer.produce(
            topic,
            self._partition,
            None,
            self._codec.encode(ClockTick(up_to=up_to_ms)),
            self._clock.now_ms(),
            mark=True,
        )
        self._producer.commit()
        self.tick_up_to_ms = up_to_ms

    def _transact(
        self,
        outgoing: Sequence[Outgoing],
        dead: Sequence[tuple[bytes | None, Record]],
        changes: Sequence[Change],
        position: PositionRow,
    ) -> None:
        started = time.perf_counter()
        encoded = [(item, self._codec.encode(item.record)) for item in outgoing]
        letters = [(key, self._codec.encode(letter)) for key, letter in dead]
        position_bytes = encode_row(position)
        now_ms = self._clock.now_ms()
        produce = self._producer.produce
        self._producer.begin()
        for item, value in encoded:
            to = partition_of(item.key, self._partitions_of(item.topic))
            produce(item.topic, to, item.key.encode(), value, now_ms)
        for key, value in letters:
            produce(DEAD_LETTERS, self._partition % self._partitions_of(DEAD_LETTERS), key, value, now_ms)
        for change in changes:
            row_key = keys.group_key(change.table.name, change.partition_key) + keys.row_key_bytes(change.row_key)
            produce(self._processor.changelog, self._partition, row_key, change.value, now_ms)
        produce(self._processor.changelog, self._partition, keys.POSITION, position_bytes, now_ms, mark=True)
        offset = self._producer.commit()
        self._metrics.commit_seconds.labels(self._processor.name).observe(time.perf_counter() - started)
        self._store.apply(changes, position_bytes, offset + 1)


def resume_offsets(position: PositionRow, inputs: Sequence[str], log_starts: Mapping[str, int]) -> dict[str, int]:
    """Where to seek each input; raises :class:`ConfigurationError` when retention has taken unread records.

    Compared with the log's start, not with the first record fetched: transaction markers leave gaps in between.
    """
    offsets: dict[str, int] = {}
    for topic in inputs:
        wanted = position.offsets.get(topic)
        start = log_starts[topic]
        if wanted is not None and wanted < start:
            raise ConfigurationError(
                f"{topic}: offset {wanted} is to be read next, but the log starts at {start}: "
                "retention has deleted records that were never processed"
            )
        offsets[topic] = start if wanted is None else wanted
    return offsets
