"""202 means it is in the log, anything else means it is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout

from connectors.gateway.app import serving
from schemas.identifiers import IdentifierType, identifier_key
from schemas.partitioning import partition_of
from tests.cloudevents import as_cloudevent
from tests.integration.gateway.support import (
    CODEC,
    FIXTURES,
    NOW_MS,
    PARTITIONS,
    PEPPER,
    SECRET,
    SHOP,
    Log,
    Running,
    example,
    settings,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_accepted_means_it_is_in_the_log_where_it_belongs(gateway: Running) -> None:
    order = example("OrderPlaced")
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert await gateway.post(order, traceparent=traceparent) == (202, {"accepted": [order["event_id"]]})
    (record,) = [m for m in gateway.log.read("channel.app") if order["event_id"].encode() in (m.value() or b"")]
    key = identifier_key(PEPPER, "default", IdentifierType.MEMBER_ID, "M-1001")
    assert (record.key() or b"").decode() == key
    assert record.partition() == partition_of(key, PARTITIONS)
    assert record.timestamp()[1] == NOW_MS
    assert dict(record.headers() or []) == {"ce_type": b"tsunagi.OrderPlaced", "traceparent": traceparent.encode()}
    event: Any = CODEC.decode(record.value())
    assert event.envelope.received_at == NOW_MS
    assert event.envelope.customer_id is None
    assert (event.order_id, event.total_minor) == (order["order_id"], order["total_minor"])
    labels = {"channel": "app", "type": "OrderPlaced"}
    assert (gateway.registry.get_sample_value("tsunagi_gateway_events_accepted_total", labels) or 0) >= 1


async def test_a_trace_header_that_is_none_is_not_passed_on(gateway: Running) -> None:
    order = example("OrderPlaced")
    assert (await gateway.post(order, traceparent="00-planted"))[0] == 202
    (record,) = [m for m in gateway.log.read("channel.app") if order["event_id"].encode() in (m.value() or b"")]
    assert dict(record.headers() or []) == {"ce_type": b"tsunagi.OrderPlaced"}


async def test_every_refusal_leaves_nothing_in_the_log(gateway: Running) -> None:
    before = len(gateway.log.read())
    good = example("ProductViewed", channel="app", source="shop-app")
    wrong: list[tuple[int, object, dict[str, str]]] = [
        (400, b"{", {}),
        (400, json.dumps(good).encode()[:-1], {}),
        (400, json.dumps(good).encode() + b"}", {}),
        (400, json.dumps(good).replace('"sku"', '"type": "ProductViewed", "sku"').encode(), {}),
        (400, json.dumps(good).encode().replace(b"SKU", b"\xff\xff\xff"), {}),
        (400, json.dumps(good).encode("utf-16"), {}),
        (400, b'{"a":' * 20_000 + b"1" + b"}" * 20_000, {}),
        (413, json.dumps([good] * 900 + ["x" * 1_048_576]).encode(), {}),
        (415, good, {"Content_Type": "text/json"}),
        (415, good, {"Content_Encoding": "gzip"}),
        (401, good, {"Authorization": "Bearer tsu_wrong"}),
        (403, good, {"key": "chat"}),
        (403, [example("InquiryOpened", channel="chat", source="chat-widget"), good], {"key": "chat"}),
        (422, good | {"sku": 5}, {}),
        (422, good | {"surplus": 1}, {}),
        (422, good | {"received_at": 1}, {}),
        (422, good | {"occurred_at": NOW_MS + 3_600_000}, {}),
        (422, good | {"occurred_at": "2026-11-22T10:00:00"}, {}),
        (422, good | {"source": "nobody-knows"}, {}),
        (422, good | {"type": "MessageDelivered"}, {}),
        (422, good | {"identifiers": [{"type": "email", "value": "undefined"}]}, {}),
        (422, [good] * 50 + [good | {"sku": ""}] + [good] * 50, {}),
        (422, [good] * 1_001, {}),
        (422, as_cloudevent(good), {}),
        (422, good, {"Content_Type": "application/cloudevents+json"}),
        (422, [as_cloudevent(good), as_cloudevent(good, id=7)], {"Content_Type": "application/cloudevents-batch+json"}),
    ]
    for status, body, how in wrong:
        answered, problem = await gateway.post(body, **how)
        assert (answered, problem["status"]) == (status, status), problem
    webhook = {"path": "/v1/webhooks/shopify", "X_Shopify_Shop_Domain": SHOP, "X_Shopify_Topic": "orders/create"}
    body = (FIXTURES / "orders_create.json").read_bytes()
    assert (await gateway.post(body, **webhook, X_Shopify_Hmac_SHA256="AAAA"))[0] == 401
    assert len(gateway.log.read()) == before


async def test_an_array_is_taken_whole_and_in_order(gateway: Running) -> None:
    sent = [
        example("ProductViewed", channel="app", source="shop-app", sku=f"SKU-{number}",
                identifiers=[{"type": "member_id", "value": f"M-{number % 7}"}])
        for number in range(200)
    ]  # fmt: skip
    status, answer = await gateway.post(sent)
    assert (status, answer["accepted"]) == (202, [event["event_id"] for event in sent])
    places = {event["event_id"]: number for number, event in enumerate(sent)}
    by_key: dict[bytes, list[int]] = {}
    for record in gateway.log.read("channel.app"):
        event: Any = CODEC.decode(record.value())
        if event.envelope.event_id in places:
            by_key.setdefault(record.key() or b"", []).append(places[event.envelope.event_id])
    assert len(by_key) == 7
    assert sum(map(len, by_key.values())) == 200
    assert all(order == sorted(order) for order in by_key.values())


async def test_cloudevents_are_taken_one_by_one_and_in_batches(gateway: Running) -> None:
    single, first, second = (example("StoreCheckedIn", channel="store", source="store-gate") for _ in range(3))
    answers = [
        await gateway.post(as_cloudevent(single), Content_Type="application/cloudevents+json"),
        await gateway.post(
            [as_cloudevent(first), as_cloudevent(second)],
            Content_Type="application/cloudevents-batch+json; charset=UTF-8",
        ),
    ]
    assert [status for status, _ in answers] == [202, 202]
    assert {event["event_id"] for event in (single, first, second)} <= set(gateway.log.events())


async def test_stock_levels_reach_the_log_of_their_sku(gateway: Running) -> None:
    level = example("StockLevelReported", sku=f"SKU-{uuid.uuid4().hex}")
    assert (await gateway.post(level))[0] == 202
    (record,) = [m for m in gateway.log.read("inventory-events") if m.key() == level["sku"].encode()]
    assert record.partition() == partition_of(level["sku"], PARTITIONS)


async def test_a_shopify_order_reaches_the_log_and_a_topic_of_no_interest_gets_200(gateway: Running) -> None:
    body = (FIXTURES / "orders_create.json").read_bytes()
    event_id = uuid.uuid4().hex
    headers = {
        "X_Shopify_Shop_Domain": SHOP,
        "X_Shopify_Topic": "orders/create",
        "X_Shopify_Event_Id": event_id,
        "X_Shopify_Hmac_SHA256": base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode(),
    }
    path = "/v1/webhooks/shopify"
    assert await gateway.post(body, path=path, **headers) == (202, {"accepted": [f"orders/create:{event_id}"]})
    assert gateway.log.events()[f"orders/create:{event_id}"].order_id == "1042"
    before = len(gateway.log.read())
    headers["X_Shopify_Topic"] = "products/update"
    assert await gateway.post(body, path=path, **headers) == (200, {"accepted": [], "ignored": "topic"})
    labels = {"source": "shopify", "reason": "topic"}
    assert gateway.registry.get_sample_value("tsunagi_gateway_webhooks_ignored_total", labels) == 1
    assert len(gateway.log.read()) == before


async def test_many_at_once_are_each_there_once(gateway: Running) -> None:
    sent = [example("OrderPlaced", identifiers=[{"type": "member_id", "value": f"M-{n}"}]) for n in range(300)]
    answers = await asyncio.gather(*(gateway.post(event) for event in sent))
    assert {status for status, _ in answers} == {202}
    assert {event["event_id"] for event in sent} <= set(gateway.log.events())


async def test_a_stop_in_the_middle_loses_nothing_that_was_promised(
    log: Log, keys: tuple[Path, dict[str, str]]
) -> None:
    promised: list[str] = []
    stopping = asyncio.Event()

    async def send(http: ClientSession, url: str) -> None:
        while True:
            event = example("OrderPlaced")
            headers = {"Authorization": f"Bearer {keys[1]['all']}"}
            try:
                async with http.post(url + "/v1/events", json=event, headers=headers) as answer:
                    if answer.status == 202:
                        promised.append(event["event_id"])
            except OSError:
                return
            if len(promised) > 100:
                stopping.set()

    async with ClientSession(timeout=ClientTimeout(total=20)) as http:
        async with serving(settings(keys[0], log.bootstrap, log.prefix), CODEC, lambda: NOW_MS) as url:
            senders = [asyncio.ensure_future(send(http, url)) for _ in range(20)]
            await asyncio.wait_for(stopping.wait(), 20)
        await asyncio.gather(*senders, return_exceptions=True)
    assert len(promised) > 100
    assert set(promised) <= set(log.events())
