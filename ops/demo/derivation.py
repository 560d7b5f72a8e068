"""What the derivations share: the context they draw in, the forms they write, the outcomes they agree on.

The shares and spans are those of :mod:`ops.demo.shares`. Event ids are made of the seed, the purchase and the step, so
the same input always has the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.demo.shares import Draw, Shares
from ops.demo.source import CURRENCY, Kind, Product, Purchase
from ops.demo.timed import WEB, Identifiers, TimedEvent, timed
from ops.demo.window import Window

_PREFIX = {Kind.WEB: "WEB", Kind.CATALOGUE: "CAT", Kind.STORE: "R"}


@dataclass(frozen=True, slots=True)
class Derivation:
    """What every derivation needs to know; ``shelf`` holds the products of ``catalogue`` in order of their key."""

    draw: Draw
    shares: Shares
    window: Window
    catalogue: Mapping[int, Product]
    shelf: tuple[Product, ...]

    def event_id(self, *parts: object) -> str:
        return "-".join(map(str, ("tpcds", self.draw.seed, *parts)))

    def order_id(self, purchase: Purchase) -> str:
        """The order or receipt number that every channel shows."""
        return f"{_PREFIX[purchase.kind]}-{self.draw.seed}-{purchase.number:06d}"

    def lines(self, purchase: Purchase) -> list[dict[str, Any]]:
        """The lines in the contract's form, in the generator's order."""
        return [
            order_line(self.catalogue[line.item_sk], line.quantity, line.unit_price_minor) for line in purchase.lines
        ]


def order_line(product: Product, quantity: int, unit_price_minor: int) -> dict[str, Any]:
    """An order line in the contract's form."""
    return {
        "sku": product.sku,
        "quantity": quantity,
        "unit_price_minor": unit_price_minor,
        "currency": CURRENCY,
        "name": product.name,
        "url": product.url,
    }


def is_cancelled(d: Derivation, order: Purchase) -> bool:
    """Whether the order is cancelled, inside the window or not."""
    return order.kind is not Kind.STORE and d.draw.chance(d.shares.cancelled, "cancelled", order.kind, order.number)


def is_anonymous(d: Derivation, purchase: Purchase) -> bool:
    """Whether the till saw no card."""
    return purchase.kind is Kind.STORE and d.draw.chance(d.shares.sale_without_card, "no card", purchase.number)


def viewed(event_id: str, at_ms: int, identifiers: Identifiers, product: Product) -> TimedEvent:
    """A page view on the EC site."""
    page = {"sku": product.sku, "name": product.name, "url": product.url}
    return timed("ProductViewed", event_id, at_ms, WEB, identifiers, **page)


def added_to_cart(
    event_id: str, at_ms: int, identifiers: Identifiers, cart_id: str, line: Mapping[str, Any]
) -> TimedEvent:
    """Units put into the EC site's cart."""
    return timed("CartLineAdded", event_id, at_ms, WEB, identifiers, cart_id=cart_id, line=line)
