"""Rows of the customer processor: one person's profile, consent, cart, orders and inquiries."""

from __future__ import annotations

from enum import StrEnum

from schemas.events import Fulfilment, MessageAuthor, OrderLine
from schemas.rows.base import Row


class ProfileRow(Row, frozen=True, array_like=True):
    """customer.profile: what a person told us, each field with the event time it was told at; 0: not told yet."""

    brand: str
    first_seen_ms: int
    name: str | None = None
    name_at_ms: int = 0
    locale: str | None = None
    locale_at_ms: int = 0
    time_zone: str | None = None
    time_zone_at_ms: int = 0
    preferred_channel: str | None = None
    preferred_at_ms: int = 0
    addresses: dict[str, str] = {}
    """Where messages reach the person: message channel (line, sms, email) -> address. PII."""
    last_seen_ms: dict[str, int] = {}
    """Channel -> event time of the latest thing the person did there (not what staff or we did)."""
    last_store_id: str | None = None
    last_store_at_ms: int = 0
    identifier_types: tuple[str, ...] = ()
    recent_events: tuple[tuple[bytes, int], ...] = ()
    """8-byte hashes of (source, event id) with their arrival time: 72 h, at most 64 (event dedup)."""
    addresses_at_ms: dict[str, int] = {}
    """Message channel -> event time at which its address was last named."""


class ConsentRow(Row, frozen=True, array_like=True):
    """customer.consent, row key = purpose/channel (channel ``*``: all): the latest word by event time."""

    given: bool
    at_ms: int
    source: str
    evidence: str | None = None


class CartLineRow(Row, frozen=True, array_like=True):
    """customer.cart, row key = SKU.

    quantity = base_quantity + the sum of ``added`` entries later than base_at_ms, so that late and early events
    converge whatever order they arrive in. A line that was removed or bought stays with quantity 0 until it is swept.
    """

    cart_id: str
    unit_price_minor: int
    currency: str
    name: str | None
    url: str | None
    base_quantity: int
    base_at_ms: int
    added: tuple[tuple[int, int], ...] = ()
    """(event time, units), ascending; entries at or before base_at_ms are gone."""
    changed_at_ms: int = 0
    described_at_ms: int = 0
    """Event time of the line that cart_id, price, name and url are from; 0: only removed or bought so far."""

    @property
    def quantity(self) -> int:
        """Units in the cart now."""
        return max(0, self.base_quantity + sum(units for _, units in self.added))


class OrderStatus(StrEnum):
    """How far an order is."""

    PLACED = "PLACED"
    READY = "READY"
    COLLECTED = "COLLECTED"
    CANCELLED = "CANCELLED"


class OrderRow(Row, frozen=True, array_like=True):
    """customer.orders, row key = order id (till sales: ``till/source/receipt``). 0 in a time field: not seen yet."""

    order_id: str
    channel: str = ""
    brand: str = ""
    placed_at_ms: int = 0
    ready_at_ms: int = 0
    collected_at_ms: int = 0
    cancelled_at_ms: int = 0
    total_minor: int = 0
    currency: str = ""
    fulfilment: Fulfilment = Fulfilment.HOME_DELIVERY
    store_id: str | None = None
    store_name: str | None = None
    lines: tuple[OrderLine, ...] = ()
    hold_until_ms: int = 0
    """Until when the store said it holds the goods; 0: it did not say."""
    hold_at_ms: int = 0
    """Event time of the word that hold_until_ms is from."""

    @property
    def status(self) -> OrderStatus:
        """The furthest step seen, whatever order the news arrived in."""
        if self.cancelled_at_ms:
            return OrderStatus.CANCELLED
        if self.collected_at_ms:
            return OrderStatus.COLLECTED
        return OrderStatus.READY if self.ready_at_ms else OrderStatus.PLACED


class InquiryState(StrEnum):
    """State of an inquiry thread."""

    OPEN = "OPEN"
    PENDING = "PENDING"
    SOLVED = "SOLVED"
    CLOSED = "CLOSED"


class InquiryRow(Row, frozen=True, array_like=True):
    """customer.inquiries, row key = inquiry id: one thread per matter over all channels.

    0 in a time field: no such word yet. ``state`` follows from contact, answer and closing (tables.inquiries), so that
    late words change it only when they are the later ones.
    """

    inquiry_id: str
    topic: str
    state: InquiryState
    opened_at_ms: int
    last_activity_ms: int
    state_at_ms: int
    order_id: str | None = None
    subject: str | None = None
    agent_id: str | None = None
    channels: tuple[str, ...] = ()
    message_count: int = 0
    contact_at_ms: int = 0
    """Latest word of the customer."""
    answer_at_ms: int = 0
    """Latest word of an agent."""
    closed_at_ms: int = 0
    solved: bool = False
    """What the latest closing said."""
    topic_at_ms: int = 0
    order_at_ms: int = 0
    subject_at_ms: int = 0
    agent_at_ms: int = 0


class InquiryMessageRow(Row, frozen=True, array_like=True):
    """customer.inquiry_messages, row key = inquiry id/event time/source/event id: what was said. PII."""

    inquiry_id: str
    at_ms: int
    channel: str
    author: MessageAuthor
    text: str
    agent_id: str | None = None


class InquiryIndexRow(Row, frozen=True, array_like=True):
    """customer.inquiry_index, partition key = inquiry id: whose thread it is (kept in the customer's partition)."""

    customer_id: str
