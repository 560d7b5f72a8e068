"""One gateway and one set of topics for each module of these tests."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from connectors.gateway.app import serving
from connectors.gateway.auth import create_key
from ops.topics import apply_topics
from schemas.catalogue import channels, topics
from tests.integration.gateway.support import CODEC, NOW_MS, PARTITIONS, Log, Running, settings

if TYPE_CHECKING:
    from tests.kafka import Kafka


@pytest.fixture(scope="module")
def log(kafka: Kafka) -> Iterator[Log]:
    prefix = f"gw{uuid.uuid4().hex[:8]}."
    assert apply_topics(kafka.bootstrap, PARTITIONS, prefix).in_order
    yield Log(kafka.bootstrap, prefix)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for deleted in admin.delete_topics([prefix + name for name in topics()]).values():
        deleted.result(20)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("gateway") / "keys.yaml"
    everything = ["read", *(f"produce:{name}" for name in channels())]
    return path, {"all": create_key(path, "all", everything), "chat": create_key(path, "chat", ["produce:chat"])}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(log: Log, keys: tuple[Path, dict[str, str]]) -> AsyncIterator[Running]:
    registry = CollectorRegistry()
    wanted = settings(keys[0], log.bootstrap, log.prefix)
    async with serving(wanted, CODEC, lambda: NOW_MS, registry) as url, ClientSession() as http:
        yield Running(url, http, keys[1], log, registry)
