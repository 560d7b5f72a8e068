"""What is on the shelf of each location, and what of it is promised. Partition key: SKU.

on_hand = the latest count by event time, less the units that left since; reserved = the sum of the open reservations;
available_to_promise = on_hand - reserved - safety_stock.

A count is absolute: units that left at or before it are in it, units that left after it are subtracted again. Counts
and movements are therefore never added up twice, in whatever order they arrive. Of two counts at the same millisecond
the smaller stands. A feed that reports SALABLE units has subtracted the reservations open at its count.

The stock row does not depend on the order in which counts, sales, reservations and releases arrive. Time limits it:

- A movement's row lives until a newer count contains it, or for 30 days; a sale or collection that arrives more than
  30 days late is not counted, because a repeat of it could no longer be told from news. After that a count from
  before a swept movement is ignored.
- A released reservation's row lives for 30 days, so that repeats and a reservation that arrives after its release
  hold nothing. One that arrives later still is held until it expires.

Both rows are timers (``due``): :func:`expire`, called on a tick, ends holds and sweeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, get_args

from msgspec.structs import replace

from schemas.events import (
    ReleaseReason,
    ReservationReleased,
    StockBasis,
    StockLevelReported,
    StockReserved,
    StockSold,
)
from schemas.rows import MovementRow, ReservationRow, StockRow
from tables.keys import children, time_key
from tables.view import Table, View

KEEP_MS: Final = 30 * 86_400_000
"""How long movements and released reservations are remembered."""

STOCK = Table("stock", StockRow)
RESERVATIONS = Table("reservations", ReservationRow, due=lambda row: row.due_ms)
MOVEMENTS = Table("movements", MovementRow, due=lambda row: row.at_ms + KEEP_MS)

StockEvent: TypeAlias = StockLevelReported | StockReserved | ReservationReleased | StockSold
STOCK_EVENTS: Final[tuple[type, ...]] = get_args(StockEvent)

# What is surer about the end of a hold: the goods are gone, somebody cancelled, a timer ran out.
_SURER: Final = {ReleaseReason.EXPIRED: 0, ReleaseReason.CANCELLED: 1, ReleaseReason.COLLECTED: 2}


@dataclass(frozen=True, slots=True)
class Expired:
    """What :func:`expire` did; when ``fired`` equals the limit there may be more."""

    released: tuple[tuple[str, str], ...]
    """(SKU, reservation id) of the holds that ended."""
    swept: int
    """Rows of old movements and old releases that were removed."""

    @property
    def fired(self) -> int:
        """Timers that fired."""
        return len(self.released) + self.swept


def fold(view: View, event: StockEvent, now_ms: int) -> None:
    """Fold one event into the stock of its SKU. ``now_ms`` dates what is remembered, never what is on the shelf."""
    match event:
        case StockLevelReported():
            _count(view, event)
        case StockReserved():
            _reserve(view, event, now_ms)
        case ReservationReleased():
            _release(view, event, now_ms)
        case StockSold():
            movement = MovementRow(event.location_id, event.sold_at, event.quantity)
            _move(view, event.sku, event.movement_id, movement, now_ms)
        case _:
            assert_never(event)


def expire(view: View, up_to_ms: int, limit: int) -> Expired:
    """Fire the timers due at or before ``up_to_ms``, at most ``limit``: holds that end, then rows to sweep.

    A hold that ends gives its units back and stays, released, for another 30 days.
    """
    released: list[tuple[str, str]] = []
    swept = 0
    for sku, key, row in view.due(RESERVATIONS, up_to_ms, limit):
        if row.released_as is None:
            _end(view, sku, key, row, ReleaseReason.EXPIRED, at_ms=row.due_ms or up_to_ms, now_ms=up_to_ms)
            released.append((sku, _reservation_id(key, row)))
        else:
            view.delete(RESERVATIONS, sku, key)
            swept += 1
    remaining = limit - len(released) - swept
    for sku, key, movement in view.due(MOVEMENTS, up_to_ms, remaining) if remaining else ():
        view.delete(MOVEMENTS, sku, key)
        stock = _stock(view, sku, movement.location_id)
        settled = max(stock.settled_to_ms, movement.at_ms)
        view.put(STOCK, sku, movement.location_id, replace(stock, settled_to_ms=settled))
        swept += 1
    return Expired(tuple(released), swept)


def _stock(view: View, sku: str, location_id: str) -> StockRow:
    return view.get(STOCK, sku, location_id) or StockRow()


def _count(view: View, event: StockLevelReported) -> None:
    at = event.envelope.occurred_at
    sku, location_id = event.sku, event.location_id
    stock = _stock(view, sku, location_id)
    if event.safety_stock is not None and (at, event.safety_stock) > (stock.safety_at_ms, stock.safety_stock):
        stock = replace(stock, safety_stock=max(0, event.safety_stock), safety_at_ms=at)
    less = (event.quantity, event.basis) < (stock.reported_quantity, stock.basis)
    newer = at > stock.as_of_ms or (at == stock.as_of_ms and less)
    if newer and at >= stock.settled_to_ms:
        stock = replace(
            stock,
            reported_quantity=event.quantity,
            basis=event.basis,
            as_of_ms=at,
            moved_since=_absorb(view, sku, location_id, at),
        )
        stock = replace(stock, held_at_count=_held_at_location(view, sku, location_id, stock))
    view.put(STOCK, sku, location_id, stock)


def _absorb(view: View, sku: str, location_id: str, count_at_ms: int) -> int:
    """Forget the movements that the count contains; the units that left after it."""
    left = 0
    for key, row in list(view.range(MOVEMENTS, sku, *children(location_id))):
        if row.location_id != location_id:
            continue
        if row.at_ms <= count_at_ms:
            view.delete(MOVEMENTS, sku, key)
        else:
            left += row.quantity
    return left


def _move(view: View, sku: str, movement_id: str, movement: MovementRow, now_ms: int) -> None:
    """Units left the location (negative: came back), unless that is known, counted already, or too old to tell."""
    stock = _stock(view, sku, movement.location_id)
    key = f"{movement.location_id}/{time_key(movement.at_ms)}/{movement_id}"
    if (
        movement.at_ms <= stock.as_of_ms
        or movement.at_ms + KEEP_MS <= now_ms
        or view.get(MOVEMENTS, sku, key) is not None
    ):
        return
    view.put(MOVEMENTS, sku, key, movement)
    view.put(STOCK, sku, movement.location_id, replace(stock, moved_since=stock.moved_since + movement.quantity))


def _reserve(view: View, event: StockReserved, now_ms: int) -> None:
    if event.quantity < 1:
        return
    sku, key = event.sku, f"{event.location_id}/{event.reservation_id}"
    row = view.get(RESERVATIONS, sku, key)
    if row is None:
        at = event.reserved_at
        row = ReservationRow(
            event.location_id, event.order_id, event.quantity, at, event.expires_at, event.quantity, at
        )
        _put(view, sku, key, None, row)
    elif not row.units:  # its release came first
        at = event.reserved_at
        arrived = replace(row, units=event.quantity, reserved_at_ms=at, stated_at_ms=at)
        _put(view, sku, key, row, arrived)
        if row.released_as is ReleaseReason.COLLECTED:
            _collect(view, sku, key, arrived, now_ms)
    else:
        earliest = min(row.reserved_at_ms, event.reserved_at)
        _put(view, sku, key, row, _held_until(replace(row, reserved_at_ms=earliest), event, now_ms))


def _held_until(row: ReservationRow, event: StockReserved, now_ms: int) -> ReservationRow:
    """A later word on a known hold moves its end; it takes back an end by timer, unless the new one is past too."""
    later = replace(row, due_ms=event.expires_at, stated_at_ms=event.reserved_at)
    if row.released_as is None:
        return later if event.reserved_at >= row.stated_at_ms else row
    if row.released_as is ReleaseReason.EXPIRED and event.reserved_at > row.stated_at_ms and event.expires_at > now_ms:
        return replace(later, quantity=row.units, released_as=None, released_at_ms=0)
    return row


def _release(view: View, event: ReservationReleased, now_ms: int) -> None:
    key = f"{event.location_id}/{event.reservation_id}"
    row = view.get(RESERVATIONS, event.sku, key)
    if row is None:
        row = ReservationRow(event.location_id, event.order_id, quantity=0, reserved_at_ms=0, due_ms=None)
    _end(view, event.sku, key, row, event.reason, at_ms=event.released_at, now_ms=now_ms)


def _end(
    view: View, sku: str, key: str, row: ReservationRow, reason: ReleaseReason, *, at_ms: int, now_ms: int
) -> None:
    """End the hold, unless it has ended for a reason at least as sure; collected units also leave the shelf."""
    if row.released_as is not None and _SURER[reason] <= _SURER[row.released_as]:
        return
    ended = replace(row, quantity=0, due_ms=max(at_ms, now_ms) + KEEP_MS, released_as=reason, released_at_ms=at_ms)
    _put(view, sku, key, row, ended)
    if reason is ReleaseReason.COLLECTED and row.units:
        _collect(view, sku, key, ended, now_ms)


def _collect(view: View, sku: str, key: str, row: ReservationRow, now_ms: int) -> None:
    movement = MovementRow(row.location_id, row.released_at_ms, row.units)
    _move(view, sku, _reservation_id(key, row), movement, now_ms)


def _reservation_id(key: str, row: ReservationRow) -> str:
    return key.removeprefix(f"{row.location_id}/")


def _put(view: View, sku: str, key: str, before: ReservationRow | None, after: ReservationRow) -> None:
    """Write the reservation and carry what it changes into the stock row."""
    if before == after:
        return
    view.put(RESERVATIONS, sku, key, after)
    stock = _stock(view, sku, after.location_id)
    reserved = stock.reserved + after.quantity - (before.quantity if before else 0)
    held = stock.held_at_count + _held(after, stock) - (_held(before, stock) if before else 0)
    view.put(STOCK, sku, after.location_id, replace(stock, reserved=reserved, held_at_count=held))


def _held(row: ReservationRow, stock: StockRow) -> int:
    """The units that a salable feed had subtracted for this reservation when it counted; 0 for counts on hand."""
    if stock.basis is not StockBasis.SALABLE or row.reserved_at_ms > stock.as_of_ms:
        return 0
    return 0 if row.released_as is not None and row.released_at_ms <= stock.as_of_ms else row.units


def _held_at_location(view: View, sku: str, location_id: str, stock: StockRow) -> int:
    if stock.basis is not StockBasis.SALABLE:
        return 0
    rows = view.range(RESERVATIONS, sku, *children(location_id))
    return sum(_held(row, stock) for _, row in rows if row.location_id == location_id)
