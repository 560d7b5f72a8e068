"""Who the customer is: what they told us, where they were seen, where messages reach them.

Every field goes by its own event time: a late fact fills what was not known and never overwrites a later word. At the
same millisecond the greater value stands, so that the order of arrival decides nothing.
"""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias, assert_never, get_args

from msgspec.structs import replace

from schemas.events import (
    CallEnded,
    CartLineAdded,
    CartLineChanged,
    CartLineRemoved,
    ConsentGiven,
    ConsentWithdrawn,
    Envelope,
    IdentifierLinked,
    InquiryClosed,
    InquiryMessageAdded,
    InquiryOpened,
    MessageAuthor,
    MessageDelivered,
    MessageFailed,
    MessageOpened,
    OrderCancelled,
    OrderPlaced,
    PickupCollected,
    PickupReady,
    ProductViewed,
    ProfileUpdated,
    SaleAtTill,
    StoreCheckedIn,
)
from schemas.identifiers import IdentifierType
from schemas.rows import ProfileRow
from tables.persons import is_anonymous, named
from tables.view import Rows, Table

PROFILE = Table("profile", ProfileRow)

DEDUP_WINDOW_MS: Final = 72 * 3_600_000
DEDUP_ENTRIES: Final = 64

_ADDRESS_OF: Final = {
    IdentifierType.EMAIL: "email",
    IdentifierType.PHONE: "sms",
    IdentifierType.LINE_USER_ID: "line",
}
_NOBODY: Final = ProfileRow(brand="", first_seen_ms=0)

ProfileEvent: TypeAlias = (
    CallEnded
    | CartLineAdded
    | CartLineChanged
    | CartLineRemoved
    | ConsentGiven
    | ConsentWithdrawn
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
    | SaleAtTill
    | StoreCheckedIn
)
PROFILE_EVENTS: Final[tuple[type, ...]] = get_args(ProfileEvent)


def seen_before(row: ProfileRow | None, event: ProfileEvent, now_ms: int) -> bool:
    """True when this event (source and event id) was folded within the last 72 hours of ``now_ms``.

    The row remembers at most 64 events: past that the one that arrived first is forgotten before its time
    (:func:`forgets_early`), and a repeat of it is folded again. Then order id, receipt, reservation id and message key
    still protect orders, spend, stock and threads; a repeated ``CartLineAdded`` would count twice. Records without an
    envelope are made by us inside transactions and are never repeats.
    """
    if row is None or isinstance(event, IdentifierLinked):
        return False
    wanted = event_hash(event.envelope.source, event.envelope.event_id)
    return any(known == wanted and now_ms - at < DEDUP_WINDOW_MS for known, at in row.recent_events)


def forgets_early(row: ProfileRow | None, now_ms: int) -> bool:
    """True when folding one more new event drops one that is younger than 72 hours: worth a metric."""
    if row is None or len(row.recent_events) < DEDUP_ENTRIES:
        return False
    return now_ms - row.recent_events[-DEDUP_ENTRIES][1] < DEDUP_WINDOW_MS


def fold(rows: Rows[ProfileRow], event: ProfileEvent, now_ms: int, default_region: str = "JP") -> None:
    """Fold one event into the customer's profile and remember that it was.

    ``default_region`` (ISO 3166 alpha-2): how a phone number without ``+`` is read. A till sale that names nobody
    leaves no profile behind; its receipt number protects the stock against repeats.
    """
    row = rows.get() or _NOBODY
    match event:
        case IdentifierLinked():
            rows.put(replace(row, identifier_types=_with_types(row, [event.identifier_type])))
            return
        case SaleAtTill() if is_anonymous(event.envelope):
            return
        case SaleAtTill() | StoreCheckedIn() | PickupCollected():
            row = _visited(_acted(row, event.envelope), event.store_id, event.envelope.occurred_at)
        case ProfileUpdated():
            row = _told(_acted(row, event.envelope), event)
        case InquiryMessageAdded():
            row = _acted(row, event.envelope) if event.author is MessageAuthor.CUSTOMER else row
        case (
            CallEnded()
            | CartLineAdded()
            | CartLineChanged()
            | CartLineRemoved()
            | ConsentGiven()
            | ConsentWithdrawn()
            | InquiryOpened()
            | OrderPlaced()
            | ProductViewed()
        ):
            row = _acted(row, event.envelope)
        # Done by staff or by us; an open may be a link scanner's, so it does not prove that the person was there.
        case (
            InquiryClosed() | MessageDelivered() | MessageFailed() | MessageOpened() | OrderCancelled() | PickupReady()
        ):
            pass
        case _:
            assert_never(event)
    rows.put(_remembered(_named(row, event.envelope, default_region), event.envelope, now_ms))


