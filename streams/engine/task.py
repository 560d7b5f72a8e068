"""One partition's life in a thread of its own: take over (fence, restore, position), then cycle until told otherwise.

TAKING OVER ──► RUNNING ◄──► SUSPENDED        a rebalance suspends and resumes; producer and store stay open
     ▲             │
     └── unknown ──┘                          outcome unknown: drop everything, confirm membership, take over again
HALTED                                        needs an operator; nothing is skipped
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

from schemas.codec import Codec
from schemas.errors import ConfigurationError, Unavailable
from schemas.metrics import WorkerMetrics
from streams.engine.cycle import Cycle, resume_offsets
from streams.engine.processor import Clock, Effects, Processor
from streams.engine.restore import restore
from streams.engine.store import PartitionStore, StoreBudget
from streams.engine.transaction import Aborted, OutcomeUnknown, PartitionProducer

log = structlog.get_logger(__name__)

MAX_BATCH = 2_000
"""Records in one transaction at the most: bounds memory and the time a reader downstream waits."""
MAX_QUEUED = 4 * MAX_BATCH
"""Records waiting for a partition before its fetching pauses."""
_IDLE_SECONDS = 0.5
_BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


class TaskState(StrEnum):
    """Where a partition stands on this worker."""

    TAKING_OVER = "taking_over"
    RUNNING = "running"
    SUSPENDED = "suspended"
    HALTED = "halted"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every task of a worker shares."""

    processor: Processor
    codec: Codec
    clock: Clock
    connection: Mapping[str, Any]
    """librdkafka settings that reach the broker: bootstrap.servers, security."""
    application: str
    """Prefix of transactional ids: one deployment."""
    identity: str
    """Cluster and topology version: a local store of another one is rebuilt."""
    directory: Path
    budget: StoreBudget
    partitions_of: Callable[[str], int]
    log_starts: Callable[[int], Mapping[str, int]]
    """Log start offset of each input of a partition."""
    position: Callable[[int, Mapping[str, int]], bool]
    """Seek the inputs of a partition in the group's consumer and let its records through; False: not assigned now."""
    unposition: Callable[[int], None]
    """Let no more records of a partition through."""
    confirm_membership: Callable[[int], bool]
    """False when this worker is not in the current generation of the group."""
    effects: Effects | None
    metrics: WorkerMetrics


