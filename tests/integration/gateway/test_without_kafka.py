"""The gateway while Kafka is away: everything wrong is still refused for what it is, everything right gets a 503."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from connectors.gateway.app import serving
from connectors.gateway.auth import create_key
from connectors.gateway.settings import GatewaySettings
from schemas.catalogue import ROOT, record_names
from schemas.codec import Codec

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = "aoba.myshopify.com"


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and nobody can take, while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@dataclass(frozen=True)
class Running:
    url: str
    http: ClientSession
    keys: dict[str, str]
    registry: CollectorRegistry

    async def post(self, body: object, *, path: str = "/v1/events", key: str = "app", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {self.keys.get(key, key)}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.url + path, data=data, headers=sent) as answer:
            return answer.status, answer.headers, await answer.json(content_type=None)

    def refused(self, reason: str) -> float:
        return self.registry.get_sample_value("tsunagi_gateway_requests_refused_total", {"reason": reason}) or 0.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, closed_port: int) -> AsyncIterator[Running]:
    keys_file = tmp_path_factory.mktemp("gateway") / "keys.yaml"
    keys = {
        "app": create_key(keys_file, "app-team", ["produce:app"]),
        "reader": create_key(keys_file, "desk", ["read"]),
    }
    settings = GatewaySettings(
        kafka={"bootstrap.servers": f"127.0.0.1:{closed_port}", "reconnect.backoff.max.ms": "100"},
        keys_file=keys_file,
        pepper=b"a pepper for this test",
        worker_token="a token for this test",
        port=0,
        max_body_bytes=20_000,
        delivery_timeout_seconds=1.0,
        body_timeout_seconds=0.5,
        webhooks={"shopify": {"shops": {SHOP: {"brand": "aoba", "secrets": ["shpss_test"]}}}},
    )
    codec = Codec({name: number for number, name in enumerate(record_names(), 1)}, lambda _id: "")
    registry = CollectorRegistry()
    async with (
        serving(settings, codec, lambda: int(time.time() * 1000), registry) as url,
        ClientSession() as http,
    ):
        yield Running(url, http, keys, registry)


def viewed(**changes: Any) -> dict[str, Any]:
    flat = json.loads((ROOT / "examples" / "ProductViewed.json").read_text())
    loaded: dict[str, Any] = flat | {"channel": "app", "source": "shop-app"} | changes
    return loaded


async def test_a_good_event_gets_503_with_retry_after_within_a_bounded_time(gateway: Running) -> None:
    counted, started = gateway.refused("kafka-unavailable"), time.monotonic()
    status, headers, problem = await gateway.post(viewed())
    assert time.monotonic() - started < 3.0
    assert (status, headers["Retry-After"]) == (503, "5")
    assert headers["Content-Type"].startswith("application/problem+json")
    assert problem["type"] == "urn:tsunagi:problem:kafka-unavailable"
    assert gateway.refused("kafka-unavailable") == counted + 1


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "malformed"),
        (b"{", 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b'{"type": "ProductViewed", "type": "ProductViewed"}', 400, "malformed"),
        (b"[" * 19_000, 400, "malformed"),
        (b'{"a": NaN}', 400, "malformed"),
        (b"7", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b"x" * 20_001, 413, "too-large"),
        (viewed(sku=""), 422, "invalid"),
        (viewed(occurred_at="2099-01-01T00:00:00Z"), 422, "invalid"),
        (viewed(customer_id="c"), 422, "invalid"),
        (viewed(type="Decision"), 422, "invalid"),
        (viewed(identifiers=[{"type": "phone", "value": "nobody"}]), 422, "invalid"),
        ([viewed(), viewed(sku=None)], 422, "invalid"),
        (viewed(channel="web", source="ec-site"), 403, "forbidden"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_body_is_refused_for_what_it_is(gateway: Running, body: object, status: int, reason: str) -> None:
    counted = gateway.refused(reason)
    answered, headers, problem = await gateway.post(body)
    assert (answered, problem["type"]) == (status, f"urn:tsunagi:problem:{reason}")
    assert headers["Content-Type"].startswith("application/problem+json")
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert gateway.refused(reason) == counted + 1


async def test_errors_name_index_field_and_the_schema_s_words(gateway: Running) -> None:
    _, _, problem = await gateway.post([viewed(), viewed(sku=7)])
    (error,) = problem["errors"]
    assert (error["index"], error["field"]) == (1, "sku")
    assert "string" in error["message"]
    assert "Stock keeping unit" in error["expected"]


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Authorization": ""}, 401, "no-key"),
        ({"Authorization": "Bearer wrong"}, 401, "no-key"),
        ({"Authorization": "Basic YTpi"}, 401, "no-key"),
        ({"Content_Type": "text/plain"}, 415, "unsupported-media-type"),
        ({"Content_Type": "application/json; charset=shift_jis"}, 415, "unsupported-media-type"),
        ({"Content_Encoding": "gzip"}, 415, "unsupported-media-type"),
    ],
)
async def test_wrong_headers_are_refused_before_the_body_is_read(
    gateway: Running, headers: dict[str, str], status: int, reason: str
) -> None:
    answered, answer_headers, problem = await gateway.post(b"{", **headers)
    assert (answered, problem["type"]) == (status, f"urn:tsunagi:problem:{reason}")
    if status == 401:
        assert answer_headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_key_of_another_role_is_forbidden(gateway: Running) -> None:
    assert (await gateway.post(viewed(), key="reader"))[0] == 403
    for path in (
        "/v1/customers/6f1d8a52-6c0e-5d0b-9a4b-2d5a4b7c1e90",
        "/v1/inventory/S",
        "/v1/inquiries/i",
        "/v1/live",
    ):
        async with gateway.http.get(
            gateway.url + path, headers={"Authorization": f"Bearer {gateway.keys['app']}"}
        ) as answer:
            assert answer.status == 403
    async with gateway.http.get(gateway.url + "/v1/live") as answer:
        assert answer.status == 401


async def test_addresses_and_methods_that_are_not_there_are_problems_too(gateway: Running) -> None:
    async with gateway.http.get(gateway.url + "/v1/nothing") as answer:
        assert (answer.status, (await answer.json(content_type=None))["type"]) == (404, "urn:tsunagi:problem:not-found")
    async with gateway.http.get(gateway.url + "/v1/events") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    status, _, problem = await gateway.post(b"{}", path="/v1/webhooks/nobody")
    assert (status, problem["type"]) == (404, "urn:tsunagi:problem:not-found")


async def test_a_webhook_needs_its_signature_and_no_key(gateway: Running) -> None:
    status, _, problem = await gateway.post(
        b"{}", path="/v1/webhooks/shopify", Authorization="", X_Shopify_Shop_Domain=SHOP, X_Shopify_Hmac_SHA256="AAAA"
    )
    assert (status, problem["type"]) == (401, "urn:tsunagi:problem:bad-signature")


async def test_a_body_that_does_not_come_ends_in_408(gateway: Running) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.keys['app']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()
    )
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_an_oversized_chunked_body_is_stopped_on_the_way(gateway: Running) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 10_000

    async with gateway.http.post(
        gateway.url + "/v1/events",
        data=endless(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {gateway.keys['app']}"},
    ) as answer:
        assert answer.status == 413


async def test_reads_say_that_nobody_can_answer(gateway: Running) -> None:
    key = {"Authorization": f"Bearer {gateway.keys['reader']}"}
    async with gateway.http.get(gateway.url + "/v1/inventory/S-1", headers=key) as answer:
        assert answer.status == 503
        assert (await answer.json(content_type=None))["type"] == "urn:tsunagi:problem:owner-unavailable"
    async with gateway.http.get(gateway.url + "/v1/customers/sakura@example.com", headers=key) as answer:
        assert answer.status == 404


async def test_health_says_alive_and_not_ready(gateway: Running) -> None:
    async with gateway.http.get(gateway.url + "/healthz") as answer:
        assert answer.status == 200
    async with gateway.http.get(gateway.url + "/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "checks": {"kafka": False, "directory": False}}


async def test_the_log_shows_ids_and_never_what_was_sent(gateway: Running, capfd: pytest.CaptureFixture[str]) -> None:
    planted = "planted-personal-value"
    await gateway.post(viewed(sku=planted, identifiers=[{"type": planted, "value": planted}], **{planted: planted}))
    await gateway.post(planted.encode())
    await gateway.post({"type": planted}, key=planted)
    await gateway.post(viewed(identifiers=[{"type": "email", "value": f"{planted}@example.com"}]))
    out, err = capfd.readouterr()
    assert "request refused" in out
    assert "app-team" in out
    assert planted not in out + err
    async with gateway.http.get(gateway.url + "/metrics") as answer:
        assert planted not in await answer.text()
