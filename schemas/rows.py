"""Row types of the tables. A changelog is a topic too, so rows are part of the contract.

A row travels as one version byte and a msgpack array; fields are only ever appended, with a default, and golden-bytes
tests hold the old versions readable. Frozen: a fold replaces a row, it never edits one. Times are epoch
milliseconds UTC.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from schemas.events import Fulfilment, MessageAuthor, OrderLine, ReleaseReason, SendMessage, StockBasis


class Row(Struct, frozen=True, array_like=True):
    """Base of all rows."""


class IdentifierRow(Row, frozen=True, array_like=True):
    """identity.identifiers, partition key = hashed identifier: the customer it belongs to."""

    customer_id: str
    type: str
    because_type: str
    linked_at_ms: int


class LinkRow(Row, frozen=True, array_like=True):
    """identity.links, partition key = hashed stronger identifier, row key = hashed weaker one: a claim already sent."""

    type: str
    customer_id: str
    claimed_at_ms: int


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


class JourneyState(StrEnum):
    """Where a rule instance is."""

    WAITING = "WAITING"
    HELD = "HELD"
    DONE = "DONE"
    EXITED = "EXITED"


class JourneyRow(Row, frozen=True, array_like=True):
    """customer.journeys, row key = rule/correlation: one open instance per rule and correlation key."""

    rule: str
    correlation: str
    state: JourneyState
    trigger_event_id: str
    trigger_type: str
    trigger_received_ms: int
    triggered_at_ms: int
    brand: str
    due_ms: int | None
    """When the timer fires; ``None`` when nothing is waited for."""
    valid_until_ms: int
    changed_at_ms: int
    ruleset_hash: str
    context: dict[str, str] = {}
    """Values of the trigger that the send step still needs after a wait (JSON text per name)."""


class SendRow(Row, frozen=True, array_like=True):
    """customer.sends, row key = time/action id: a message that was decided; caps count these."""

    at_ms: int
    rule: str
    cap_group: str
    channel: str
    correlation: str


class RulesetRow(Row, frozen=True, array_like=True):
    """customer.ruleset, partition key ``""``: the ruleset this partition decides by."""

    ruleset_hash: str
    contents: bytes
    activated_at_ms: int


class StockRow(Row, frozen=True, array_like=True):
    """inventory.stock, partition key = SKU, row key = location: what is there and what of it is promised."""

    reported_quantity: int = 0
    basis: StockBasis = StockBasis.ON_HAND
    as_of_ms: int = 0
    """Event time of the count; 0: never counted."""
    safety_stock: int = 0
    moved_since: int = 0
    """Units that left (positive) since as_of_ms: till sales and collected pickups."""
    reserved: int = 0
    """Sum of open reservations."""
    safety_at_ms: int = 0
    """Event time at which safety_stock was last stated."""
    held_at_count: int = 0
    """SALABLE only: units of the reservations that were open when the count was taken."""
    settled_to_ms: int = 0
    """Latest event time of a movement whose row was swept: an older count can no longer be applied."""

    @property
    def on_hand(self) -> int:
        """Units on the shelf.

        A salable feed has subtracted the reservations open at its count, so those are added back; later ones it has
        not seen, and one that is collected since is in moved_since.
        """
        return self.reported_quantity + self.held_at_count - self.moved_since

    @property
    def physically_available(self) -> int:
        """on_hand - reserved."""
        return self.on_hand - self.reserved

    @property
    def available_to_promise(self) -> int:
        """on_hand - reserved - safety_stock; may be negative when more was promised than is there."""
        return self.on_hand - self.reserved - self.safety_stock


class ReservationRow(Row, frozen=True, array_like=True):
    """inventory.reservations, partition key = SKU, row key = location/reservation id.

    Quantity 0: released, or the release came first; kept against repeats until it is swept.
    """

    location_id: str
    order_id: str
    quantity: int
    """Units held now."""
    reserved_at_ms: int
    due_ms: int | None
    """When the hold ends by itself; once released: when the row is swept."""
    units: int = 0
    """Units that were reserved; 0: the release came first."""
    stated_at_ms: int = 0
    """Event time of the word that due_ms is from: the latest one moves the end of the hold."""
    released_as: ReleaseReason | None = None
    released_at_ms: int = 0


class MovementRow(Row, frozen=True, array_like=True):
    """inventory.movements, partition key = SKU, row key = location/event time/movement id.

    Units that left since the last count.
    """

    location_id: str
    at_ms: int
    quantity: int


class AttemptState(StrEnum):
    """State of a delivery."""

    STARTED = "STARTED"
    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class AttemptRow(Row, frozen=True, array_like=True):
    """delivery.attempts, partition key = customer id, row key = action id.

    STARTED is committed before the provider is called: found again after a crash, its outcome is unknown.
    """

    state: AttemptState
    attempt: int
    started_at_ms: int
    due_ms: int | None
    """When the next try is due, or when a finished row is swept."""
    action: SendMessage | None
    """The message, until it is finished."""
    reason: str = ""
    provider_message_id: str | None = None


class PositionRow(Row, frozen=True, array_like=True):
    """Engine: the next offset to read of each input of this partition. The truth of the input position."""

    offsets: dict[str, int]
    now_ms: int
