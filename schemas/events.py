"""Event, action and decision types: generated from schemas/avro by python -m schemas.generate, not edited.

Times are epoch milliseconds UTC, money is in minor units. Structs are frozen: make a changed copy with
``msgspec.structs.replace``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct


class AttemptOutcome(StrEnum):
    """What became of it."""

    DELIVERED = "DELIVERED"
    REJECTED = "REJECTED"
    RETRY_AFTER = "RETRY_AFTER"
    UNKNOWN = "UNKNOWN"
    EXPIRED = "EXPIRED"


class DeadLetterReason(StrEnum):
    """Why."""

    UNDECODABLE = "UNDECODABLE"
    INVALID = "INVALID"
    FOLD_FAILED = "FOLD_FAILED"
    TOO_LARGE = "TOO_LARGE"


class DecisionOutcome(StrEnum):
    """What was decided."""

    FIRED = "FIRED"
    SUPPRESSED = "SUPPRESSED"
    WAITING = "WAITING"
    HELD = "HELD"
    EXITED = "EXITED"
    RESTARTED = "RESTARTED"


class Fulfilment(StrEnum):
    """How the goods reach the customer."""

    HOME_DELIVERY = "HOME_DELIVERY"
    STORE_PICKUP = "STORE_PICKUP"


class MessageAuthor(StrEnum):
    """Who said it."""

    CUSTOMER = "CUSTOMER"
    AGENT = "AGENT"
    BOT = "BOT"


class OnUnknown(StrEnum):
    """What to do when nobody can say whether it was sent."""

    DROP = "DROP"
    RESEND = "RESEND"


class ReleaseReason(StrEnum):
    """Why a hold ends."""

    CANCELLED = "CANCELLED"
    COLLECTED = "COLLECTED"
    EXPIRED = "EXPIRED"


class StockBasis(StrEnum):
    """What the number means."""

    ON_HAND = "ON_HAND"
    SALABLE = "SALABLE"


class Identifier(Struct, frozen=True, kw_only=True):
    """One name by which a channel knows a person."""

    type: str
    value: str


class Envelope(Struct, frozen=True, kw_only=True):
    """What every event says about itself. It grows by defaulted fields only."""

    event_id: str
    occurred_at: int
    channel: str
    source: str
    brand: str
    identifiers: tuple[Identifier, ...] = ()
    received_at: int = 0
    customer_id: str | None = None


class OrderLine(Struct, frozen=True, kw_only=True):
    """A quantity of one product at one price."""

    sku: str
    quantity: int
    unit_price_minor: int
    currency: str
    name: str | None = None
    url: str | None = None


class ProductRef(Struct, frozen=True, kw_only=True):
    """A product that was talked about or shown."""

    sku: str
    name: str | None = None
    url: str | None = None


class AttemptReported(Struct, frozen=True, kw_only=True):
    """What became of one try to send a message."""

    action_id: str
    customer_id: str
    attempt: int
    outcome: AttemptOutcome
    reason: str = ""
    detail: str = ""
    provider_message_id: str | None = None
    retry_at: int | None = None
    reported_at: int


class CallEnded(Struct, frozen=True, kw_only=True):
    """A phone call with an agent ended."""

    envelope: Envelope
    call_id: str
    duration_seconds: int
    products: tuple[ProductRef, ...] = ()
    agent_id: str | None = None
    inquiry_id: str | None = None


class CartLineAdded(Struct, frozen=True, kw_only=True):
    """Units of a product were put into the cart."""

    envelope: Envelope
    cart_id: str
    line: OrderLine


class CartLineChanged(Struct, frozen=True, kw_only=True):
    """The quantity of a product in the cart was set to a new total."""

    envelope: Envelope
    cart_id: str
    line: OrderLine


class CartLineRemoved(Struct, frozen=True, kw_only=True):
    """A product was taken out of the cart, whatever its quantity was."""

    envelope: Envelope
    cart_id: str
    sku: str


class ClockTick(Struct, frozen=True, kw_only=True):
    """Time passed in this partition up to here: timers due by then fire."""

    up_to: int


class ConsentGiven(Struct, frozen=True, kw_only=True):
    """A person allowed messages for a purpose."""

    envelope: Envelope
    purpose: str
    channels: tuple[str, ...] = ()
    evidence: str | None = None


class ConsentWithdrawn(Struct, frozen=True, kw_only=True):
    """A person no longer allows messages for a purpose. It takes effect at once, for waiting journeys too."""

    envelope: Envelope
    purpose: str
    channels: tuple[str, ...] = ()
    evidence: str | None = None


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A record that could not be processed, with everything needed to try again."""

    topic: str
    partition: int
    offset: int
    processor: str
    reason: DeadLetterReason
    error: str
    traceback: str = ""
    key: bytes | None = None
    value: bytes | None = None
    failed_at: int


