"""One partition's life in a thread of its own: take over (fence, restore, position), then cycle until told otherwise.

TAKING OVER ──► RUNNING ◄──► SUSPENDED        a rebalance suspends and resumes; producer and store stay open
     ▲             │
     └── unknown ──┘                          outcome unknown: drop everything, confirm membership, take over again
HALTED                                        needs an operator; nothing is skipped
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import structlog

from schemas.errors import ConfigurationError, Unavailable
from streams.engine.cycle import Batch, Cycle, resume_offsets
from streams.engine.dead_letters import frames
from streams.engine.inbox import Inbox
from streams.engine.restore import restore
from streams.engine.store import PartitionStore, StoreDamaged
from streams.engine.surroundings import Surroundings
from streams.engine.transaction import Aborted, OutcomeUnknown, PartitionProducer

log = structlog.get_logger(__name__)

MAX_BATCH = 2_000
"""Records in one transaction at the most: bounds memory and the time a reader downstream waits."""
MAX_QUEUED = 4 * MAX_BATCH
"""Records waiting for a partition before its fetching pauses."""
_IDLE_SECONDS = 0.5
_BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_stints = itertools.count()
_COMMIT_TRIES, _ABORTED_PAUSE_SECONDS = 5, 0.05


class TaskState(StrEnum):
    """Where a partition stands on this worker."""

    TAKING_OVER = "taking_over"
    RUNNING = "running"
    SUSPENDED = "suspended"
    HALTED = "halted"
    CLOSED = "closed"


class PartitionTask(threading.Thread):
    """Runs one partition of one processor."""

    def __init__(self, surroundings: Surroundings, partition: int) -> None:
        super().__init__(name=f"{surroundings.processor.name}-{partition}", daemon=True)
        self.partition = partition
        self.state = TaskState.TAKING_OVER
        self.problem: str | None = None
        self.store: PartitionStore | None = None
        """What readers are shown: not before it is restored, since half a restored store never was the state."""
        self.as_of_ms = 0
        self._s = surroundings
        self._producer: PartitionProducer | None = None
        self._cycle: Cycle | None = None
        self._store: PartitionStore | None = None
        self._inbox = Inbox()
        self._changed = threading.Condition()
        self._assigned = True
        self._stopping = False
        self.stint = next(_stints)
        """Every revocation, stop and lost position ends one; what was begun in one must not go on in the next."""
        self._begun_in = self.stint
        self._failures = 0
        self._idle = threading.Event()
        self._log = log.bind(processor=surroundings.processor.name, partition=partition)

    # Called from the event loop.

    def offer(self, records: Sequence[Any]) -> None:
        """Fetched records, in offset order per topic."""
        with self._changed:
            self._inbox.put(records)
            self._changed.notify()

    def has_room(self) -> bool:
        """False while enough is waiting: fetching pauses instead of memory growing."""
        return len(self._inbox) < MAX_QUEUED

    def suspend(self) -> None:
        """The partition was revoked, perhaps to come back: end the cycle, keep producer and store."""
        with self._changed:
            self._assigned = False
            self._end_stint()

    def resume(self) -> None:
        """The partition is assigned again: go on from the position in memory, or take over when there is none."""
        with self._changed:
            self._assigned = True
            self._changed.notify()

    def reposition(self) -> None:
        """The consumer stands somewhere else than the position says: seek again, or halt when that is not possible."""
        with self._changed:
            self._end_stint()

    def _end_stint(self) -> None:
        self.stint = next(_stints)
        self._inbox.clear()
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
            self._end_stint()

    # The thread.

    def run(self) -> None:
        """Take over and cycle until stopped."""
        while not self._stopping:
            try:
                if not self._await_assignment():
                    break
                if self._cycle is None:
                    self._take_over()
                self._go_on()
            except ConfigurationError as error:
                self._halt(str(error))
            except (OutcomeUnknown, Unavailable) as error:
                self._log.warning("partition_taken_over_again", reason=str(error))
                if isinstance(error, OutcomeUnknown):
                    self._s.metrics.unknown_outcomes.labels(self._s.processor.name).inc()
                self._retreat()
            except StoreDamaged as error:
                self._log.warning("store_damaged", reason=str(error))
                self._retreat(wipe=True)
            except Exception as error:
                # A bug of ours: without a stop it would be a silent partition. Take over again, slower each time.
                self._log.error("partition_failed", error=type(error).__name__, traceback=frames(error))
                self._failures += 2
                self._retreat()
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
            self._begun_in = self.stint
            return not self._stopping

    def _mine(self) -> bool:
        """Nothing has come between since this stint began; being assigned *again* is not enough."""
        return self._begun_in == self.stint

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
        path = s.directory / name / str(self.partition)
        self._store = store = PartitionStore(path, s.processor.tables, s.identity, s.budget)
        restored = restore(store, s.connection, s.processor.changelog, self.partition, self._mine)
        if not self._mine():
            raise Unavailable("revoked while restoring")
        self._cycle = Cycle(
            processor=s.processor,
            partition=self.partition,
            codec=s.codec,
            store=store,
            producer=self._producer,
            clock=s.clock,
            partitions_of=s.partitions_of,
            metrics=s.metrics,
        )
        if s.effects is not None:
            s.effects.owned(self.partition, lambda table: (row for *_, row in store.scan(table)))
        self.store = store
        s.metrics.takeovers.labels(name).observe(time.monotonic() - started)
        self._log.info("partition_owned", restored=restored, seconds=round(time.monotonic() - started, 3))

    def _go_on(self) -> None:
        """Position the inputs, then cycle until suspended."""
        cycle = self._cycle
        assert cycle is not None
        s = self._s
        offsets = resume_offsets(cycle.position, s.processor.inputs, s.log_bounds(self.partition))
        if not s.position(self.partition, offsets):
            self._pause(0.05)
            return
        self.as_of_ms = s.clock.now_ms()
        self.state = TaskState.RUNNING
        while self._mine():
            records = self._next_records(cycle)
            if records:
                self._process(cycle, records)
            if self._mine():
                self._maybe_tick(cycle)
                self.as_of_ms = s.clock.now_ms()

    def _next_records(self, cycle: Cycle) -> list[Any]:
        with self._changed:
            if not self._inbox and self._mine():
                due = cycle.due_ms()
                until = _IDLE_SECONDS if due is None else self._s.clock.seconds_until(due)
                self._changed.wait(min(_IDLE_SECONDS, until))
            return self._inbox.take(MAX_BATCH) if self._mine() else []

    def _process(self, cycle: Cycle, records: Sequence[Any]) -> None:
        name, metrics, started = self._s.processor.name, self._s.metrics, time.perf_counter()
        batch = cycle.fold(records)
        if not batch.records:
            return
        metrics.fold_seconds.labels(name).observe(time.perf_counter() - started)
        self._commit(cycle, batch)
        metrics.records.labels(name).inc(batch.records)
        metrics.batch_records.labels(name).observe(batch.records)
        if self._s.effects is not None:
            self._s.effects.committed(self.partition, [c.row for c in batch.changes if c.row is not None])

    def _commit(self, cycle: Cycle, batch: Batch) -> None:
        for _ in range(_COMMIT_TRIES):
            try:
                cycle.commit(batch)
                self._failures = 0
                return
            except Aborted as error:
                self._log.warning("transaction_aborted", reason=str(error))
                self._s.metrics.aborted.labels(self._s.processor.name).inc()
                self._pause(_ABORTED_PAUSE_SECONDS)
        raise Unavailable(f"aborted {_COMMIT_TRIES} times")

    def _maybe_tick(self, cycle: Cycle) -> None:
        due = cycle.due_ms()
        now_ms = self._s.clock.now_ms()
        if due is not None and due <= now_ms:
            try:
                cycle.tick(now_ms)
            except Aborted as error:
                self._log.warning("tick_aborted", reason=str(error))
                self._pause(_ABORTED_PAUSE_SECONDS)

    def _halt(self, problem: str) -> None:
        self.problem = problem
        self._log.error("partition_halted", problem=problem)
        self._drop()
        self.state = TaskState.HALTED
        with self._changed:
            self._idle.set()
            self._changed.wait_for(lambda: self._stopping)

    def _retreat(self, wipe: bool = False) -> None:
        """Let go of everything, and wait the longer the more often this has happened since the last commit."""
        self.state = TaskState.TAKING_OVER
        self._drop(wipe)
        self._pause(_BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)])
        self._failures += 1

    def _drop(self, wipe: bool = False) -> None:
        # Records on their way lie behind what is read next: let none of them in before the inputs are positioned anew.
        self._s.unposition(self.partition)
        with self._changed:
            self._inbox.clear()
        store, self._store, self.store = self._store, None, None
        producer, self._producer = self._producer, None
        self._cycle = None
        if producer is not None:
            self._guarded(producer.close)
        if store is not None:
            # Whatever became of the producer: a store left open would lock its directory for ever.
            self._guarded(store.wipe if wipe else store.close)

    def _guarded(self, close: Callable[[], None]) -> None:
        try:  # the thread must live: what could not be closed or deleted is tried again
            close()
        except Exception as error:
            self._log.error("close_failed", error=type(error).__name__, traceback=frames(error))

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait(0 if self._stopping else seconds)
