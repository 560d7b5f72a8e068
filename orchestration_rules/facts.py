"""What conditions and templates see of one customer at one moment: plain dicts and lists, built when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from orchestration_rules.shapes import (
    HIDDEN_ENVELOPE_FIELDS,
    CartLineView,
    CartView,
    InquiryView,
    OrderView,
    ProfileView,
)
from schemas.events import Envelope
from schemas.rows import ProfileRow
from tables import cart
from tables.cart import CART
from tables.inquiries import INQUIRIES
from tables.orders import ORDERS
from tables.profile import PROFILE
from tables.view import Rows, View

NEWEST_ORDERS = 50
"""Orders and inquiries that conditions see: the newest ones."""
_NOBODY = ProfileRow(brand="", first_seen_ms=0)


def plain(value: Any) -> Any:
    """JSON-like form of a value; fields that are not there are left out, so that ``has()`` tells."""
    return _present(msgspec.to_builtins(value))


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _present(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_present(inner) for inner in value]
    return value


def flat_event(event: Any) -> dict[str, Any]:
    """An event in its flat form: ``type``, the envelope's fields (identifiers left out) and its own, side by side."""
    envelope: Envelope = event.envelope
    own = {name: getattr(event, name) for name in event.__struct_fields__ if name != "envelope"}
    names = (name for name in Envelope.__struct_fields__ if name not in HIDDEN_ENVELOPE_FIELDS)
    flat: dict[str, Any] = plain(
        {"type": type(event).__name__, **{name: getattr(envelope, name) for name in names}, **own}
    )
    return flat


class CustomerFacts:
    """Facts of one customer. ``event``: an event, or the fields of the trigger that a waiting journey kept."""

    def __init__(self, view: View, customer_id: str, event: Any, now_ms: int) -> None:
        self.view = view
        self.customer_id = customer_id
        self.now_ms = now_ms
        self.memo: dict[Any, Any] = {}
        self._event = event
        self._roots: dict[str, Any] = {}
        self._profile: ProfileRow | None = None

    @property
    def profile(self) -> ProfileRow:
        """The customer's profile row; an empty one when nothing is known."""
        if self._profile is None:
            self._profile = self.view.get(PROFILE, self.customer_id) or _NOBODY
        return self._profile

    def root(self, name: str) -> Any:
        """See :class:`orchestration_rules.conditions.Facts`."""
        if name not in self._roots:
            self._roots[name] = self._build(name)
        return self._roots[name]

    def _build(self, name: str) -> Any:
        match name:
            case "event":
                return self._event if isinstance(self._event, Mapping) else flat_event(self._event)
            case "cart":
                return plain(self._cart())
            case "orders":
                return plain(self._orders())
            case "profile":
                return plain(self._profile_view())
            case "inquiries":
                return plain(self._inquiries())
            case "now_ms":
                return self.now_ms
        raise KeyError(name)

    def _cart(self) -> CartView:
        lines = tuple(
            CartLineView(sku, row.quantity, row.unit_price_minor, row.currency, row.name, row.url)
            for sku, row in cart.lines(Rows(self.view, CART, self.customer_id))
        )
        one_currency = len({line.currency for line in lines}) <= 1
        total = sum(line.quantity * line.unit_price_minor for line in lines) if one_currency else None
        return CartView(lines, sum(line.quantity for line in lines), total)

    def _orders(self) -> list[OrderView]:
        rows = [row for _, row in self.view.range(ORDERS, self.customer_id)]
        rows.sort(key=lambda row: (row.placed_at_ms, row.order_id), reverse=True)
        return [
            OrderView(
                order_id=row.order_id,
                status=row.status,
                channel=row.channel,
                brand=row.brand,
                total_minor=row.total_minor,
                currency=row.currency,
                fulfilment=row.fulfilment,
                lines=row.lines,
                placed_at_ms=row.placed_at_ms or None,
                ready_at_ms=row.ready_at_ms or None,
                collected_at_ms=row.collected_at_ms or None,
                cancelled_at_ms=row.cancelled_at_ms or None,
                store_id=row.store_id,
                store_name=row.store_name,
            )
            for row in rows[:NEWEST_ORDERS]
        ]

    def _profile_view(self) -> ProfileView:
        row = self.profile
        return ProfileView(
            first_seen_ms=row.first_seen_ms,
            last_seen_ms=row.last_seen_ms,
            reachable_on=tuple(sorted(row.addresses)),
            name=row.name,
            locale=row.locale,
            time_zone=row.time_zone,
            preferred_channel=row.preferred_channel,
            last_store_id=row.last_store_id,
        )

    def _inquiries(self) -> list[InquiryView]:
        rows = [row for _, row in self.view.range(INQUIRIES, self.customer_id)]
        rows.sort(key=lambda row: (row.last_activity_ms, row.inquiry_id), reverse=True)
        return [
            InquiryView(
                inquiry_id=row.inquiry_id,
                topic=row.topic,
                state=row.state,
                opened_at_ms=row.opened_at_ms,
                last_activity_ms=row.last_activity_ms,
                order_id=row.order_id,
                subject=row.subject,
            )
            for row in rows[:NEWEST_ORDERS]
        ]
