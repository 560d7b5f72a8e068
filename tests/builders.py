"""Short ways to write an event down in a test: what the test is about is said, the rest has a plain value."""

from __future__ import annotations

from schemas.events import Envelope, Identifier, OrderLine

MEMBER = (Identifier(type="member_id", value="M-1001"),)


def envelope(
    at: int,
    *,
    event_id: str = "",
    channel: str = "app",
    source: str = "shop-app",
    brand: str = "aoba",
    identifiers: tuple[Identifier, ...] = MEMBER,
) -> Envelope:
    """An envelope of an event at ``at`` (epoch milliseconds), by default of a member in the app."""
    return Envelope(
        event_id=event_id or f"{source}-{at}",
        occurred_at=at,
        channel=channel,
        source=source,
        brand=brand,
        identifiers=identifiers,
        received_at=at,
        customer_id="c-1",
    )


def line(sku: str, quantity: int = 1, price: int = 1_000) -> OrderLine:
    """An order line in yen."""
    return OrderLine(sku=sku, quantity=quantity, unit_price_minor=price, currency="JPY", name=sku.title())
