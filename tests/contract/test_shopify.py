"""Shopify webhooks: the signature as the vendor computes it, and its payloads as events."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.sources.request import Ignored, IgnoredReason, MalformedBody, RawRequest, SignatureRefused
from connectors.sources.shopify import ShopifySettings, parse, verify
from schemas.errors import InvalidInput
from schemas.events import Fulfilment, Identifier, OrderCancelled, OrderPlaced

FIXTURES = Path(__file__).parent.parent / "fixtures" / "shopify"
NOW_MS = 1_795_320_000_000
SECRET = "shpss_0123456789abcdef0123456789abcdef"
SHOP = "aoba.myshopify.com"
SETTINGS = ShopifySettings.model_validate(
    {
        "shops": {
            SHOP: {
                "brand": "aoba",
                "secrets": [SECRET],
                "pickup": {"Shibuya": {"store_id": "shibuya", "store_name": "Shibuya store"}},
            },
            "kaede.myshopify.com": {"brand": "kaede", "secrets": ["shpss_another", "shpss_its_next"]},
        }
    }
)

# openssl dgst -sha256 -hmac "$SECRET" -binary <file> | base64
VECTORS = {
    "orders_create.json": "W6fwNr9oZhOSjHvvzGDYfxd5EBsfafiDn9wLDG2z6KY=",
    "orders_cancelled.json": "r7U2ITxZ2+gPmMuVdhfIz2Y/358sLj6tUt3u5o9WrpM=",
}


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery(body: bytes, topic: str, **headers: str) -> RawRequest:
    usual = {
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": SHOP,
        "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "x-shopify-hmac-sha256": signed(body),
    }
    return RawRequest(body, usual | {name.replace("_", "-"): value for name, value in headers.items()})


def payload(fixture: str, /, **changes: Any) -> bytes:
    return json.dumps(json.loads((FIXTURES / fixture).read_bytes()) | changes).encode()


def one(body: bytes, topic: str, settings: ShopifySettings = SETTINGS, **headers: str) -> Any:
    (event,) = parse(delivery(body, topic, **headers), settings, NOW_MS)
    return event


@pytest.mark.parametrize("name", VECTORS)
def test_the_signature_that_openssl_computes_is_taken(name: str) -> None:
    body = (FIXTURES / name).read_bytes()
    verify(delivery(body, "orders/create", x_shopify_hmac_sha256=VECTORS[name]), SETTINGS)


@pytest.mark.parametrize(
    "headers",
    [
        {"x_shopify_hmac_sha256": ""},
        {"x_shopify_hmac_sha256": "not base64!"},
        {"x_shopify_hmac_sha256": signed(b"another body")},
        {"x_shopify_hmac_sha256": hmac.new(SECRET.encode(), b"{}", hashlib.sha256).hexdigest()},
        {"x_shopify_hmac_sha256": signed(b"{}", "another secret")},
        {"x_shopify_hmac_sha256": signed(b"{}", "shpss_another")},
        {"x_shopify_shop_domain": "kaede.myshopify.com"},
        {"x_shopify_shop_domain": "unknown.myshopify.com"},
        {"x_shopify_shop_domain": ""},
    ],
)
def test_whatever_does_not_prove_the_sender_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(SignatureRefused) as refused:
        verify(delivery(b"{}", "orders/create", **headers), SETTINGS)
    assert SECRET not in str(refused.value)


def test_one_changed_byte_is_noticed() -> None:
    body = (FIXTURES / "orders_create.json").read_bytes()
    request = delivery(body, "orders/create")
    with pytest.raises(SignatureRefused):
        verify(RawRequest(body.replace(b"17360", b"17361", 1), request.headers), SETTINGS)


@pytest.mark.parametrize("secret", ["shpss_another", "shpss_its_next"])
def test_both_secrets_count_while_one_is_rotated(secret: str) -> None:
    headers = {"x_shopify_shop_domain": "kaede.myshopify.com", "x_shopify_hmac_sha256": signed(b"{}", secret)}
    verify(delivery(b"{}", "orders/create", **headers), SETTINGS)


def test_an_order_becomes_order_placed() -> None:
    event = one((FIXTURES / "orders_create.json").read_bytes(), "orders/create")
    assert isinstance(event, OrderPlaced)
    envelope = event.envelope
    assert (envelope.channel, envelope.source, envelope.brand) == ("web", "shopify", "aoba")
    assert envelope.event_id == "orders/create:98880550-7158-44d4-b7cd-2c97c8a091b5"
    assert envelope.occurred_at == 1_795_310_100_000  # 2026-11-22T10:15:00+09:00
    assert set(envelope.identifiers) == {
        Identifier(type="email", value="aoi.sato@example.com"),
        Identifier(type="phone", value="+819012345678"),
    }
    assert (event.order_id, event.total_minor, event.currency) == ("1042", 17360, "JPY")
    assert event.fulfilment is Fulfilment.HOME_DELIVERY
    assert event.store_id is None
    assert [(line.sku, line.quantity, line.unit_price_minor, line.name) for line in event.lines] == [
        ("SKU-RAIN-JACKET-M", 1, 12800, "Rain jacket - M"),
        ("SKU-SOCKS-2", 2, 1980, "Merino socks"),
    ]


def test_a_pickup_rate_names_the_store() -> None:
    event = one((FIXTURES / "orders_create_pickup.json").read_bytes(), "orders/create")
    assert (event.fulfilment, event.store_id, event.store_name) == (
        Fulfilment.STORE_PICKUP,
        "shibuya",
        "Shibuya store",
    )


def test_the_customer_s_currency_counts_and_a_missing_sku_has_a_stand_in() -> None:
    event = one((FIXTURES / "orders_create_eur.json").read_bytes(), "orders/create")
    assert (event.total_minor, event.currency) == (8495, "EUR")
    assert [(line.sku, line.unit_price_minor, line.currency) for line in event.lines] == [
        ("variant-44812093110001", 8495, "EUR")
    ]
    assert {item.value for item in event.envelope.identifiers} == {"lena@example.org", "+4915112345678"}


def test_a_cancellation_names_the_same_order() -> None:
    event = one((FIXTURES / "orders_cancelled.json").read_bytes(), "orders/cancelled")
    assert isinstance(event, OrderCancelled)
    assert (event.order_id, event.reason) == ("1042", "customer")
    assert event.envelope.occurred_at == 1_795_312_950_000  # 2026-11-22T11:02:30+09:00


def test_the_member_number_is_taken_only_where_the_shop_says_so() -> None:
    body = (FIXTURES / "orders_create.json").read_bytes()
    shop = SETTINGS.shops[SHOP].model_copy(update={"customer_id_is_member_id": True})
    event = one(body, "orders/create", SETTINGS.model_copy(update={"shops": {SHOP: shop}}))
    assert Identifier(type="member_id", value="7103980012345") in event.envelope.identifiers


def test_a_retry_has_the_same_event_id_and_another_topic_another() -> None:
    body = (FIXTURES / "orders_cancelled.json").read_bytes()
    first, retry = (one(body, "orders/create", x_shopify_webhook_id=name) for name in ("a", "b"))
    assert first == retry
    assert one(body, "orders/cancelled").envelope.event_id != first.envelope.event_id


def test_an_old_version_without_event_id_is_told_apart_by_delivery() -> None:
    body = (FIXTURES / "orders_create.json").read_bytes()
    event = one(body, "orders/create", x_shopify_event_id="", x_shopify_webhook_id="w-1")
    assert event.envelope.event_id == "orders/create:w-1"


@pytest.mark.parametrize(
    ("name", "topic", "changes", "reason"),
    [
        ("carts_update.json", "carts/update", {}, IgnoredReason.TOPIC),
        (
            "fulfillment_orders_line_items_prepared_for_pickup.json",
            "fulfillment_orders/line_items_prepared_for_pickup",
            {},
            IgnoredReason.TOPIC,
        ),
        ("orders_create.json", "a/topic/of/tomorrow", {}, IgnoredReason.TOPIC),
        ("orders_create.json", "orders/create", {"test": True}, IgnoredReason.TEST),
        ("orders_create.json", "orders/create", {"source_name": "pos"}, IgnoredReason.POS_ORDER),
        (
            "orders_create.json",
            "orders/create",
            {"email": "", "contact_email": None, "phone": None, "customer": None},
            IgnoredReason.NO_PERSON,
        ),
    ],
)
def test_what_leads_to_no_event_is_ignored_with_its_reason(
    name: str, topic: str, changes: dict[str, Any], reason: IgnoredReason
) -> None:
    with pytest.raises(Ignored) as ignored:
        parse(delivery(payload(name, **changes), topic), SETTINGS, NOW_MS)
    assert ignored.value.reason is reason


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"total_price": 17360.0, "total_price_set": None}, "total_price"),
        ({"total_price_set": {"presentment_money": {"amount": "1.5", "currency_code": "JPY"}}}, "total_price"),
        ({"line_items": [{"sku": "A", "quantity": 1, "price": "x"}]}, "line_items.0.price"),
        ({"line_items": [{"sku": "A", "quantity": 0, "price": "1"}]}, "lines.0.quantity"),
        ({"line_items": []}, "lines"),
        ({"line_items": "none"}, "lines"),
        ({"name": None}, "order_id"),
        ({"created_at": "yesterday"}, "occurred_at"),
        ({"created_at": None}, "occurred_at"),
    ],
)
def test_a_payload_that_breaks_the_contract_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(delivery(payload("orders_create.json", **changes), "orders/create"), SETTINGS, NOW_MS)
    assert field in {error.field for error in refused.value.errors}


@pytest.mark.parametrize(
    "changes",
    [
        {"shipping_lines": [{"code": ["Shibuya"]}, None, 7]},
        {"shipping_lines": {"code": "Shibuya"}},
        {"customer": [], "cart_token": None},
        {"total_price_set": {"presentment_money": None}},
    ],
)
def test_odd_but_harmless_shapes_are_no_obstacle(changes: dict[str, Any]) -> None:
    assert one(payload("orders_create.json", **changes), "orders/create").fulfilment is Fulfilment.HOME_DELIVERY


@pytest.mark.parametrize("body", [b"", b"{", b'{"id": 1, "id": 2}'])
def test_a_body_that_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse(delivery(body, "orders/create"), SETTINGS, NOW_MS)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"order"'])
def test_a_body_that_is_no_order_is_invalid(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse(delivery(body, "orders/create"), SETTINGS, NOW_MS)


@pytest.mark.parametrize("block", [{}, {"shops": {}}, {"shops": {SHOP: {"brand": "aoba", "secrets": []}}}])
def test_settings_without_a_shop_or_a_secret_are_refused(block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ShopifySettings.model_validate(block)


def test_settings_do_not_show_their_secrets() -> None:
    assert SECRET not in repr(SETTINGS)
