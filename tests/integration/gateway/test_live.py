"""The live stream shows what was and what comes."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from connectors.gateway.app import serving
from schemas.events import Decision, DecisionOutcome, MessageDelivered, Record, SendMessage
from tests.integration.gateway.support import CODEC, CUSTOMER, NOW_MS, Log, Running, settings

pytestmark = pytest.mark.asyncio(loop_scope="module")


TEXT = "お受け取りの準備ができました"


def action(action_id: str) -> SendMessage:
    return SendMessage(
        action_id=action_id, customer_id=CUSTOMER, brand="aoba", rule="pickup-ready", ruleset_hash="h",
        trigger_event_id="e", trigger_received_at=1, channel="line", to="U4af4980629", text=TEXT,
        purpose="service", valid_until=9, decided_at=1,
    )  # fmt: skip


def delivered(action_id: str) -> Record:
    envelope = {"event_id": action_id, "occurred_at": 1, "channel": "line", "source": "line", "brand": "aoba"}

    own = {"action_id": action_id, "message_channel": "line", "rule": "pickup-ready"}
    return msgspec.convert({"envelope": envelope | {"customer_id": CUSTOMER}, **own}, MessageDelivered)


async def lines(content: Any, until: str) -> list[dict[str, Any]]:
    """Lines of the stream up to the one whose JSON has ``until`` in it."""
    found = []
    async with asyncio.timeout(15):
        while True:
            line = await content.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
                if until in line.decode():
                    return found


async def test_the_live_stream_shows_what_was_and_what_comes(gateway: Running) -> None:
    before, after = uuid.uuid4().hex, uuid.uuid4().hex
    gateway.log.write("actions.line", CUSTOMER, CODEC.encode(action(before)))
    headers = {"Authorization": f"Bearer {gateway.keys['all']}"}
    async with gateway.http.get(gateway.url + "/v1/live", headers=headers) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        past = await lines(stream.content, '"ready"')
        (seen,) = [line for line in past if line.get("action_id") == before]
        assert (seen["kind"], seen["to"], seen["text"]) == ("action", "***29", TEXT)
        assert past[-1] == {"kind": "ready"}
        decision = Decision(
            decision_id="d", customer_id=CUSTOMER, brand="aoba", rule="thank-you", ruleset_hash="h", correlation="c",
            trigger_event_id="e", outcome=DecisionOutcome.SUPPRESSED, reason="no_consent", decided_at=1,
        )  # fmt: skip
        gateway.log.write("decisions", CUSTOMER, CODEC.encode(decision))
        gateway.log.write("customer-events", CUSTOMER, b"not a record")
        gateway.log.write("customer-events", CUSTOMER, CODEC.encode(delivered(after)))
        now = await lines(stream.content, after)
        assert {"suppressed", "delivered"} <= {line["kind"] for line in now}
        # someone who comes later is told the same
        async with gateway.http.get(gateway.url + "/v1/live", headers=headers) as second:
            told = await lines(second.content, '"ready"')
            assert {before, after} <= {line.get("action_id") for line in told}
        assert gateway.registry.get_sample_value("tsunagi_gateway_live_clients") is not None


async def test_a_customer_s_past_comes_first_and_is_theirs_alone(gateway: Running) -> None:
    mine, other, late = (uuid.uuid4().hex for _ in range(3))
    stranger = str(uuid.uuid4())
    gateway.log.write("actions.line", CUSTOMER, CODEC.encode(action(mine)))
    gateway.log.write("actions.line", stranger, CODEC.encode(action(other)))
    for number in range(400):
        # more than is read back for everybody
        gateway.log.write("customer-events", CUSTOMER, CODEC.encode(delivered(f"{mine}{number}")), flush=number == 399)
    headers = {"Authorization": f"Bearer {gateway.keys['all']}"}
    async with gateway.http.get(f"{gateway.url}/v1/live?customer={CUSTOMER}", headers=headers) as stream:
        told = await lines(stream.content, '"ready"')
        first = [line for line in told[:380] if line["kind"] != "ready"]
        assert {line["customer_id"] for line in first} == {CUSTOMER}
        assert f"{mine}10" in {line.get("action_id") for line in first}
        by_id = {line["id"]: line for line in told if "id" in line}
        assert all(by_id[line["id"]] == line for line in told if "id" in line)
        gateway.log.write("customer-events", CUSTOMER, CODEC.encode(delivered(late)))
        assert [line["action_id"] for line in await lines(stream.content, late)][-1] == late
    async with gateway.http.get(f"{gateway.url}/v1/live?customer=sakura@example.com", headers=headers) as refused:
        assert refused.status == 422


async def test_a_stop_ends_the_live_streams(log: Log, keys: tuple[Path, dict[str, str]]) -> None:
    wanted = settings(keys[0], log.bootstrap, log.prefix)
    async with ClientSession() as http:
        async with serving(wanted, CODEC, lambda: NOW_MS) as url:
            stream = await http.get(url + "/v1/live", headers={"Authorization": f"Bearer {keys[1]['all']}"})
            await lines(stream.content, '"ready"')
            started = time.monotonic()
        assert time.monotonic() - started < 5
        assert (await stream.content.read()).strip() == b""


async def test_there_is_a_limit_to_those_who_watch(log: Log, keys: tuple[Path, dict[str, str]]) -> None:
    wanted = settings(keys[0], log.bootstrap, log.prefix, max_live_clients=1)
    headers = {"Authorization": f"Bearer {keys[1]['all']}"}
    async with (
        serving(wanted, CODEC, lambda: NOW_MS) as url,
        ClientSession(headers=headers) as http,
        http.get(url + "/v1/live") as first,
        http.get(url + "/v1/live") as second,
    ):
        assert first.status == 200
        assert (second.status, second.headers["Retry-After"]) == (503, "10")
