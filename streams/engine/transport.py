"""Faust's Kafka transport, with whole fetched batches of the processor's inputs handed to their partitions.

Registered as ``tsunagi://`` through Faust's ``faust.transports`` entry point. Faust keeps the consumer, the group and
the assignment; what it would do one message at a time, the engine does by batches in its own transactions. Three things
differ from the stock transport, each because Faust 0.15.3 would otherwise move our position or read uncommitted data:

* what is fetched of the inputs goes to the group; Faust gets only what its own agents listen to;
* ``seek_to_committed`` leaves inputs alone: the truth of their position is in the changelog;
* the consumer reads committed, polls larger batches, assigns by range, so that partition p of every input of a
  processor goes to the same worker, and never chooses a position by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import aiokafka
import structlog
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaPartition
from faust.transport.drivers import aiokafka as stock
from faust.types import TP

from schemas.errors import Unavailable
from streams.engine.group import PartitionGroup, TopicPartition

if TYPE_CHECKING:
    from streams.engine.app import ProcessorApp

log = structlog.get_logger(__name__)

_CALL_SECONDS = 20.0
_RECHECK_SECONDS = 0.05
"""A paused partition that has room again waits at most this long for its next fetch."""


class ConsumerThread(stock.AIOKafkaConsumerThread):
    """The thread of the group's consumer."""

    app: ProcessorApp

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=stock.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="none",  # "earliest" would skip what retention has deleted, without a word
            isolation_level="read_committed",
            max_poll_records=4_000,
            max_partition_fetch_bytes=1 << 20,
            fetch_max_wait_ms=250,
            max_poll_interval_ms=int((conf.broker_max_poll_interval or 0) * 1000),
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            **stock.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Any:
        fetched = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        # No await between taking records out of aiokafka and offering them: a seek in between (they are made in this
        # thread too) would go by them, and they would be missing behind the new position.
        group = self.app.group
        rest = {}
        for partition, records in fetched.items():
            if partition.topic in group.inputs:
                group.offer(partition, records)
            else:
                rest[partition] = records
        return rest

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust misses its streams here, and would say so every seven seconds for a halted partition."""


class Consumer(stock.Consumer):
    """The consumer as Faust sees it; as :class:`streams.engine.group.GroupConsumer`, as the partitions see it."""

    app: ProcessorApp

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        group: PartitionGroup = self.app.group
        active = active_partitions or set()
        inputs = {tp for tp in active if tp.topic in group.inputs}
        wanted = group.wanted(inputs)
        cold = active - inputs
        if not wanted and not cold:
            await asyncio.sleep(_RECHECK_SECONDS)
            return {}
        try:
            return await super()._getmany(
                cold.union(TP(*partition) for partition in wanted),
                timeout if len(wanted) == len(inputs) else min(timeout, _RECHECK_SECONDS),
            )
        except NoOffsetForPartitionError:
            return {}  # it looked before the partition was positioned
        except OffsetOutOfRangeError as error:
            for partition in error.args[0]:
                group.lost_position(partition)
            return {}

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek Faust's own partitions only."""
        return {}

    def input_log_bounds(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        """See :class:`GroupConsumer`."""
        wanted = [KafkaPartition(*partition) for partition in partitions]

        async def bounds() -> Mapping[TopicPartition, tuple[int, int]]:
            first = await self._kafka.beginning_offsets(wanted)
            end = await self._kafka.end_offsets(wanted)
            return {partition: (first[partition], end[partition]) for partition in wanted}

        found: Mapping[TopicPartition, tuple[int, int]] = self._run(bounds)
        return found

    def seek_inputs(self, offsets: Mapping[TopicPartition, int], then: Callable[[], bool]) -> bool:
        """See :class:`GroupConsumer`."""

        async def seek() -> bool:
            try:
                for partition, offset in offsets.items():
                    self._kafka.seek(KafkaPartition(*partition), offset)
            except IllegalStateError:
                return False
            return then()

        done: bool = self._run(seek)
        return done

    def confirm_membership(self, partition: TopicPartition) -> bool:
        """See :class:`GroupConsumer`. Commits what is committed already: only a member of this generation may."""
        key = KafkaPartition(*partition)

        async def confirm() -> bool:
            try:
                offset = await self._kafka.committed(key)
                await self._kafka.commit({key: OffsetAndMetadata(offset or 0, "")})
            except (CommitFailedError, IllegalStateError):
                return False
            return True

        member: bool = self._run(confirm)
        return member

    def input_lag(self, positions: Mapping[TopicPartition, int]) -> int:
        """Committed records behind these positions, as far as the last fetches told."""
        lag = 0
        for partition, offset in positions.items():
            try:
                end = self._kafka.last_stable_offset(KafkaPartition(*partition))
            except IllegalStateError:
                continue  # revoked meanwhile
            lag += max(0, (end or 0) - offset)
        return lag

    async def keep_up(self, positions: Mapping[TopicPartition, int]) -> None:
        """Stay in the group, and write its copy of the positions; a failure of that matters to lag tools only.

        aiokafka leaves a group whose consumer fetches nothing for the maximal poll interval, and would not come back: a
        worker in reserve that owns no partition, or one that restores large ones. Being asked here is sign of life
        enough; cycles have threads of their own.
        """

        async def commit() -> None:
            with self._kafka._subscription.fetch_context():
                pass
            if not positions:
                return
            try:
                await self._kafka.commit(
                    {
                        KafkaPartition(*partition): OffsetAndMetadata(offset, "")
                        for partition, offset in positions.items()
                    }
                )
            except (KafkaError, IllegalStateError) as error:
                log.debug("group_offsets_not_written", error=type(error).__name__)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(commit(), self._thread.thread_loop))

    @property
    def _kafka(self) -> aiokafka.AIOKafkaConsumer:
        return self._thread._ensure_consumer()

    def _run(self, call: Any, *arguments: Any) -> Any:
        """Run in the consumer's thread, called from a partition's thread."""
        future = asyncio.run_coroutine_threadsafe(call(*arguments), self._thread.thread_loop)
        try:
            return future.result(_CALL_SECONDS)
        except TimeoutError as error:
            future.cancel()
            raise Unavailable("the broker did not answer the consumer in time") from error
        except KafkaError as error:
            raise Unavailable(f"consumer: {type(error).__name__}: {error}") from error


class Transport(stock.Transport):
    """``tsunagi://host:port``."""

    Consumer: ClassVar[type[Consumer]] = Consumer
