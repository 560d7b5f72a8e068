"""Kafka may come later, topics may be missing: the gateway says so, and works once they are there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from connectors.gateway.app import serving
from schemas.errors import ConfigurationError
from tests.integration.gateway.support import CODEC, NOW_MS, Log, Running, example, settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def relay(port: int, bootstrap: str) -> AsyncIterator[None]:
    """The broker as seen through another port; only the bootstrap goes through it."""
    host, _, target = bootstrap.rpartition(":")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(data)
        sink.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(target))
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def test_kafka_may_come_later(log: Log, keys: tuple[Path, dict[str, str]], unused_tcp_port: int) -> None:
    wanted = settings(keys[0], f"127.0.0.1:{unused_tcp_port}", log.prefix, delivery_timeout_seconds=1.0)
    async with serving(wanted, CODEC, lambda: NOW_MS) as url, ClientSession() as http:
        running = Running(url, http, keys[1], log, CollectorRegistry())
        refused, taken = example("OrderPlaced"), example("OrderPlaced")
        assert (await running.post(refused))[0] == 503
        async with relay(unused_tcp_port, log.bootstrap):
            async with asyncio.timeout(20):
                while (await running.post(taken))[0] != 202:
                    pass
                while (await running.get("/readyz"))[0] != 200:
                    pass
    assert refused["event_id"] not in log.events()
    assert taken["event_id"] in log.events()


async def test_missing_topics_are_said_and_nothing_is_accepted(log: Log, keys: tuple[Path, dict[str, str]]) -> None:
    wanted = settings(keys[0], log.bootstrap, "nobody.made.these.", delivery_timeout_seconds=0.5)
    async with serving(wanted, CODEC, lambda: NOW_MS) as url, ClientSession() as http:
        running = Running(url, http, keys[1], log, CollectorRegistry())
        status, problem = await running.post(example("OrderPlaced"))
        assert (status, "topics" in problem["detail"]) == (503, True)
        assert (await running.get("/readyz"))[1]["checks"]["kafka"] is False


async def test_ready_means_ready(gateway: Running) -> None:
    async with asyncio.timeout(10):
        while (answer := await gateway.get("/readyz"))[0] != 200:
            pass
    assert answer[1] == {"ready": True, "checks": {"kafka": True, "directory": True}}


async def test_a_taken_port_is_said(gateway: Running, keys: tuple[Path, dict[str, str]]) -> None:
    port = int(gateway.url.rsplit(":", 1)[1])
    wanted = settings(keys[0], gateway.log.bootstrap, gateway.log.prefix, port=port)
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
        async with serving(wanted, CODEC, lambda: NOW_MS):
            pass


async def test_a_setting_that_kafka_s_client_does_not_know_is_said(log: Log, keys: tuple[Path, dict[str, str]]) -> None:
    wanted = settings(keys[0], log.bootstrap, log.prefix, kafka={"bootstrap.server": log.bootstrap})
    with pytest.raises(ConfigurationError, match=r"bootstrap\.server"):
        async with serving(wanted, CODEC, lambda: NOW_MS):
            pass
