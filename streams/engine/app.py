"""A processor as a Faust app: the group, its membership and assignment, on the engine's transport."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import faust
from faust.tables.manager import TableManager

from streams.engine.group import PartitionGroup
from streams.engine.surroundings import Surroundings
from streams.engine.transport import Consumer

_KEEP_UP_SECONDS = 5.0
_MAX_POLL_SECONDS = 180.0
SESSION_SECONDS = 6.0
"""A killed worker's partitions move on after this; Faust's default is 60, and brokers accept 6 and more."""


class _NoTables(TableManager):
    """Faust waits a second at start for tables to be declared; we have none of its."""

    async def on_start(self) -> None:
        """See ``faust.tables.manager``."""
        await self._update_channels()
        await self.recovery.start()


class ProcessorApp(faust.App):
    """One processor's consumer group on this worker.

    Faust's own state, effects and guarantees stay off: rows, outgoing records and position belong to the engine.
    """

    group: PartitionGroup

    def __init__(
        self,
        group_id: str,
        bootstrap: str,
        data_dir: Path,
        make: Callable[[PartitionGroup], Surroundings],
        session_seconds: float = SESSION_SECONDS,
        **security: Any,
    ) -> None:
        directory = data_dir / "faust" / group_id
        directory.mkdir(parents=True, exist_ok=True)
        super().__init__(
            group_id,
            broker=";".join(f"tsunagi://{server}" for server in bootstrap.split(",")),
            datadir=str(directory),
            autodiscover=False,
            processing_guarantee="at_least_once",
            table_standby_replicas=0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            producer_threaded=False,
            stream_publish_on_commit=False,
            stream_wait_empty=False,
            web_enabled=False,
            TableManager=_NoTables,
            broker_session_timeout=session_seconds,
            broker_heartbeat_interval=session_seconds / 4,
            broker_request_timeout=30.0,
            broker_rebalance_timeout=10.0,
            broker_max_poll_interval=_MAX_POLL_SECONDS,
            **security,
        )
        self.boot_strategy.enable_kafka_producer = False
        self.finalize()
        self.group = PartitionGroup(make, self.inputs_consumer)
        for topic in self.group.inputs:
            self.topics.add(self.topic(topic, acks=False))
        self.on_partitions_revoked.connect(cast(Any, self._revoked))
        self.on_partitions_assigned.connect(cast(Any, self._assigned))
        self.timer(_KEEP_UP_SECONDS)(self._keep_up)

    async def _revoked(self, app: Any, *_: Any, **__: Any) -> None:
        await self.group.revoked()

    async def _assigned(self, app: Any, assigned: Any, **_: Any) -> None:
        await self.group.assigned((partition.topic, partition.partition) for partition in assigned)

    async def _keep_up(self) -> None:
        await self.inputs_consumer.keep_up(self.group.positions())

    @property
    def inputs_consumer(self) -> Consumer:
        """The group's consumer, as our transport makes it."""
        consumer = self.consumer
        assert isinstance(consumer, Consumer)
        return consumer