class Decision(Struct, frozen=True, kw_only=True):
    """Why a rule acted, waits, or did not act, for one customer at one time."""

    decision_id: str
    customer_id: str
    brand: str
    rule: str
    ruleset_hash: str
    correlation: str
    trigger_event_id: str
    step: str = "send"
    outcome: DecisionOutcome
    reason: str = ""
    channel: str | None = None
    action_id: str | None = None
    until: int | None = None
    detail: str = ""
    decided_at: int


class IdentifierClaimed(Struct, frozen=True, kw_only=True):
    """The partition of a stronger identifier tells a weaker one which customer it belongs to."""

    identifier_key: str
    identifier_type: str
    customer_id: str
    because_key: str
    because_type: str
    claimed_at: int


class IdentifierLinked(Struct, frozen=True, kw_only=True):
    """An identifier was linked to this customer; the audit trail of who is who."""

    customer_id: str
    identifier_key: str
    identifier_type: str
    because_type: str
    previous_customer_id: str | None = None
    linked_at: int


class InquiryClosed(Struct, frozen=True, kw_only=True):
    """An inquiry was solved or closed."""

    envelope: Envelope
    topic: str
    inquiry_id: str | None = None
    order_id: str | None = None
    solved: bool = True


class InquiryMessageAdded(Struct, frozen=True, kw_only=True):
    """Something was said in an inquiry, by either side."""

    envelope: Envelope
    topic: str
    author: MessageAuthor = MessageAuthor.CUSTOMER
    text: str
    inquiry_id: str | None = None
    order_id: str | None = None
    agent_id: str | None = None


class InquiryOpened(Struct, frozen=True, kw_only=True):
    """A person made contact about a matter: phone, chat, web form, mail."""

    envelope: Envelope
    topic: str
    inquiry_id: str | None = None
    order_id: str | None = None
    subject: str | None = None
    agent_id: str | None = None


class MessageDelivered(Struct, frozen=True, kw_only=True):
    """The provider accepted or delivered a message."""

    envelope: Envelope
    action_id: str
    message_channel: str
    rule: str
    provider_message_id: str | None = None
    attempts: int = 1


class MessageFailed(Struct, frozen=True, kw_only=True):
    """A message will not arrive: refused, expired, or outcome unknown and dropped."""

    envelope: Envelope
    action_id: str
    message_channel: str
    rule: str
    reason: str
    detail: str = ""


class MessageOpened(Struct, frozen=True, kw_only=True):
    """The person opened a message or followed its link."""

    envelope: Envelope
    action_id: str
    message_channel: str
    provider_message_id: str | None = None


class OrderCancelled(Struct, frozen=True, kw_only=True):
    """A whole order was cancelled."""

    envelope: Envelope
    order_id: str
    reason: str | None = None


