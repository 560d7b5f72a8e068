"""The partitions of one processor that the consumer group has given to this worker."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from schemas.errors import ConfigurationError
from streams.engine.surroundings import Surroundings
from streams.engine.task import PartitionTask, TaskState

log = structlog.get_logger(__name__)

_HAND_OVER_SECONDS = 2.0
"""How long a rebalance waits for running cycles; a slower one is fenced by the next owner, which is safe."""
_STOP_SECONDS = 5.0

TopicPartition = tuple[str, int]


class GroupConsumer(Protocol):
    """What the group asks of the Faust consumer; every call is made from a partition's thread."""

    def input_log_bounds(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        """First offset that is still there, next offset to be written; raises :class:`schemas.errors.Unavailable`."""

    def seek_inputs(self, offsets: Mapping[TopicPartition, int], then: Callable[[], bool]) -> bool:
        """Position the consumer; False when one of them is not assigned. ``then``, whose result is returned, is called
        before anything is fetched from there."""

    def confirm_membership(self, partition: TopicPartition) -> bool:
        """True when the group's coordinator says that this worker is a member of the current generation."""


class PartitionGroup:
    """Starts, suspends, resumes and stops partition tasks as the group assigns and revokes.

    Only what is fetched of a positioned partition is let through. Between being taken out of the consumer and being
    offered no seek can happen (both are done in the consumer's thread), so no gap can arise: what is not let through
    comes again with the next positioning.
    """

    def __init__(self, make: Callable[[PartitionGroup], Surroundings], consumer: GroupConsumer) -> None:
        self._consumer = consumer
        self._lock = threading.Lock()
        self._positioned: set[TopicPartition] = set()
        self._assignment = 0
        self._stopped = False
        self.joined = False
        """True once the group has told what is ours, which may be nothing."""
        self.tasks: dict[int, PartitionTask] = {}
        self.surroundings = make(self)
        self.inputs = self.surroundings.processor.inputs

    # Event loop.

    async def revoked(self) -> None:
        """Suspend everything; partitions that come back go on where they were."""
        self._forget_positions()
        tasks = list(self.tasks.values())
        for task in tasks:
            task.suspend()
        await self._wait_idle(tasks, _HAND_OVER_SECONDS)

    async def assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Resume what is still ours, start what is new, close what is gone."""
        by_topic: dict[str, set[int]] = {topic: set() for topic in self.inputs}
        for topic, partition in assigned:
            if topic in by_topic:
                by_topic[topic].add(partition)
        mine = set.union(*by_topic.values())
        if any(partitions != mine for partitions in by_topic.values()):
            raise ConfigurationError(f"inputs are not co-partitioned: {by_topic}; run `tsunagi topics diff`")
        self._forget_positions()
        self.joined = True
        if self._stopped:
            return
        gone = [task for partition, task in self.tasks.items() if partition not in mine]
        for task in gone:
            task.stop()
            del self.tasks[task.partition]
        await self._wait_idle(gone, _HAND_OVER_SECONDS)
        for partition in sorted(mine):
            known = self.tasks.get(partition)
            if known is not None and known.state is not TaskState.CLOSED:
                known.resume()
            else:
                self.tasks[partition] = PartitionTask(self.surroundings, partition)
                self.tasks[partition].start()
        log.info("partitions_assigned", processor=self.surroundings.processor.name, partitions=sorted(mine))

    async def stop(self) -> None:
        """End every cycle and close; what takes longer than the grace time is left to the next owner's fence."""
        self._stopped = True
        self._forget_positions()
        tasks = list(self.tasks.values())
        for task in tasks:
            task.stop()
        await asyncio.gather(*(asyncio.to_thread(task.join, _STOP_SECONDS) for task in tasks))
        self.tasks.clear()

    async def _wait_idle(self, tasks: Sequence[PartitionTask], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for task in tasks:
            await asyncio.to_thread(task.wait_idle, max(0.0, deadline - time.monotonic()))

    def wanted(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Those of our inputs to fetch now: positioned, and with room for more."""
        with self._lock:
            return [
                partition
                for partition in partitions
                if partition in self._positioned
                and (task := self.tasks.get(partition[1])) is not None
                and task.has_room()
            ]

    def lost_position(self, partition: TopicPartition) -> None:
        """The log no longer has the place where this input is read."""
        log.warning("position_out_of_range", topic=partition[0], partition=partition[1])
        self.unposition(partition[1])
        task = self.tasks.get(partition[1])
        if task is not None:
            task.reposition()

    def positions(self) -> dict[TopicPartition, int]:
        """Committed positions of the running partitions: what lag tools are told."""
        found: dict[TopicPartition, int] = {}
        for partition, task in list(self.tasks.items()):
            for topic, offset in task.committed_offsets().items():
                found[topic, partition] = offset
        return found

    def _forget_positions(self) -> None:
        with self._lock:
            self._assignment += 1
            self._positioned.clear()

    # Consumer's thread.

    def offer(self, partition: TopicPartition, records: Sequence[Any]) -> None:
        """Hand fetched records to their partition's task."""
        with self._lock:
            task = self.tasks.get(partition[1])
            if task is not None and partition in self._positioned:
                task.offer(records)

    # Partition threads.

    def log_bounds(self, partition: int) -> Mapping[str, tuple[int, int]]:
        """See :class:`Surroundings`."""
        found = self._consumer.input_log_bounds([(topic, partition) for topic in self.inputs])
        return {topic: bounds for (topic, _), bounds in found.items()}

    def position(self, partition: int, offsets: Mapping[str, int]) -> bool:
        """See :class:`Surroundings`."""
        assignment = self._assignment
        places = {(topic, partition): offset for topic, offset in offsets.items()}

        def let_through() -> bool:
            with self._lock:
                if assignment != self._assignment:
                    return False
                self._positioned.update(places)
                return True

        return self._consumer.seek_inputs(places, let_through)

    def unposition(self, partition: int) -> None:
        """See :class:`Surroundings`."""
        with self._lock:
            for topic in self.inputs:
                self._positioned.discard((topic, partition))

    def confirm_membership(self, partition: int) -> bool:
        """See :class:`Surroundings`."""
        return self._consumer.confirm_membership((self.inputs[0], partition))
