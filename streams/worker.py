"""A worker: one or more processors in one process, with its read views, metrics and health on one port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.process_collector import ProcessCollector

from schemas.codec import Codec
from schemas.errors import ConfigurationError, Unavailable
from schemas.metrics import WorkerMetrics
from streams.delivery import Courier, DeliveryEffects
from streams.directory import Directory
from streams.engine.app import SESSION_SECONDS, ProcessorApp
from streams.engine.budget import StoreBudget
from streams.engine.group import PartitionGroup
from streams.engine.processor import Clock, Processor
from streams.engine.surroundings import Surroundings
from streams.engine.task import TaskState
from streams.engine.transport import Consumer
from streams.processors.delivery import DELIVERY
from streams.reads import Reads
from streams.reports import KafkaReports

log = structlog.get_logger(__name__)

_GRACE_SECONDS = 8.0
"""After SIGTERM: the time to end cycles and calls before the process leaves anyhow. The next owner loses nothing."""
_WATCH_SECONDS = 1.0
_TOPOLOGY = "1"
"""Raised when the meaning of partitions changes (another key, another count): local stores are then rebuilt."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker needs to know.

    ``connection`` is how librdkafka reaches the broker, ``faust_security`` how Faust reaches the same one.
    """

    application: str
    bootstrap: str
    connection: Mapping[str, Any]
    faust_security: Mapping[str, Any]
    data_dir: Path
    host: str
    port: int
    advertised_host: str
    token: str
    """Shared with the gateway: it alone reads the views."""
    session_seconds: float = SESSION_SECONDS


class Worker:
    """Runs processors until stopped."""

    def __init__(
        self,
        settings: WorkerSettings,
        processors: Sequence[Processor],
        codec: Codec,
        clock: Clock,
        couriers: Mapping[str, Courier],
    ) -> None:
        self._settings = settings
        self._processors = processors
        self._codec = codec
        self._clock = clock
        self._couriers = couriers
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._metrics = WorkerMetrics(self._registry)
        self._apps: list[ProcessorApp] = []
        self._announced: dict[tuple[str, int], int] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start, serve until :meth:`stop`, then hand over.

        Raises :class:`ConfigurationError` before anything has started, :class:`Unavailable` when a group's consumer
        has given up: a new process starts afresh.
        """
        settings = self._settings
        cluster, counts = await asyncio.to_thread(self._inspect_cluster)
        reports = KafkaReports(settings.connection, self._codec, self._clock)
        effects = DeliveryEffects(self._couriers, reports, self._clock, self._metrics)
        budget = StoreBudget()
        for processor in self._processors:
            identity = f"{cluster}/{processor.name}/topology-{_TOPOLOGY}/{counts[processor.inputs[0]]}"
            self._apps.append(self._app(processor, identity, counts, budget, effects))
        consumers = {app.group.surroundings.processor.name: app.inputs_consumer for app in self._apps}
        groups = {app.group.surroundings.processor.name: app.group for app in self._apps}
        runner = web.AppRunner(self._web(groups), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigurationError(
                f"port {settings.port} is taken ({error.strerror}): give another with --port"
            ) from error
        port = runner.addresses[0][1]
        directory = Directory(settings.connection, f"http://{settings.advertised_host}:{port}")
        log.info("worker_started", processors=list(groups), port=port)
        try:
            await asyncio.gather(*(app.start() for app in self._apps))
            while not self._stopping.is_set():
                self._refuse_crashed()
                self._watch(groups, consumers, directory)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _WATCH_SECONDS)
        finally:
            hard_stop = threading.Timer(_GRACE_SECONDS, _leave_at_once)
            hard_stop.daemon = True
            hard_stop.start()
            await self._hand_over(groups, effects)
            await reports.close()
            directory.close()
            await runner.cleanup()
            hard_stop.cancel()
            log.info("worker_stopped")

    def stop(self) -> None:
        """End the running cycles and leave."""
        self._stopping.set()

    def install_signal_handlers(self) -> None:
        """SIGTERM and Ctrl-C stop the worker; a second one leaves at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    def _on_signal(self) -> None:
        if self._stopping.is_set():
            _leave_at_once()
        self.stop()

    def _app(
        self,
        processor: Processor,
        identity: str,
        counts: Mapping[str, int],
        budget: StoreBudget,
        effects: DeliveryEffects,
    ) -> ProcessorApp:
        settings = self._settings

        def surroundings(group: PartitionGroup) -> Surroundings:
            return Surroundings(
                processor=processor,
                codec=self._codec,
                clock=self._clock,
                connection=settings.connection,
                application=settings.application,
                identity=identity,
                directory=settings.data_dir,
                budget=budget,
                partitions_of=counts.__getitem__,
                log_bounds=group.log_bounds,
                position=group.position,
                unposition=group.unposition,
                confirm_membership=group.confirm_membership,
                effects=effects if processor.name == DELIVERY.name else None,
                metrics=self._metrics,
            )

        return ProcessorApp(
            f"{settings.application}-{processor.name}",
            settings.bootstrap,
            settings.data_dir,
            surroundings,
            settings.session_seconds,
            **settings.faust_security,
        )

    def _inspect_cluster(self) -> tuple[str, dict[str, int]]:
        """Cluster id and partition counts; refuses a start that could not work."""
        try:
            metadata = AdminClient(dict(self._settings.connection)).list_topics(timeout=10)
        except KafkaException as error:
            raise Unavailable(f"no answer from Kafka at {self._settings.bootstrap}: {error.args[0].str()}") from error
        counts = {name: len(topic.partitions) for name, topic in metadata.topics.items()}
        for processor in self._processors:
            needed = (*processor.inputs, *processor.outputs, processor.changelog, "dead-letters", "worker-directory")
            missing = [topic for topic in needed if topic not in counts]
            if missing:
                raise ConfigurationError(f"topics are missing: {', '.join(missing)}: run `tsunagi topics apply`")
            sizes = {topic: counts[topic] for topic in (*processor.inputs, processor.changelog)}
            if len(set(sizes.values())) != 1:
                raise ConfigurationError(
                    f"{processor.name}: inputs and changelog must have the same number of partitions, found {sizes}: "
                    "run `tsunagi topics diff`"
                )
        return metadata.cluster_id or "", counts

    def _refuse_crashed(self) -> None:
        for app in self._apps:
            if app.crashed:
                name, reason = app.group.surroundings.processor.name, app.crash_reason
                raise Unavailable(f"{name}: the consumer group failed: {type(reason).__name__}: {reason}")

    def _watch(
        self, groups: Mapping[str, PartitionGroup], consumers: Mapping[str, Consumer], directory: Directory
    ) -> None:
        """Announce what is newly ours and keep the gauges true."""
        owned: dict[tuple[str, int], int] = {}
        for name, group in groups.items():
            states = [task.state for task in group.tasks.values()]
            for state in TaskState:
                self._metrics.partitions.labels(name, state).set(states.count(state))
            self._metrics.lag.labels(name).set(consumers[name].input_lag(group.positions()))
            for partition, task in group.tasks.items():
                if task.state is TaskState.RUNNING:
                    # Another stint: somebody else may have announced it meanwhile.
                    owned[name, partition] = task.stint
                    if self._announced.get((name, partition)) != task.stint:
                        directory.owned(name, partition, group.surroundings.partitions_of(group.inputs[0]))
        self._announced = owned

    async def _hand_over(self, groups: Mapping[str, PartitionGroup], effects: DeliveryEffects) -> None:
        """End the cycles, let provider calls end, then leave the groups: their partitions move on at once."""
        await asyncio.gather(*(group.stop() for group in groups.values()))
        await effects.drain(2.0)
        await effects.close()
        await asyncio.gather(*(app.stop() for app in self._apps))

    def _web(self, groups: Mapping[str, PartitionGroup]) -> web.Application:
        async def health(_: web.Request) -> web.Response:
            return web.json_response({"status": "ok"})

        async def ready(_: web.Request) -> web.Response:
            states = {
                name: {task.partition: task.state for task in group.tasks.values()} for name, group in groups.items()
            }
            # A worker in reserve owns nothing, and is ready all the same.
            is_ready = all(
                group.joined and set(states[name].values()) <= {TaskState.RUNNING} for name, group in groups.items()
            )
            problems = [task.problem for group in groups.values() for task in group.tasks.values() if task.problem]
            body = {"ready": is_ready, "partitions": states, "problems": problems}
            return web.json_response(body, status=200 if is_ready else 503)

        async def exposition(_: web.Request) -> web.Response:
            return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", health),
                web.get("/readyz", ready),
                web.get("/metrics", exposition),
                *Reads(groups, self._settings.token).routes(),
            ]
        )
        return application


def _leave_at_once() -> None:
    """Something hangs; committed state is safe and the session's end moves the partitions."""
    os._exit(1)
