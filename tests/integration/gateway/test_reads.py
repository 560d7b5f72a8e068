"""Reads are answered by the worker that owns the answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from schemas.identifiers import IdentifierType, identifier_key
from tests.integration.gateway.support import CUSTOMER, PARTITIONS, PEPPER, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Worker:
    """A worker's read views as the gateway sees them."""

    url: str
    answers: dict[str, tuple[int, dict[str, Any]]]
    asked: list[tuple[str, str]]


@contextlib.asynccontextmanager
async def worker() -> AsyncIterator[Worker]:
    answers: dict[str, tuple[int, dict[str, Any]]] = {}
    asked: list[tuple[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append((request.raw_path, request.headers.get("Authorization", "")))
        status, body = answers.get(request.raw_path, (404, {}))
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield Worker(f"http://127.0.0.1:{runner.addresses[0][1]}", answers, asked)
    finally:
        await runner.cleanup()


def owns(gateway: Running, processor: str, url: str, *numbers: int) -> None:
    """Registers a worker for partitions of a processor (default: all)."""
    value = json.dumps({"url": url, "partitions": PARTITIONS}).encode()
    for number in numbers or range(PARTITIONS):
        gateway.log.write("worker-directory", f"{processor}/{number}", value, partitions=1)


async def settled(
    ask: Callable[[], Awaitable[tuple[int, Any]]], *, until: Callable[[tuple[int, Any]], bool]
) -> tuple[int, Any]:
    """The first answer that fits; the directory reaches the gateway a moment after it was written."""
    async with asyncio.timeout(10):
        while not until(answer := await ask()):
            pass
    return answer


def answered(answer: tuple[int, Any]) -> bool:
    return answer[0] != 503


async def test_reads_go_to_the_owner_with_the_worker_s_token(gateway: Running) -> None:
    async with worker() as owner:
        owner.answers[f"/v1/customers/{CUSTOMER}"] = (200, {"customer_id": CUSTOMER})
        owner.answers["/v1/inventory/A%2FB%20%3F"] = (200, {"sku": "A/B ?"})
        owns(gateway, "customer", owner.url)
        owns(gateway, "inventory", owner.url)
        for path, expected in (
            (f"/v1/customers/{CUSTOMER}", (200, {"customer_id": CUSTOMER})),
            ("/v1/inventory/A%2FB%20%3F", (200, {"sku": "A/B ?"})),
        ):
            assert await settled(partial(gateway.get, path), until=answered) == expected
        assert (await settled(lambda: gateway.get("/v1/inventory/unknown"), until=answered))[0] == 404
        assert {token for _, token in owner.asked} == {"Bearer a token for this test"}


async def test_a_lookup_sends_a_hash_and_never_the_identifier(gateway: Running) -> None:
    key = identifier_key(PEPPER, "default", IdentifierType.EMAIL, "sakura@example.com")

    async def look_up(value: object, **how: str) -> tuple[int, Any]:
        return await gateway.post(value, path="/v1/customers/lookup", **how)

    known = {"type": "email", "value": "Sakura@example.com"}
    unknown = {"type": "email", "value": "nobody@example.com"}
    async with worker() as owner:
        owner.answers[f"/v1/identifiers/{key}"] = (200, {"customer_id": CUSTOMER})
        owns(gateway, "identity", owner.url)
        assert await settled(lambda: look_up(known), until=answered) == (200, {"customer_id": CUSTOMER})
        assert (await settled(lambda: look_up(unknown), until=answered))[0] == 404
        assert "sakura" not in str(owner.asked).lower()
    wrong: list[object] = [
        {"type": "email", "value": "guest"},
        {"type": "shoe_size", "value": "24"},
        {"type": "email"},
        [],
    ]
    for value in wrong:
        assert (await look_up(value))[0] == 422
    assert (await look_up(known, key="chat"))[0] == 403


async def test_a_stale_route_is_tried_once_more(gateway: Running) -> None:
    path = f"/v1/customers/{CUSTOMER}"
    async with worker() as stale, worker() as fresh:
        stale.answers[path] = (421, {})
        fresh.answers[path] = (200, {"customer_id": CUSTOMER})
        owns(gateway, "customer", stale.url)
        assert (await settled(lambda: gateway.get(path), until=lambda _: bool(stale.asked)))[0] == 503
        stale.asked.clear()
        assert (await gateway.get(path))[0] == 503
        assert len(stale.asked) == 2
        owns(gateway, "customer", fresh.url)
        assert await settled(lambda: gateway.get(path), until=answered) == (200, {"customer_id": CUSTOMER})
        fresh.answers[path] = (401, {})
        assert (await gateway.get(path))[0] == 503
    assert (await gateway.get(path))[0] == 503  # nobody listens there any more


async def test_an_inquiry_is_asked_of_every_worker(gateway: Running) -> None:
    async with worker() as one, worker() as other:
        owns(gateway, "customer", one.url, *range(1, PARTITIONS))
        owns(gateway, "customer", other.url, 0)
        # 503 as long as an entry still names the worker of another test
        await settled(lambda: gateway.get("/v1/inquiries/none"), until=lambda _: bool(one.asked and other.asked))
        assert (await settled(lambda: gateway.get("/v1/inquiries/none"), until=answered))[0] == 404
        other.answers["/v1/inquiries/inq-1"] = (200, {"inquiry_id": "inq-1"})
        assert await gateway.get("/v1/inquiries/inq-1") == (200, {"inquiry_id": "inq-1"})
        one.answers["/v1/inquiries/inq-2"] = (421, {})
        assert (await gateway.get("/v1/inquiries/inq-2"))[0] == 503
