"""The protocol of one batch of one partition.

    decode and fold    every record over the batch's view, and encode what comes of it; nothing is written
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
from schemas.errors import ConfigurationError, Unavailable
from schemas.events import ClockTick, DeadLetter
from schemas.metrics import WorkerMetrics
from schemas.outgoing import Outgoing
from schemas.partitioning import partition_of
from schemas.rowcodec import decode_row, encode_row
from schemas.rows import PositionRow
from streams.engine import keys
from streams.engine.change import Change
from streams.engine.dead_letters import TOPIC as DEAD_LETTERS
from streams.engine.dead_letters import dead_letter
from streams.engine.processor import Clock, Processor
from streams.engine.store import PartitionStore, StoreDamaged
from streams.engine.transaction import PartitionProducer
from streams.engine.view import BatchView

log = structlog.get_logger(__name__)

_NOT_THE_RECORDS_FAULT = (ConfigurationError, Unavailable, StoreDamaged)
"""A row of a newer release, a registry that is away, a broken disk: nothing is dead-lettered, the task decides."""

MAX_OUTPUT_BYTES = 1_000_000
"""Of a record's key and value: the topics' max.message.bytes less framing. Only dead letters may be larger."""

_FAILED_TICK_PAUSE_SECONDS = 30.0
"""A tick that cannot be folded would otherwise be written and dead-lettered again at once."""


@dataclass(frozen=True, slots=True)
class Message:
    """An outgoing record, ready to be produced."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


@dataclass(slots=True)
class Batch:
    """What one batch of records leads to, before anything is written."""

    view: BatchView
    position: PositionRow
    messages: list[Message] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
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
        # The latest tick asked for and not yet seen; no second one is written for the same time.
        self._tick_up_to_ms = 0
        self._no_tick_before = 0.0  # on the monotonic clock

    def fold(self, records: Sequence[Any]) -> Batch:
        """Decode, fold and encode, in the order given. ``records``: aiokafka ConsumerRecords of our inputs.

        A record below the position was folded before (a fetch that overlaps a seek) and is dropped. Whatever goes wrong
        with one record makes it a dead letter, and the others go on.
        """
        batch = self._folded(records, careful=False)
        try:
            batch.changes = batch.view.changes()
            _refuse_oversize(batch.changes)
        except _NOT_THE_RECORDS_FAULT:
            raise
        except Exception:
            # Some record led to a row that cannot be written. Rows are encoded once a batch; to find out which record
            # it was, all is done again with the rows of each record encoded at once.
            batch = self._folded(records, careful=True)
            batch.changes = batch.view.changes()
        return batch

    def _folded(self, records: Sequence[Any], careful: bool) -> Batch:
        offsets = dict(self.position.offsets)
        batch = Batch(BatchView(self._store, remember=True), self.position)
        now_ms = self.position.now_ms
        for record in records:
            if record.offset < offsets.get(record.topic, 0):
                continue
            offsets[record.topic] = record.offset + 1
            now_ms = max(now_ms, record.timestamp)
            self._fold_one(batch, record, now_ms, careful)
            batch.records += 1
        batch.position = PositionRow(offsets, now_ms)
        return batch

    def _fold_one(self, batch: Batch, record: Any, now_ms: int, careful: bool) -> None:
        batch.view.mark()
        value = None
        try:
            value = self._codec.decode(record.value)
            if isinstance(value, ClockTick) and value.up_to >= self._tick_up_to_ms:
                self._tick_up_to_ms = 0
            messages = [self._encoded(item) for item in self._processor.step(batch.view, value, now_ms)]
            if careful:
                _refuse_oversize(batch.view.marked_changes())
        except _NOT_THE_RECORDS_FAULT:
            raise
        except Exception as error:
            batch.view.undo()
            letter = dead_letter(self._processor.name, record, error, self._clock.now_ms())
            to = self._partition % self._partitions_of(DEAD_LETTERS)
            batch.dead.append(letter)
            batch.messages.append(Message(DEAD_LETTERS, to, record.key, self._codec.encode(letter)))
            if isinstance(value, ClockTick):
                self._no_tick_before = time.monotonic() + _FAILED_TICK_PAUSE_SECONDS
        else:
            batch.messages += messages

    def _encoded(self, item: Outgoing) -> Message:
        value = self._codec.encode(item.record)
        key = item.key.encode()
        if len(key) + len(value) > MAX_OUTPUT_BYTES:
            raise ValueError("outgoing record too large")
        return Message(item.topic, partition_of(item.key, self._partitions_of(item.topic)), key, value)

    def commit(self, batch: Batch) -> None:
        """Write the batch. Raises ``Aborted`` or ``OutcomeUnknown`` (see ``transaction``)."""
        started = time.perf_counter()
        position = encode_row(batch.position)
        now_ms = self._clock.now_ms()
        produce = self._producer.produce
        changelog = self._processor.changelog
        self._producer.begin()
        for message in batch.messages:
            produce(message.topic, message.partition, message.key, message.value, now_ms)
        for change in batch.changes:
            produce(changelog, self._partition, change.key, change.value, now_ms)
        produce(changelog, self._partition, keys.POSITION, position, now_ms, mark=True)
        offset = self._producer.commit()
        self._metrics.commit_seconds.labels(self._processor.name).observe(time.perf_counter() - started)
        self._store.apply(batch.changes, position, offset + 1)
        self.position = batch.position
        self._tell_dead(batch.dead)

    def _tell_dead(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            self._metrics.dead_letters.labels(self._processor.name, letter.reason).inc()
            log.warning(
                "dead_letter",
                processor=self._processor.name,
                topic=letter.topic,
                partition=letter.partition,
                offset=letter.offset,
                reason=letter.reason,
                error=letter.error,
            )

    def due_ms(self) -> int | None:
        """The earliest timer no tick is under way for; ``None`` while there is none, or ticks have to pause."""
        if self._processor.clock_topic is None or time.monotonic() < self._no_tick_before:
            return None
        due = self._store.next_due_ms()
        return due if due is not None and due > self._tick_up_to_ms else None

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
        self._tick_up_to_ms = up_to_ms


def _refuse_oversize(changes: Sequence[Change]) -> None:
    for change in changes:
        if change.value is not None and len(change.key) + len(change.value) > MAX_OUTPUT_BYTES:
            raise ValueError(f"row of {change.table.name} too large")


def resume_offsets(
    position: PositionRow, inputs: Sequence[str], log_bounds: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    """Where to seek each input; raises :class:`ConfigurationError` when the log no longer has that place.

    Compared with the log's bounds, not with the first record fetched: transaction markers leave gaps in between.
    """
    offsets: dict[str, int] = {}
    for topic in inputs:
        wanted = position.offsets.get(topic)
        start, end = log_bounds[topic]
        if wanted is not None and wanted < start:
            raise ConfigurationError(
                f"{topic}: offset {wanted} is to be read next, but the log starts at {start}: "
                "retention has deleted records that were never processed"
            )
        if wanted is not None and wanted > end:
            raise ConfigurationError(
                f"{topic}: offset {wanted} is to be read next, but the log ends at {end}: "
                "the topic was made anew or has lost records that were processed"
            )
        offsets[topic] = start if wanted is None else wanted
    return offsets
