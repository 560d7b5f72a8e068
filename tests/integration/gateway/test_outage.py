"""Kafka dies under load and comes back: what was promised is there, what was not promised was refused."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from connectors.gateway.app import serving
from ops.embedded_kafka import EmbeddedBroker
from ops.topics import apply_topics
from tests.integration.gateway.support import CODEC, NOW_MS, PARTITIONS, Log, Running, example, settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_broker_killed_and_started_again(tmp_path: Path, keys: tuple[Path, dict[str, str]]) -> None:
    with EmbeddedBroker(tmp_path / "kafka") as broker:
        started = await asyncio.to_thread(broker.start)
        assert started.bootstrap is not None
        assert started.pid is not None
        apply_topics(started.bootstrap, PARTITIONS)
        wanted = settings(keys[0], started.bootstrap, "", delivery_timeout_seconds=2.0)
        promised: set[str] = set()
        async with serving(wanted, CODEC, lambda: NOW_MS) as url, ClientSession() as http:
            running = Running(url, http, keys[1], Log(started.bootstrap, ""), CollectorRegistry())

            async def send(**changes: Any) -> int:
                event = example("OrderPlaced", **changes)
                status, _ = await running.post(event)
                if status == 202:
                    promised.add(event["event_id"])
                return status

            assert await send() == 202
            os.kill(started.pid, signal.SIGKILL)
            away_since = time.monotonic()
            assert set(await asyncio.gather(*(send() for _ in range(30)))) == {503}
            assert time.monotonic() - away_since < 4.0
            assert (await running.get("/readyz"))[0] == 503
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(30):
                while await send() != 202:
                    pass
            assert set(await asyncio.gather(*(send() for _ in range(30)))) == {202}
            async with asyncio.timeout(30):  # the reader of the worker directory reconnects on its own
                while (await running.get("/readyz"))[0] != 200:
                    await asyncio.sleep(0.05)
            assert len(promised) == 32
            assert promised <= set(running.log.events())