class PartitionTask(threading.Thread):
    """Runs one partition of one processor."""

    def __init__(self, surroundings: Surroundings, partition: int) -> None:
        super().__init__(name=f"{surroundings.processor.name}-{partition}", daemon=True)
        self.partition = partition
        self.state = TaskState.TAKING_OVER
        self.problem: str | None = None
        self.store: PartitionStore | None = None
        self.as_of_ms = 0
        self._s = surroundings
        self._producer: PartitionProducer | None = None
        self._cycle: Cycle | None = None
        self._queue: deque[Sequence[Any]] = deque()
        self._queued = 0
        self._changed = threading.Condition()
        self._assigned = True
        self._stopping = False
        self._idle = threading.Event()
        self._log = log.bind(processor=surroundings.processor.name, partition=partition)

    # Called from the event loop.

    def offer(self, records: Sequence[Any]) -> None:
        """Fetched records, in offset order per topic."""
        with self._changed:
            self._queue.append(records)
            self._queued += len(records)
            self._changed.notify()

    def has_room(self) -> bool:
        """False while enough is waiting: fetching pauses instead of memory growing."""
        return self._queued < MAX_QUEUED

    def suspend(self) -> None:
        """The partition was revoked, perhaps to come back: end the cycle, keep producer and store."""
        with self._changed:
            self._assigned = False
            self._queue.clear()
            self._queued = 0
            self._changed.notify()

    def resume(self) -> None:
        """The partition is assigned again: go on from the position in memory, or take over when there is none."""
        with self._changed:
            self._assigned = True
            self._changed.notify()

    def wait_idle(self, seconds: float) -> bool:
        """Wait for the running cycle to end after ``suspend`` or ``stop``."""
        return self._idle.wait(seconds)

    def committed_offsets(self) -> Mapping[str, int]:
        """The committed position, empty while there is none."""
        cycle = self._cycle
        return {} if cycle is None else cycle.position.offsets

    def stop(self) -> None:
        """End after the running cycle and close everything."""
        with self._changed:
            self._stopping = True
            self._assigned = False
            self._changed.notify()

    # The thread.

    def run(self) -> None:
        """Take over and cycle until stopped."""
        failures = 0
        while not self._stopping:
            try:
                if not self._await_assignment():
                    break
                if self._cycle is None:
                    self._take_over()
                self._go_on()
                failures = 0
            except ConfigurationError as error:
                self._halt(str(error))
            except (OutcomeUnknown, Unavailable) as error:
                self._log.warning("partition_taken_over_again", reason=str(error))
                if isinstance(error, OutcomeUnknown):
                    self._s.metrics.unknown_outcomes.labels(self._s.processor.name).inc()
                self._drop()
                self._pause(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])
                failures += 1
            except Exception as error:
                # A bug of ours: without a stop it would be a silent partition. Take over again, slower each time.
                self._log.exception("partition_failed", error=type(error).__name__)
                self._drop()
                self._pause(_BACKOFF_SECONDS[min(failures + 2, len(_BACKOFF_SECONDS) - 1)])
                failures += 1
        self._drop()
        self.state = TaskState.CLOSED
        self._idle.set()

    def _await_assignment(self) -> bool:
        with self._changed:
            while not self._assigned and not self._stopping:
                self.state = TaskState.SUSPENDED
                self._idle.set()
                self._changed.wait()
            self._idle.clear()
            return not self._stopping

    def _take_over(self) -> None:
        """Fence the old owner, restore the rows, and find the position in the log."""
        self.state = TaskState.TAKING_OVER
        started = time.monotonic()
        s = self._s
        name = s.processor.name
        if not s.confirm_membership(self.partition):
            raise Unavailable("not a member of the current group generation")
        self._producer = PartitionProducer(s.connection, f"{s.application}-{name}-{self.partition}")
        self._producer.fence()
        self.store = PartitionStore(s.directory / name / str(self.partition), s.processor.tables, s.identity, s.budget)
        restored = restore(
            self.store,
            s.connection,
            s.processor.changelog,
            self.partition,
            lambda: self._assigned and not self._stopping,
        )
        if not self._assigned:
            raise Unavailable("revoked while restoring")
        self._cycle = Cycle(
            processor=s.processor,
            partition=self.partition,
            codec=s.codec,
            store=self.store,
            producer=self._producer,
            clock=s.clock,
            partitions_of=s.partitions_of,
            metrics=s.metrics,
        )
        if s.effects is not None:
            store = self.store
            s.effects.owned(self.partition, lambda table: list(store.scan(table)))
        seconds = time.monotonic() - started
        s.metrics.takeovers.labels(name).observe(seconds)
        self._log.info("partition_owned", restored=restored, seconds=round(seconds, 3))

    def _go_on(self) -> None:
        """Position the inputs, then cycle until suspended."""
        assert self._cycle is not None
        offsets = resume_offsets(self._cycle.position, self._s.processor.inputs, self._s.log_starts(self.partition))
        if not self._s.position(self.partition, offsets):
            self._pause(0.05)
            return
        self.state = TaskState.RUNNING
        self.as_of_ms = self._s.clock.now_ms()
        while self._assigned:
            records = self._next_records()
            if records:
                self._process(records)
            if self._assigned:
                self._maybe_tick()
                self.as_of_ms = self._s.clock.now_ms()

    def _next_records(self) -> list[Any]:
        with self._changed:
            if not self._queue and self._assigned:
                self._changed.wait(self._seconds_to_wait())
            batch: list[Any] = []
            while self._queue and len(batch) < MAX_BATCH:
                piece = self._queue.popleft()
                room = MAX_BATCH - len(batch)
                batch.extend(piece[:room])
                if len(piece) > room:
                    self._queue.appendleft(piece[room:])
            self._queued -= len(batch)
            return batch if self._assigned else []

    def _process(self, records: Sequence[Any]) -> None:
        assert self._cycle is not None
        name = self._s.processor.name
        started = time.perf_counter()
        batch = self._cycle.fold(records)
        if batch.records == 0:
            return
        self._s.metrics.fold_seconds.labels(name).observe(time.perf_counter() - started)
        while True:
            try:
                changes = self._cycle.commit(batch)
                break
            except Aborted as error:
                self._log.warning("transaction_aborted", reason=str(error))
                self._s.metrics.aborted.labels(name).inc()
                self._pause(0.05)
        self._s.metrics.records.labels(name).inc(batch.records)
        self._s.metrics.batch_records.labels(name).observe(batch.records)
        if self._s.effects is not None:
            rows = [(c.table, c.partition_key, c.row_key, c.row) for c in changes if c.row is not None]
            self._s.effects.committed(self.partition, rows)

    def _seconds_to_wait(self) -> float:
        assert self._cycle is not None
        due = self._due_ms()
        return _IDLE_SECONDS if due is None else min(_IDLE_SECONDS, self._s.clock.seconds_until(due))

    def _due_ms(self) -> int | None:
        """The earliest timer no tick is under way for."""
        assert self._cycle is not None
        assert self.store is not None
        if self._s.processor.clock_topic is None:
            return None
        due = self.store.next_due_ms()
        return due if due is not None and due > self._cycle.tick_up_to_ms else None

    def _maybe_tick(self) -> None:
        assert self._cycle is not None
        due = self._due_ms()
        now_ms = self._s.clock.now_ms()
        if due is not None and due <= now_ms:
            try:
                self._cycle.tick(now_ms)
            except Aborted as error:
                self._log.warning("tick_aborted", reason=str(error))

    def _halt(self, problem: str) -> None:
        self.problem = problem
        self._log.error("partition_halted", problem=problem)
        self._drop()
        self.state = TaskState.HALTED
        with self._changed:
            while not self._stopping:
                self._idle.set()
                self._changed.wait()

    def _drop(self) -> None:
        # Records on their way lie behind what is read next: let none of them in before the inputs are positioned anew.
        self._s.unposition(self.partition)
        with self._changed:
            self._queue.clear()
            self._queued = 0
        store, self.store = self.store, None
        producer, self._producer = self._producer, None
        self._cycle = None
        if producer is not None:
            producer.close()
        if store is not None:
            store.close()

    def _pause(self, seconds: float) -> None:
        with self._changed:
            if not self._stopping:
                self._changed.wait(seconds)
