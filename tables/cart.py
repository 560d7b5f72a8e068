"""What is in the customer's one cart, over all channels and cart ids.

A line is a function of the set of its events, not of their order: the latest word that sets it (a new total, a removal,
a purchase) plus the units added after that word. A word and units at the same millisecond: the word stands, of two
words the smaller quantity. A purchase in any channel, the till included, sets the bought SKUs to zero, however many
units were bought and whatever cart they lay in; it leaves a row of quantity 0, so that an addition from before the
purchase, arriving late, does not bring the line back.

The result does not depend on the order of arrival, except where a row forgets:

- More than 32 additions to one line after its last word: the oldest becomes part of the base, as if it were a word. An
  addition or a word from before it, arriving after this, is ignored.
- More than 100 lines, those of quantity 0 included: the one changed longest ago is dropped, quantity 0 first. A late
  event of a dropped line is folded as if it were the first.
- The same event twice counts twice: tables.profile.seen_before keeps repeats away from here, within its bounds.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from typing import Final, TypeAlias, assert_never, get_args

from msgspec.structs import replace

from schemas.events import CartLineAdded, CartLineChanged, CartLineRemoved, OrderLine, OrderPlaced, SaleAtTill
from schemas.rows import CartLineRow
from tables.persons import is_anonymous
from tables.view import Rows, Table

CART = Table("cart", CartLineRow)

MAX_LINES: Final = 100
MAX_ADDITIONS: Final = 32

CartEvent: TypeAlias = CartLineAdded | CartLineChanged | CartLineRemoved | OrderPlaced | SaleAtTill
CART_EVENTS: Final[tuple[type, ...]] = get_args(CartEvent)

_NOTHING: Final = CartLineRow(
    cart_id="", unit_price_minor=0, currency="", name=None, url=None, base_quantity=0, base_at_ms=0
)


def fold(rows: Rows[CartLineRow], event: CartEvent, now_ms: int) -> None:
    """Fold one event into the customer's cart; see the module for what stands when events contradict each other.

    Additions of less than one unit and bought quantities of less than one unit (a return at the till) change nothing; a
    till sale that names nobody is nobody's cart. ``now_ms`` decides nothing: the cart goes by event time.
    """
    at = event.envelope.occurred_at
    match event:
        case CartLineAdded():
            if event.line.quantity > 0:
                row = _described(rows.get(event.line.sku) or _NOTHING, event.cart_id, event.line, at)
                _put(rows, {event.line.sku: _added(row, event.line.quantity, at)})
        case CartLineChanged():
            row = _described(rows.get(event.line.sku) or _NOTHING, event.cart_id, event.line, at)
            _put(rows, {event.line.sku: _set(row, max(0, event.line.quantity), at)})
        case CartLineRemoved():
            _put(rows, {event.sku: _set(rows.get(event.sku) or _NOTHING, 0, at)})
        case OrderPlaced():
            _put(rows, _bought(rows, event.lines, at))
        case SaleAtTill():
            if not is_anonymous(event.envelope):
                _put(rows, _bought(rows, event.lines, at))
        case _:
            assert_never(event)


def lines(rows: Rows[CartLineRow]) -> list[tuple[str, CartLineRow]]:
    """(SKU, line) of what is in the cart now, by SKU."""
    return [(sku, row) for sku, row in rows.range() if row.quantity > 0]


def _added(row: CartLineRow, units: int, at_ms: int) -> CartLineRow:
    row = replace(row, changed_at_ms=max(row.changed_at_ms, at_ms))
    if at_ms <= row.base_at_ms:
        return row
    additions = list(row.added)
    insort(additions, (at_ms, units))
    row = replace(row, added=tuple(additions))
    if len(additions) <= MAX_ADDITIONS:
        return row
    oldest_at = additions[0][0]
    oldest_units = sum(units for added_at, units in additions if added_at == oldest_at)
    return _since(row, row.base_quantity + oldest_units, oldest_at)


def _set(row: CartLineRow, quantity: int, at_ms: int) -> CartLineRow:
    row = replace(row, changed_at_ms=max(row.changed_at_ms, at_ms))
    if at_ms < row.base_at_ms:
        return row
    if at_ms == row.base_at_ms:
        return replace(row, base_quantity=min(row.base_quantity, quantity))
    return _since(row, quantity, at_ms)


def _since(row: CartLineRow, quantity: int, at_ms: int) -> CartLineRow:
    """The line from a new base on: additions up to it are gone."""
    added = tuple(entry for entry in row.added if entry[0] > at_ms)
    return replace(row, base_quantity=quantity, base_at_ms=at_ms, added=added)


def _described(row: CartLineRow, cart_id: str, line: OrderLine, at_ms: int) -> CartLineRow:
    """Cart id, price and names of the latest line; of two at the same millisecond the greater."""
    described = replace(
        row,
        described_at_ms=at_ms,
        cart_id=cart_id,
        unit_price_minor=line.unit_price_minor,
        currency=line.currency,
        name=line.name,
        url=line.url,
    )
    return described if _description(described) > _description(row) else row


def _description(row: CartLineRow) -> tuple[int, str, int, str, bool, str, bool, str]:
    return (
        row.described_at_ms,
        row.cart_id,
        row.unit_price_minor,
        row.currency,
        row.name is not None,
        row.name or "",
        row.url is not None,
        row.url or "",
    )


def _bought(rows: Rows[CartLineRow], bought: Iterable[OrderLine], at_ms: int) -> dict[str, CartLineRow]:
    skus = {line.sku for line in bought if line.quantity > 0}
    return {sku: _set(rows.get(sku) or _NOTHING, 0, at_ms) for sku in sorted(skus)}


def _put(rows: Rows[CartLineRow], changed: dict[str, CartLineRow]) -> None:
    """Write the lines; when one is new, drop those beyond the bound."""
    grown = False
    for sku, row in changed.items():
        grown = grown or rows.get(sku) is None
        rows.put(row, sku)
    if not grown:
        return
    known = list(rows.range())
    if len(known) > MAX_LINES:
        known.sort(key=lambda item: (item[1].quantity > 0, item[1].changed_at_ms, item[0]))
        for sku, _ in known[: len(known) - MAX_LINES]:
            rows.delete(sku)
