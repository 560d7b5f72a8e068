"""What the read views show. Pure: rows in, JSON values out. Times in epoch ms, money in minor units."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.catalogue import channels
from schemas.rows import InquiryRow, OrderRow
from tables import cart, consent, inquiries, journeys, orders, profile
from tables.identifiers import IDENTIFIERS
from tables.inventory import STOCK
from tables.view import Rows, View

Document = dict[str, Any]


def customer_view(view: View, customer_id: str) -> Document | None:
    """One person: profile, consent, cart, orders, totals, threads, open journeys. ``None`` when unknown."""
    who = view.get(profile.PROFILE, customer_id)
    if who is None:
        return None
    order_rows = Rows(view, orders.ORDERS, customer_id)
    totals = orders.totals(order_rows)
    return {
        "customer_id": customer_id,
        "profile": {
            "brand": who.brand,
            "name": who.name,
            "locale": who.locale,
            "time_zone": who.time_zone,
            "preferred_channel": who.preferred_channel,
            "addresses": who.addresses,
            "first_seen_ms": who.first_seen_ms,
            "last_seen_ms": who.last_seen_ms,
            "last_store_id": who.last_store_id,
            "identifier_types": list(who.identifier_types),
        },
        "consent": [
            {"purpose": word.purpose, "channel": word.channel, "given": word.given, "at_ms": word.at_ms}
            for word in consent.listing(Rows(view, consent.CONSENT, customer_id))
        ],
        "cart": [
            {
                "sku": sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price_minor": line.unit_price_minor,
                "currency": line.currency,
                "url": line.url,
            }
            for sku, line in cart.lines(Rows(view, cart.CART, customer_id))
        ],
        "orders": [_order(row) for _, row in order_rows.range()],
        "totals": {"orders": totals.orders, "spent_minor": dict(totals.spent_minor)},
        "inquiries": [
            _inquiry(view, customer_id, row) for _, row in Rows(view, inquiries.INQUIRIES, customer_id).range()
        ],
        "journeys": [
            {"rule": row.rule, "correlation": row.correlation, "state": row.state, "due_ms": row.due_ms}
            for _, row in Rows(view, journeys.JOURNEYS, customer_id).range()
        ],
    }


def _order(row: OrderRow) -> Document:
    return {
        "order_id": row.order_id,
        "status": row.status,
        "channel": row.channel,
        "placed_at_ms": row.placed_at_ms,
        "total_minor": row.total_minor,
        "currency": row.currency,
        "fulfilment": row.fulfilment,
        "store_id": row.store_id,
        "store_name": row.store_name,
        "lines": msgspec.to_builtins(row.lines),
    }


def _inquiry(view: View, customer_id: str, row: InquiryRow) -> Document:
    return {
        "inquiry_id": row.inquiry_id,
        "topic": row.topic,
        "state": row.state,
        "channels": list(row.channels),
        "opened_at_ms": row.opened_at_ms,
        "last_activity_ms": row.last_activity_ms,
        "order_id": row.order_id,
        "subject": row.subject,
        "agent_id": row.agent_id,
        "messages": [
            {
                "at_ms": message.at_ms,
                "channel": message.channel,
                "author": message.author,
                "text": message.text,
                "agent_id": message.agent_id,
            }
            for message in inquiries.messages(Rows(view, inquiries.INQUIRY_MESSAGES, customer_id), row.inquiry_id)
        ],
    }


def inquiry_view(view: View, inquiry_id: str) -> Document | None:
    """One thread over all channels, with what was said."""
    index = view.get(inquiries.INQUIRY_INDEX, inquiry_id)
    row = None if index is None else view.get(inquiries.INQUIRIES, index.customer_id, inquiry_id)
    if index is None or row is None:
        return None
    return {"customer_id": index.customer_id, **_inquiry(view, index.customer_id, row)}


def sku_view(view: View, sku: str) -> Document | None:
    """What every location has of a SKU, and what of it can still be promised."""
    locations = [
        {
            "location_id": location,
            "on_hand": row.on_hand,
            "reserved": row.reserved,
            "safety_stock": row.safety_stock,
            "available_to_promise": row.available_to_promise,
            "physically_available": row.physically_available,
            "reported_at_ms": row.as_of_ms,
        }
        for location, row in Rows(view, STOCK, sku).range()
    ]
    return {"sku": sku, "locations": locations} if locations else None


def identifier_view(view: View, identifier_key: str) -> Document | None:
    """Whose a hashed identifier is."""
    row = view.get(IDENTIFIERS, identifier_key)
    return None if row is None else {"identifier_key": identifier_key, "customer_id": row.customer_id}


def event_seen(view: View, customer_id: str, event_id: str) -> bool:
    """True when an event of that id, from any known source, was folded lately."""
    who = view.get(profile.PROFILE, customer_id)
    if who is None:
        return False
    wanted = {profile.event_hash(source, event_id) for channel in channels().values() for source in channel.sources}
    return any(known in wanted for known, _ in who.recent_events)
