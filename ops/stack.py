"""Everything of one machine: broker, registry, topics, ruleset, gateway, workers; ended in the reverse order.

`tsunagi up`, the demo and the end-to-end tests run this same stack; only what they put around it differs.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientSession
from confluent_kafka.admin import AdminClient

from connectors.gateway.auth import create_key
from ops.children import Child, rss_mb
from ops.clock import Clock, WallClock
from ops.embedded_kafka import EmbeddedBroker
from ops.registry import start_registry
from ops.rulesets import load_rules, publish_ruleset
from ops.settings import KafkaSettings
from ops.topics import apply_topics
from schemas.catalogue import channels
from schemas.errors import ConfigurationError, ContractError, Unavailable
from streams.processors.topics import CUSTOMER_EVENTS

EMBEDDED_PARTITIONS = 4
_READY_SECONDS = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StackSettings:
    """What to run and where.

    ``broker``: ``embedded``, or host:port of a Kafka that is there. ``environment``: further ``TSUNAGI_`` variables for
    gateway and workers (sinks, clock, Kafka security).
    """

    data_dir: Path
    broker: str = "embedded"
    registry: str | None = None
    port: int = 8080
    workers: int = 1
    partitions: int | None = None
    rules: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=WallClock)


class Stack:
    """An async context manager; on leaving everything it started is ended, the broker too when it started that."""

    gateway_url: str
    bootstrap: str
    registry_url: str

    def __init__(self, settings: StackSettings, say: Say = lambda _: None) -> None:
        self.settings = settings
        self.workers: list[Child] = []
        self.keys: dict[str, str] = {}
        self._say = say
        self._gateway: Child | None = None
        self._broker: EmbeddedBroker | None = None
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._resources.aclose()

    async def _start(self) -> None:
        data_dir = self.settings.data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        self.bootstrap = await self._start_broker()
        if self.settings.registry is None:
            running = await start_registry(data_dir / "registry")
            self._resources.push_async_callback(running.close)
            self.registry_url = running.url
        else:
            self.registry_url = self.settings.registry
        partitions = self.settings.partitions or (EMBEDDED_PARTITIONS if self._broker else None)
        report = await asyncio.to_thread(apply_topics, self.bootstrap, partitions)
        if not report.in_order:
            raise ConfigurationError("the topics on this Kafka differ from schemas/topics: see `tsunagi topics diff`")
        secrets_ = _secrets(data_dir / "secrets.json")
        self.keys = secrets_.keys
        await asyncio.gather(self._activate_rules(), self._start_children(secrets_))

    async def _start_broker(self) -> str:
        if self.settings.broker != "embedded":
            return self.settings.broker
        self._say("starting Kafka")
        broker = EmbeddedBroker(self.settings.data_dir / "broker", on_progress=self._on_progress)
        status = await asyncio.to_thread(broker.start)
        self._broker = broker
        self._resources.push_async_callback(asyncio.to_thread, broker.close)
        assert status.bootstrap is not None
        return status.bootstrap

    def _on_progress(self, what: str, done: int, total: int) -> None:
        self._say(f"{what}: {done >> 20} of {total >> 20} MB" if total > 1 << 20 else what)

    async def _activate_rules(self) -> None:
        """A folder with a mistake is told and left: workers keep deciding by the last good set."""
        try:
            rules = await asyncio.to_thread(load_rules, self.settings.rules)
        except ContractError as error:
            self._say(f"rules are not published, the last good set stays active:\n{error}")
            return
        await asyncio.to_thread(
            publish_ruleset,
            rules,
            self.connection,
            self.registry_url,
            self.settings.clock.now_ms(),
            by="tsunagi up",
            reason="start",
            application=KafkaSettings().application,
        )

    async def _start_children(self, secrets_: _Secrets) -> None:
        environment = {
            "TSUNAGI_KAFKA": self.bootstrap,
            "TSUNAGI_REGISTRY": self.registry_url,
            "TSUNAGI_PEPPER": secrets_.pepper,
            "TSUNAGI_WORKER_TOKEN": secrets_.worker_token,
            "TSUNAGI_GATEWAY_KEYS_FILE": str(secrets_.keys_file),
            **self.settings.environment,
        }
        logs = self.settings.data_dir / "logs"
        logs.mkdir(exist_ok=True)
        port = self.settings.port or _free_port()
        self.gateway_url = f"http://127.0.0.1:{port}"
        self._say("starting gateway and workers")
        self._gateway = Child(
            "gateway", ["gateway"], {**environment, "TSUNAGI_GATEWAY_PORT": str(port)}, logs / "gateway.log"
        )
        for number in range(1, self.settings.workers + 1):
            worker_port = _free_port()
            own = {
                **environment,
                "TSUNAGI_DATA_DIR": str(self.settings.data_dir / f"worker-{number}"),
                "TSUNAGI_WORKER_PORT": str(worker_port),
            }
            child = Child(f"worker-{number}", ["worker"], own, logs / f"worker-{number}.log")
            child.health_url = f"http://127.0.0.1:{worker_port}/readyz"
            self.workers.append(child)
        self._gateway.health_url = f"{self.gateway_url}/readyz"
        for child in self.children:
            await child.start()
            self._resources.push_async_callback(child.stop)
        await self.wait_ready()

    @property
    def connection(self) -> dict[str, str]:
        """How librdkafka reaches the broker."""
        return KafkaSettings(kafka=self.bootstrap).connection

    @property
    def children(self) -> list[Child]:
        """Gateway and workers."""
        assert self._gateway is not None
        return [self._gateway, *self.workers]

    async def wait_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until gateway and workers say that they are ready; raises :class:`Unavailable` naming who is not."""
        deadline = time.monotonic() + seconds
        async with ClientSession() as http:
            waiting = list(self.children)
            while waiting:
                for child in list(waiting):
                    child.check()
                    if await _ready(http, child.health_url):
                        waiting.remove(child)
                if time.monotonic() > deadline:
                    names = ", ".join(child.name for child in waiting)
                    raise Unavailable(
                        f"not ready after {seconds:.0f} s: {names}; see {self.settings.data_dir / 'logs'}"
                    )
                if waiting:
                    await asyncio.sleep(0.05)

    @property
    def partitions(self) -> int:
        """Partitions of the processors' inputs."""
        found = AdminClient({**self.connection}).list_topics(CUSTOMER_EVENTS, timeout=10)
        return len(found.topics[CUSTOMER_EVENTS].partitions)

    def worker_rss_mb(self) -> list[float]:
        """Resident memory of each worker in MiB."""
        return [rss_mb(child.pid) for child in self.workers]

    def rss_mb(self) -> float:
        """Resident memory of broker, gateway and workers in MiB."""
        pids = [child.pid for child in self.children]
        if self._broker is not None:
            pid = self._broker.status().pid
            pids += [pid] if pid else []
        return sum(rss_mb(pid) for pid in pids)


@dataclass(frozen=True, slots=True)
class _Secrets:
    pepper: str
    worker_token: str
    keys_file: Path
    keys: dict[str, str]


def _secrets(path: Path) -> _Secrets:
    """The secrets of this data directory, made at first start and kept: a new pepper would make everyone a stranger."""
    keys_file = path.with_name("keys.yaml")
    if not path.exists():
        keys_file.unlink(missing_ok=True)  # of a first start that died half-way
        keys = {
            "channels": create_key(keys_file, "channels", [f"produce:{name}" for name in channels()]),
            "console": create_key(keys_file, "console", ["read"]),
            "operator": create_key(keys_file, "operator", ["read", "operate"]),
        }
        made = {"pepper": secrets.token_urlsafe(32), "worker_token": secrets.token_urlsafe(32), "keys": keys}
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(made, indent=2))
        fresh.replace(path)
    found = json.loads(path.read_text())
    return _Secrets(found["pepper"], found["worker_token"], keys_file, found["keys"])


async def _ready(http: ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except (ClientError, TimeoutError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