class OrderPlaced(Struct, frozen=True, kw_only=True):
    """A person ordered: EC, app, call centre or staff terminal."""

    envelope: Envelope
    order_id: str
    lines: tuple[OrderLine, ...]
    total_minor: int
    currency: str
    fulfilment: Fulfilment = Fulfilment.HOME_DELIVERY
    store_id: str | None = None
    store_name: str | None = None
    cart_id: str | None = None


class PickupCollected(Struct, frozen=True, kw_only=True):
    """The customer collected an order at the store."""

    envelope: Envelope
    order_id: str
    store_id: str


class PickupReady(Struct, frozen=True, kw_only=True):
    """Staff marked an order ready at the pickup store."""

    envelope: Envelope
    order_id: str
    store_id: str
    store_name: str | None = None
    hold_until: int | None = None


class ProductViewed(Struct, frozen=True, kw_only=True):
    """A person looked at a product: page view, app screen or QR scan in a store."""

    envelope: Envelope
    sku: str
    name: str | None = None
    url: str | None = None
    store_id: str | None = None


class ProfileUpdated(Struct, frozen=True, kw_only=True):
    """A person told something about themselves. Absent fields stay as they are."""

    envelope: Envelope
    name: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    preferred_channel: str | None = None


class ReservationReleased(Struct, frozen=True, kw_only=True):
    """A hold ends: collected, cancelled or expired."""

    reservation_id: str
    order_id: str
    sku: str
    location_id: str
    reason: ReleaseReason
    released_at: int


class RulesetActivated(Struct, frozen=True, kw_only=True):
    """From this offset on the partition decides by this ruleset."""

    ruleset_hash: str
    contents: bytes
    activated_by: str
    reason: str
    activated_at: int


class SaleAtTill(Struct, frozen=True, kw_only=True):
    """A sale at a till (POS). Without identifiers it counts for stock only."""

    envelope: Envelope
    receipt_id: str
    store_id: str
    lines: tuple[OrderLine, ...]
    total_minor: int
    currency: str


class SendMessage(Struct, frozen=True, kw_only=True):
    """An action: send this text to this person over this channel."""

    action_id: str
    customer_id: str
    brand: str
    rule: str
    ruleset_hash: str
    trigger_event_id: str
    trigger_received_at: int
    channel: str
    to: str
    subject: str | None = None
    text: str
    purpose: str
    valid_until: int
    on_unknown: OnUnknown = OnUnknown.DROP
    decided_at: int


class StockLevelReported(Struct, frozen=True, kw_only=True):
    """A stock feed reports how many units of a product a location has."""

    envelope: Envelope
    sku: str
    location_id: str
    quantity: int
    basis: StockBasis = StockBasis.ON_HAND
    safety_stock: int | None = None


class StockReserved(Struct, frozen=True, kw_only=True):
    """Units are held for an order line."""

    reservation_id: str
    order_id: str
    customer_id: str
    sku: str
    location_id: str
    quantity: int
    reserved_at: int
    expires_at: int


class StockSold(Struct, frozen=True, kw_only=True):
    """Units left a location by a sale at the till."""

    movement_id: str
    sku: str
    location_id: str
    quantity: int
    sold_at: int


class StoreCheckedIn(Struct, frozen=True, kw_only=True):
    """A known person arrived in a store: app check-in, beacon or card at the door."""

    envelope: Envelope
    store_id: str
    store_name: str | None = None


Record: TypeAlias = (
    AttemptReported
    | CallEnded
    | CartLineAdded
    | CartLineChanged
    | CartLineRemoved
    | ClockTick
    | ConsentGiven
    | ConsentWithdrawn
    | DeadLetter
    | Decision
    | IdentifierClaimed
    | IdentifierLinked
    | InquiryClosed
    | InquiryMessageAdded
    | InquiryOpened
    | MessageDelivered
    | MessageFailed
    | MessageOpened
    | OrderCancelled
    | OrderPlaced
    | PickupCollected
    | PickupReady
    | ProductViewed
    | ProfileUpdated
    | ReservationReleased
    | RulesetActivated
    | SaleAtTill
    | SendMessage
    | StockLevelReported
    | StockReserved
    | StockSold
    | StoreCheckedIn
)
"""Anything that travels in a topic."""


