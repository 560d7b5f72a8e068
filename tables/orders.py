"""What the customer bought, in every channel and at the till, and how far each order is.

News may arrive in any order ("ready" before "placed"): each step keeps the earliest event time it was reported with,
the order consists of what its earliest ``OrderPlaced`` says, and the status is the furthest step. The row does not
depend on the order of arrival, with one exception: what ``OrderPlaced`` leaves open of the store's id and name is
filled by the first other step that names it.

Pickup orders and till sales concern the shelf, which lives in the partitions of the SKUs: :func:`stock_records`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, get_args

import msgspec
from msgspec.structs import replace

from schemas.events import (
    Fulfilment,
    OrderCancelled,
    OrderLine,
    OrderPlaced,
    PickupCollected,
    PickupReady,
    ReleaseReason,
    ReservationReleased,
    SaleAtTill,
    StockReserved,
    StockSold,
)
from schemas.identifiers import derived_id
from schemas.rows import OrderRow
from tables.persons import is_anonymous
from tables.view import Rows, Table

ORDERS = Table("orders", OrderRow)

HOLD_MS: Final = 7 * 86_400_000
"""How long a pickup order holds its units from the time it was placed, unless the store says otherwise."""

OrderEvent: TypeAlias = OrderPlaced | OrderCancelled | PickupReady | PickupCollected | SaleAtTill
ORDER_EVENTS: Final[tuple[type, ...]] = get_args(OrderEvent)
StockRecord: TypeAlias = StockReserved | ReservationReleased | StockSold


@dataclass(frozen=True, slots=True)
class Totals:
    """Orders that stand (till sales included, cancelled ones not) and what was paid, in minor units per currency."""

    orders: int
    spent_minor: dict[str, int]


def row_key(event: OrderEvent) -> str:
    """Row key of the order that the event is about."""
    if isinstance(event, SaleAtTill):
        return f"till/{event.envelope.source}/{event.receipt_id}"
    return event.order_id


def fold(rows: Rows[OrderRow], event: OrderEvent, now_ms: int) -> None:
    """Fold one event into its order.

    A till sale that names nobody is nobody's order: it leaves no row and counts for stock only. ``now_ms`` decides
    nothing: orders go by event time.
    """
    if isinstance(event, SaleAtTill) and is_anonymous(event.envelope):
        return
    key = row_key(event)
    at = max(1, event.envelope.occurred_at)  # 0 in a row means: not seen yet
    row = rows.get(key) or OrderRow(event.receipt_id if isinstance(event, SaleAtTill) else event.order_id)
    match event:
        case OrderPlaced() | SaleAtTill():
            row = _placed(row, _told_by(event, at))
        case OrderCancelled():
            row = replace(row, cancelled_at_ms=_earliest(row.cancelled_at_ms, at))
        case PickupReady():
            row = replace(row, ready_at_ms=_earliest(row.ready_at_ms, at))
            row = _held_until(_at_store(row, event.store_id, event.store_name), event.hold_until, at)
        case PickupCollected():
            row = replace(row, collected_at_ms=_earliest(row.collected_at_ms, at))
            row = _at_store(row, event.store_id, None)
        case _:
            assert_never(event)
    rows.put(row, key)


def totals(rows: Rows[OrderRow]) -> Totals:
    """Count and spend of the orders that stand. Reads every order of the customer: for views, not for each event."""
    orders = 0
    spent: dict[str, int] = {}
    for _, row in rows.range():
        if row.placed_at_ms and not row.cancelled_at_ms:
            orders += 1
            spent[row.currency] = spent.get(row.currency, 0) + row.total_minor
    return Totals(orders, spent)


def stock_records(before: OrderRow | None, after: OrderRow | None, event: OrderEvent) -> list[StockRecord]:
    """What the partitions of the SKUs must hear, given the order's row before and after ``event`` was folded.

    Each goes to the partition of its ``sku``. Lines of one SKU are one record; ids are derived from the order or
    receipt and the SKU, so a record sent twice changes nothing.

    - A pickup order reserves at its store until the store's ``hold_until``, else for 7 days from the order; a newer
      ``hold_until`` moves the end by reserving again under the same id. Cancelled releases; collected releases with
      COLLECTED, whatever was said about cancelling, because the goods are gone. An order known to be cancelled before
      it is known to be placed reserves nothing. If an order number is placed twice with different lines, which is the
      source's fault, the holds are those of the one that arrived first.
    - A till sale takes its units off the shelf. A repeat that names a person is not sent again (the order is known);
      one that names nobody is, and the movement id stops it.
    - Home deliveries leave from warehouses that report their own stock: nothing is sent.
    """
    if isinstance(event, SaleAtTill):
        return _sold(event) if before is None else []
    if after is None or not _held_at_store(after):
        return []
    # Before an order is known well enough to hold units, no step of it has been told to anybody.
    told = before if before is not None and _held_at_store(before) else OrderRow(after.order_id)
    held = bool(told.placed_at_ms) and not told.cancelled_at_ms
    if after.collected_at_ms:
        if told.collected_at_ms:
            return []
        released = _released(after, ReleaseReason.COLLECTED)
        # The shelf learns the units from the reservation, which a cancelled order may never have made.
        return released if held else [*_reserved(after, event, after.placed_at_ms), *released]
    if after.cancelled_at_ms:
        return _released(after, ReleaseReason.CANCELLED) if held else []
    if not held:
        return _reserved(after, event, after.placed_at_ms)
    if after.hold_until_ms != told.hold_until_ms:
        return _reserved(after, event, max(after.hold_at_ms, after.placed_at_ms + 1))
    return []


def _told_by(event: OrderPlaced | SaleAtTill, at_ms: int) -> OrderRow:
    """The order as this event alone tells it. What a till sells leaves with the customer: a pickup, collected."""
    row = OrderRow(
        order_id="",
        channel=event.envelope.channel,
        brand=event.envelope.brand,
        placed_at_ms=at_ms,
        total_minor=event.total_minor,
        currency=event.currency,
        store_id=event.store_id,
        lines=event.lines,
    )
    if isinstance(event, OrderPlaced):
        return replace(row, order_id=event.order_id, fulfilment=event.fulfilment, store_name=event.store_name)
    return replace(row, order_id=event.receipt_id, fulfilment=Fulfilment.STORE_PICKUP, collected_at_ms=at_ms)


def _placed(row: OrderRow, told: OrderRow) -> OrderRow:
    """The row with what ``told`` says of the order, unless an earlier word is known."""
    if row.placed_at_ms and _content(row) <= _content(told):
        return row
    same_store = told.store_id in (None, row.store_id)
    return replace(
        told,
        ready_at_ms=row.ready_at_ms,
        collected_at_ms=_earliest(row.collected_at_ms, told.collected_at_ms),
        cancelled_at_ms=row.cancelled_at_ms,
        store_id=told.store_id or row.store_id,
        store_name=told.store_name or (row.store_name if same_store else None),
        hold_until_ms=row.hold_until_ms,
        hold_at_ms=row.hold_at_ms,
    )


def _content(row: OrderRow) -> tuple[int, bytes]:
    """Orders two words on one order: by event time; at the same millisecond by content, to be the same always."""
    rest = (row.channel, row.brand, row.total_minor, row.currency, row.fulfilment, row.lines)
    return row.placed_at_ms, msgspec.msgpack.encode(rest)


def _at_store(row: OrderRow, store_id: str, store_name: str | None) -> OrderRow:
    """Fill the store where the order did not name it."""
    if row.store_id not in (None, store_id):
        return row
    return replace(row, store_id=store_id, store_name=row.store_name or store_name)


def _held_until(row: OrderRow, hold_until: int | None, at_ms: int) -> OrderRow:
    if hold_until is None or (at_ms, hold_until) <= (row.hold_at_ms, row.hold_until_ms):
        return row
    return replace(row, hold_until_ms=hold_until, hold_at_ms=at_ms)


def _earliest(known_ms: int, at_ms: int) -> int:
    """The earlier of two event times of which 0 means: not seen yet."""
    return min(known_ms, at_ms) if known_ms and at_ms else known_ms or at_ms


def _held_at_store(row: OrderRow) -> bool:
    """Whether the order is known well enough to hold units for it."""
    return bool(row.placed_at_ms) and row.fulfilment is Fulfilment.STORE_PICKUP and row.store_id is not None


def _units(lines: Iterable[OrderLine]) -> list[tuple[str, int]]:
    """(SKU, units) with the lines of one SKU added up, by SKU; those that add up to nothing are left out."""
    units: dict[str, int] = {}
    for line in lines:
        units[line.sku] = units.get(line.sku, 0) + line.quantity
    return [(sku, quantity) for sku, quantity in sorted(units.items()) if quantity]


def _reservation_id(order: OrderRow, sku: str) -> str:
    return derived_id("reservation", order.order_id, sku)


def _reserved(order: OrderRow, event: OrderEvent, stated_at_ms: int) -> list[StockRecord]:
    return [
        StockReserved(
            reservation_id=_reservation_id(order, sku),
            order_id=order.order_id,
            customer_id=event.envelope.customer_id or "",
            sku=sku,
            location_id=order.store_id or "",
            quantity=quantity,
            reserved_at=stated_at_ms,
            expires_at=order.hold_until_ms or order.placed_at_ms + HOLD_MS,
        )
        for sku, quantity in _units(order.lines)
        if quantity > 0
    ]


def _released(order: OrderRow, reason: ReleaseReason) -> list[StockRecord]:
    return [
        ReservationReleased(
            reservation_id=_reservation_id(order, sku),
            order_id=order.order_id,
            sku=sku,
            location_id=order.store_id or "",
            reason=reason,
            released_at=order.collected_at_ms if reason is ReleaseReason.COLLECTED else order.cancelled_at_ms,
        )
        for sku, quantity in _units(order.lines)
        if quantity > 0
    ]


def _sold(event: SaleAtTill) -> list[StockRecord]:
    return [
        StockSold(
            movement_id=derived_id("sale", event.envelope.source, event.receipt_id, sku),
            sku=sku,
            location_id=event.store_id,
            quantity=quantity,
            sold_at=event.envelope.occurred_at,
        )
        for sku, quantity in _units(event.lines)
    ]
