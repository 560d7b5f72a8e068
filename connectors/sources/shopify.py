"""Shopify webhooks: orders as events of the EC site (channel ``web``, source ``shopify``).

Sources: shopify.dev, "Verify webhook deliveries" (``X-Shopify-Hmac-SHA256``: base64 HMAC-SHA256 of the raw body under
the app's client secret), "Webhooks delivery structure" (headers), "Ignore duplicate webhooks" (``X-Shopify-Event-Id``
is the same in every delivery of one event), Webhooks reference (payload = REST Admin ``Order``).

| topic | event |
|---|---|
| ``orders/create`` | OrderPlaced |
| ``orders/cancelled`` | OrderCancelled |
| any other | accepted and ignored: a refusal would make Shopify retry 8 times and then drop the subscription |

Not mapped, on purpose:

- ``fulfillment_orders/line_items_prepared_for_pickup``: its payload names a fulfilment order and no order, and Shopify
  sends the "ready for pickup" notice itself. One owner per notice: staff mark it on the terminal instead.
- ``carts/create``, ``carts/update``: a snapshot of a cart without any person in it, in which a removed line is simply
  missing. The storefront reports cart lines itself (``CartLineAdded`` and so on).

The order id is the order's name without ``#`` (what customer, shop and agent call it); shops of one company that
number alike set a prefix in Shopify's own settings.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.sources.money import minor_units
from connectors.sources.request import Ignored, IgnoredReason, RawRequest, SignatureRefused, Webhook
from connectors.sources.strict_json import decode
from schemas.errors import FieldError, InvalidInput
from schemas.events import ChannelEvent
from schemas.identifiers import IdentifierType
from schemas.validation import parse_event

CHANNEL = "web"
SOURCE = "shopify"


class PickupPoint(BaseModel):
    """The store behind a pickup rate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store_id: str
    store_name: str | None = None


class ShopifyShop(BaseModel):
    """One shop (one ``*.myshopify.com`` domain)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brand: str = Field(description="The brand its events belong to.")
    secrets: tuple[SecretStr, ...] = Field(min_length=1, description="Client secrets; two while one is rotated.")
    pickup: dict[str, PickupPoint] = Field(
        default={},
        description="Shipping line code -> store. Shopify marks local pickup in no other way: the code is the "
        "location's name.",
    )
    customer_id_is_member_id: bool = Field(
        default=False, description="Whether Shopify's customer id is the member number. Guests get one too."
    )
    accept_test_orders: bool = Field(default=False, description="Take orders marked as test (development stores).")


class ShopifySettings(BaseModel):
    """Settings of this source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shops: dict[str, ShopifyShop] = Field(min_length=1, description="Shops by domain, as in X-Shopify-Shop-Domain.")