ChannelEvent: TypeAlias = (
    CallEnded
    | CartLineAdded
    | CartLineChanged
    | CartLineRemoved
    | ConsentGiven
    | ConsentWithdrawn
    | InquiryClosed
    | InquiryMessageAdded
    | InquiryOpened
    | MessageDelivered
    | MessageFailed
    | MessageOpened
    | OrderCancelled
    | OrderPlaced
    | PickupCollected
    | PickupReady
    | ProductViewed
    | ProfileUpdated
    | SaleAtTill
    | StockLevelReported
    | StoreCheckedIn
)
"""What carries an envelope."""


PersonEvent: TypeAlias = (
    CallEnded
    | CartLineAdded
    | CartLineChanged
    | CartLineRemoved
    | ConsentGiven
    | ConsentWithdrawn
    | InquiryClosed
    | InquiryMessageAdded
    | InquiryOpened
    | MessageDelivered
    | MessageFailed
    | MessageOpened
    | OrderCancelled
    | OrderPlaced
    | PickupCollected
    | PickupReady
    | ProductViewed
    | ProfileUpdated
    | SaleAtTill
    | StoreCheckedIn
)
"""What happened to a person: an event of a customer's log."""


CustomerEvent: TypeAlias = (
    ProductViewed
    | CartLineAdded
    | CartLineRemoved
    | CartLineChanged
    | OrderPlaced
    | OrderCancelled
    | PickupReady
    | PickupCollected
    | CallEnded
    | StoreCheckedIn
    | SaleAtTill
    | InquiryOpened
    | InquiryMessageAdded
    | InquiryClosed
    | ProfileUpdated
    | ConsentGiven
    | ConsentWithdrawn
    | MessageDelivered
    | MessageOpened
    | MessageFailed
    | IdentifierLinked
    | ClockTick
    | RulesetActivated
)
"""A record of the topic customer-events."""


DeliveryOutcome: TypeAlias = AttemptReported | ClockTick
"""A record of the topic delivery-outcomes."""


InventoryEvent: TypeAlias = StockLevelReported | StockReserved | ReservationReleased | StockSold | ClockTick
"""A record of the topic inventory-events."""


RECORD_TYPES: dict[str, type[Record]] = {
    "AttemptReported": AttemptReported,
    "CallEnded": CallEnded,
    "CartLineAdded": CartLineAdded,
    "CartLineChanged": CartLineChanged,
    "CartLineRemoved": CartLineRemoved,
    "ClockTick": ClockTick,
    "ConsentGiven": ConsentGiven,
    "ConsentWithdrawn": ConsentWithdrawn,
    "DeadLetter": DeadLetter,
    "Decision": Decision,
    "IdentifierClaimed": IdentifierClaimed,
    "IdentifierLinked": IdentifierLinked,
    "InquiryClosed": InquiryClosed,
    "InquiryMessageAdded": InquiryMessageAdded,
    "InquiryOpened": InquiryOpened,
    "MessageDelivered": MessageDelivered,
    "MessageFailed": MessageFailed,
    "MessageOpened": MessageOpened,
    "OrderCancelled": OrderCancelled,
    "OrderPlaced": OrderPlaced,
    "PickupCollected": PickupCollected,
    "PickupReady": PickupReady,
    "ProductViewed": ProductViewed,
    "ProfileUpdated": ProfileUpdated,
    "ReservationReleased": ReservationReleased,
    "RulesetActivated": RulesetActivated,
    "SaleAtTill": SaleAtTill,
    "SendMessage": SendMessage,
    "StockLevelReported": StockLevelReported,
    "StockReserved": StockReserved,
    "StockSold": StockSold,
    "StoreCheckedIn": StoreCheckedIn,
}