def _acted(row: ProfileRow, envelope: Envelope) -> ProfileRow:
    """The person did something in this channel."""
    if row.last_seen_ms.get(envelope.channel, 0) >= envelope.occurred_at:
        return row
    return replace(row, last_seen_ms={**row.last_seen_ms, envelope.channel: envelope.occurred_at})


def _visited(row: ProfileRow, store_id: str, at_ms: int) -> ProfileRow:
    if not _later(at_ms, store_id, row.last_store_at_ms, row.last_store_id):
        return row
    return replace(row, last_store_id=store_id, last_store_at_ms=at_ms)


def _told(row: ProfileRow, event: ProfileUpdated) -> ProfileRow:
    at = event.envelope.occurred_at
    if _later(at, event.name, row.name_at_ms, row.name):
        row = replace(row, name=event.name, name_at_ms=at)
    if _later(at, event.locale, row.locale_at_ms, row.locale):
        row = replace(row, locale=event.locale, locale_at_ms=at)
    if _later(at, event.time_zone, row.time_zone_at_ms, row.time_zone):
        row = replace(row, time_zone=event.time_zone, time_zone_at_ms=at)
    if _later(at, event.preferred_channel, row.preferred_at_ms, row.preferred_channel):
        row = replace(row, preferred_channel=event.preferred_channel, preferred_at_ms=at)
    return row


def _named(row: ProfileRow, envelope: Envelope, default_region: str) -> ProfileRow:
    """First seen, brand, kinds of identifier and message addresses: what any event says about the person."""
    at = envelope.occurred_at
    if not row.first_seen_ms or (at, envelope.brand) < (row.first_seen_ms, row.brand):
        row = replace(row, first_seen_ms=at, brand=envelope.brand)
    identifiers = named(envelope, default_region)
    types = _with_types(row, [kind for kind, _ in identifiers])
    if types != row.identifier_types:
        row = replace(row, identifier_types=types)
    told: set[str] = set()
    for kind, value in identifiers:
        channel = _ADDRESS_OF.get(kind)
        if channel is None or channel in told:
            continue  # of two addresses of one kind on one event the first is taken
        told.add(channel)
        if _later(at, value, row.addresses_at_ms.get(channel, 0), row.addresses.get(channel)):
            row = replace(
                row,
                addresses={**row.addresses, channel: value},
                addresses_at_ms={**row.addresses_at_ms, channel: at},
            )
    return row


def _remembered(row: ProfileRow, envelope: Envelope, now_ms: int) -> ProfileRow:
    new = event_hash(envelope.source, envelope.event_id)
    young = [(known, at) for known, at in row.recent_events if now_ms - at < DEDUP_WINDOW_MS and known != new]
    return replace(row, recent_events=(*young, (new, now_ms))[-DEDUP_ENTRIES:])


def event_hash(source: str, event_id: str) -> bytes:
    """8 bytes that stand for one event of one source in ``recent_events``."""
    return hashlib.blake2b(f"{source}\x00{event_id}".encode(), digest_size=8).digest()


def _with_types(row: ProfileRow, types: list[str]) -> tuple[str, ...]:
    return tuple(sorted({*row.identifier_types, *(str(kind) for kind in types)}))


def _later(at_ms: int, value: str | None, known_at_ms: int, known: str | None) -> bool:
    """Whether ``value``, told at ``at_ms``, replaces what is known; an absent value never does."""
    return value is not None and (known is None or (at_ms, value) > (known_at_ms, known))