def verify(request: RawRequest, settings: ShopifySettings) -> None:
    """Raises :class:`SignatureRefused` unless the body is signed with a secret of the shop it names."""
    shop = settings.shops.get(request.header("x-shopify-shop-domain"))
    if shop is None:
        raise SignatureRefused("X-Shopify-Shop-Domain names no shop of the settings")
    try:
        claimed = base64.b64decode(request.header("x-shopify-hmac-sha256"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureRefused("X-Shopify-Hmac-SHA256 is not base64") from error
    genuine = False
    for secret in shop.secrets:
        expected = hmac.digest(secret.get_secret_value().encode(), request.body, hashlib.sha256)
        genuine |= hmac.compare_digest(expected, claimed)
    if not genuine:
        raise SignatureRefused("X-Shopify-Hmac-SHA256 does not fit the body")


def parse(request: RawRequest, settings: ShopifySettings, now_ms: int) -> list[ChannelEvent]:
    """The event of one verified delivery; raises ``Ignored``, ``MalformedBody`` or ``InvalidInput``."""
    topic = request.header("x-shopify-topic")
    if topic not in ("orders/create", "orders/cancelled"):
        raise Ignored(IgnoredReason.TOPIC)
    order = decode(request.body)
    if not isinstance(order, dict):
        raise InvalidInput("an order is a JSON object")
    shop = settings.shops[request.header("x-shopify-shop-domain")]
    if order.get("test") is True and not shop.accept_test_orders:
        raise Ignored(IgnoredReason.TEST)
    if order.get("source_name") == "pos":
        raise Ignored(IgnoredReason.POS_ORDER)
    identifiers = _identifiers(order, shop)
    if not identifiers:
        raise Ignored(IgnoredReason.NO_PERSON)
    placed = topic == "orders/create"
    flat = {
        "event_id": _event_id(request, topic),
        "occurred_at": order.get("created_at" if placed else "cancelled_at"),
        "channel": CHANNEL,
        "source": SOURCE,
        "brand": shop.brand,
        "identifiers": identifiers,
        "order_id": str(order.get("name") or "").removeprefix("#"),
    }
    flat |= _placed(order, shop) if placed else {"type": "OrderCancelled", "reason": order.get("cancel_reason")}
    return [parse_event(flat, now_ms)]


def _event_id(request: RawRequest, topic: str) -> str:
    # One event in the shop can cause notices of several topics, all with its id. Old API versions send only the
    # delivery's own id, which is at least the same in every retry.
    event = request.header("x-shopify-event-id") or request.header("x-shopify-webhook-id")
    if not event:
        raise InvalidInput("no id", (FieldError("X-Shopify-Event-Id", "header is missing"),))
    return f"{topic}:{event}"


def _identifiers(order: dict[str, Any], shop: ShopifyShop) -> list[dict[str, str]]:
    customer = _object(order, "customer")
    found: list[tuple[IdentifierType, Any]] = [
        (IdentifierType.EMAIL, order.get("email") or order.get("contact_email") or customer.get("email")),
        (IdentifierType.PHONE, order.get("phone") or customer.get("phone")),
    ]
    if shop.customer_id_is_member_id:
        found.append((IdentifierType.MEMBER_ID, customer.get("id")))
    return [{"type": str(kind), "value": str(value)} for kind, value in found if value]


def _placed(order: dict[str, Any], shop: ShopifyShop) -> dict[str, Any]:
    total, currency = _money(order, "total_price", order.get("currency"), "")
    lines = [_line(line, order.get("currency"), f"line_items.{i}.") for i, line in _objects(order, "line_items")]
    codes = [line.get("code") for _, line in _objects(order, "shipping_lines")]
    point = next((shop.pickup[code] for code in codes if isinstance(code, str) and code in shop.pickup), None)
    return {
        "type": "OrderPlaced",
        "lines": lines,
        "total_minor": total,
        "currency": currency,
        "fulfilment": "STORE_PICKUP" if point else "HOME_DELIVERY",
        "store_id": point.store_id if point else None,
        "store_name": point.store_name if point else None,
        "cart_id": order.get("cart_token"),
    }


def _line(line: dict[str, Any], currency: Any, path: str) -> dict[str, Any]:
    price, priced_in = _money(line, "price", currency, path)
    # A line without SKU is a product nobody numbered (variant) or one made up for this order (neither).
    sku = line.get("sku") or (f"variant-{line['variant_id']}" if line.get("variant_id") else f"line-{line.get('id')}")
    return {
        "sku": sku,
        "quantity": line.get("quantity"),
        "unit_price_minor": price,
        "currency": priced_in,
        "name": line.get("name") or line.get("title"),
    }


def _money(holder: dict[str, Any], name: str, shop_currency: Any, path: str) -> tuple[int, str]:
    """What the customer sees: the presentment money where there is one, else the amount in the shop's currency."""
    presented = _object(_object(holder, f"{name}_set"), "presentment_money")
    amount, currency = presented.get("amount", holder.get(name)), presented.get("currency_code", shop_currency)
    if not isinstance(amount, str) or not isinstance(currency, str):
        raise InvalidInput("no amount", (FieldError(path + name, "must be a decimal string with a currency"),))
    try:
        return minor_units(amount, currency), currency
    except ValueError as error:
        raise InvalidInput("bad amount", (FieldError(path + name, str(error)),)) from error


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _objects(holder: dict[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
    value = holder.get(name)
    entries = value if isinstance(value, list) else []
    return [(index, entry) for index, entry in enumerate(entries) if isinstance(entry, dict)]


WEBHOOK = Webhook(settings=ShopifySettings, verify=verify, parse=parse)
