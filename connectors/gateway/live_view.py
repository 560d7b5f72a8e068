"""What the live view says about a record: enough to follow the way of an event, and nothing by which to reach a person.

Pure. Left out: identifiers, names, what people write or say. Addresses of messages are masked; the text of a message
that we send is shown, because seeing it is the purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas.events import (
    CallEnded,
    CartLineAdded,
    CartLineChanged,
    CartLineRemoved,
    ChannelEvent,
    ConsentGiven,
    ConsentWithdrawn,
    DeadLetter,
    Decision,
    DecisionOutcome,
    InquiryClosed,
    InquiryMessageAdded,
    InquiryOpened,
    MessageDelivered,
    MessageFailed,
    MessageOpened,
    OrderCancelled,
    OrderLine,
    OrderPlaced,
    PickupCollected,
    PickupReady,
    ProductViewed,
    ProfileUpdated,
    Record,
    ReservationReleased,
    SaleAtTill,
    SendMessage,
    StockLevelReported,
    StockReserved,
    StockSold,
    StoreCheckedIn,
)

TOPICS: Final = ("customer-events", "inventory-events", "decisions", "dead-letters")
"""Topics shown live, beside every ``actions.*``."""

View = dict[str, Any]


def view(record: Record, at_ms: int) -> View | None:
    """One line of the live view; ``None`` for records that say nothing to a viewer (ticks, links, rulesets).

    ``at_ms``: the record's timestamp. ``kind`` is accepted, stock, decided, suppressed, action, delivered, failed,
    opened or dead_letter.
    """
    match record:
        case MessageDelivered() | MessageFailed() | MessageOpened():
            return {"at_ms": at_ms, **_outcome(record)}
        case Decision():
            return {"at_ms": at_ms, **_decision(record)}
        case SendMessage():
            return {"at_ms": at_ms, **_action(record)}
        case StockReserved() | ReservationReleased() | StockSold():
            return {"at_ms": at_ms, **_stock(record)}
        case DeadLetter():
            return {
                "kind": "dead_letter",
                "at_ms": at_ms,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "processor": record.processor,
                "reason": record.reason,
            }
    if isinstance(record, ChannelEvent):
        envelope = record.envelope
        return {
            "kind": "accepted",
            "at_ms": at_ms,
            "type": type(record).__name__,
            "event_id": envelope.event_id,
            "channel": envelope.channel,
            "source": envelope.source,
            "brand": envelope.brand,
            "customer_id": envelope.customer_id,
            **_details(record),
        }
    return None


def mask(address: str) -> str:
    """``aiko@example.com`` -> ``a***@example.com``; a number or id keeps its last two characters."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else f"***{address[-2:]}"


def _lines(lines: tuple[OrderLine, ...]) -> list[View]:
    return [{"sku": line.sku, "name": line.name, "quantity": line.quantity} for line in lines[:20]]


def _details(event: ChannelEvent) -> Mapping[str, Any]:  # noqa: PLR0912 - one case a record type
    match event:
        case OrderPlaced():
            return {
                "order_id": event.order_id,
                "fulfilment": event.fulfilment,
                "store_id": event.store_id,
                "store_name": event.store_name,
                "total_minor": event.total_minor,
                "currency": event.currency,
                "lines": _lines(event.lines),
            }
        case SaleAtTill():
            return {
                "store_id": event.store_id,
                "total_minor": event.total_minor,
                "currency": event.currency,
                "lines": _lines(event.lines),
            }
        case PickupReady() | PickupCollected():
            return {"order_id": event.order_id, "store_id": event.store_id}
        case OrderCancelled():
            return {"order_id": event.order_id}
        case CartLineAdded() | CartLineChanged():
            return {"lines": _lines((event.line,))}
        case CartLineRemoved():
            return {"sku": event.sku}
        case ProductViewed():
            return {"sku": event.sku, "name": event.name, "store_id": event.store_id}
        case StockLevelReported():
            return {"sku": event.sku, "location_id": event.location_id, "quantity": event.quantity}
        case CallEnded():
            return {
                "duration_seconds": event.duration_seconds,
                "lines": [{"sku": product.sku, "name": product.name} for product in event.products[:20]],
            }
        case InquiryOpened() | InquiryMessageAdded() | InquiryClosed():
            return {"topic": event.topic, "inquiry_id": event.inquiry_id, "order_id": event.order_id}
        case StoreCheckedIn():
            return {"store_id": event.store_id, "store_name": event.store_name}
        case ConsentGiven() | ConsentWithdrawn():
            return {"purpose": event.purpose, "message_channels": list(event.channels)}
        case ProfileUpdated():
            return {"locale": event.locale, "preferred_channel": event.preferred_channel}
        case MessageDelivered() | MessageFailed() | MessageOpened():
            return {}


def _outcome(event: MessageDelivered | MessageFailed | MessageOpened) -> View:
    seen: View = {
        "customer_id": event.envelope.customer_id,
        "action_id": event.action_id,
        "channel": event.message_channel,
    }
    match event:
        case MessageDelivered():
            return {"kind": "delivered", **seen, "rule": event.rule, "attempts": event.attempts}
        case MessageFailed():
            return {"kind": "failed", **seen, "rule": event.rule, "reason": event.reason}
        case MessageOpened():
            return {"kind": "opened", **seen}


def _decision(decision: Decision) -> View:
    return {
        "kind": "suppressed" if decision.outcome is DecisionOutcome.SUPPRESSED else "decided",
        "customer_id": decision.customer_id,
        "brand": decision.brand,
        "rule": decision.rule,
        "outcome": decision.outcome,
        "reason": decision.reason,
        "channel": decision.channel,
        "until_ms": decision.until,
        "correlation": decision.correlation,
        "trigger_event_id": decision.trigger_event_id,
        "action_id": decision.action_id,
    }


def _action(action: SendMessage) -> View:
    return {
        "kind": "action",
        "customer_id": action.customer_id,
        "brand": action.brand,
        "rule": action.rule,
        "action_id": action.action_id,
        "trigger_event_id": action.trigger_event_id,
        "channel": action.channel,
        "to": mask(action.to),
        "subject": action.subject,
        "text": action.text,
    }


def _stock(record: StockReserved | ReservationReleased | StockSold) -> View:
    seen: View = {
        "kind": "stock",
        "type": type(record).__name__,
        "sku": record.sku,
        "location_id": record.location_id,
    }
    match record:
        case StockReserved():
            return {**seen, "order_id": record.order_id, "quantity": record.quantity}
        case ReservationReleased():
            return {**seen, "order_id": record.order_id, "reason": record.reason}
        case StockSold():
            return {**seen, "quantity": record.quantity}
