"""From what was bought to what tills, EC site and catalogue desk would have reported around it."""

from __future__ import annotations

from collections.abc import Iterator

from ops.demo.derivation import Derivation, added_to_cart, is_anonymous, is_cancelled, order_line, viewed
from ops.demo.people import Person
from ops.demo.shares import DAY_MS, HOUR_MS, MINUTE_MS
from ops.demo.source import CURRENCY, Purchase
from ops.demo.timed import APP, CATALOGUE_DESK, STAFF, TILL, WEB, Identifiers, Origin, TimedEvent, timed


def web_order(d: Derivation, order: Purchase, person: Person, day: int) -> Iterator[TimedEvent]:
    """Views and cart before, the order, then perhaps a product left in the cart, a pickup or a cancellation."""
    shares, draw, number = d.shares, d.draw, order.number
    at = d.window.at(day, order.clock_ms)
    lines, cart_id = d.lines(order), f"cart-{person.member_id}"
    guest = draw.chance(shares.not_logged_in, "not logged in", number)
    browsing = person.ids("cookie") if guest else person.ids("member_id", "cookie")
    buying = person.ids("email", "cookie") if guest else browsing

    for index, (sold, line) in enumerate(zip(order.lines, lines, strict=True)):
        what = ("web", number, index)
        added_at = at - draw.between(shares.cart_before_order_minutes, "cart", *what) * MINUTE_MS
        if draw.chance(shares.viewed_before_cart, "view", *what):
            viewed_at = added_at - draw.between(shares.view_before_cart_minutes, "viewed", *what) * MINUTE_MS
            yield viewed(d.event_id("view", *what), viewed_at, browsing, d.catalogue[sold.item_sk])
        yield added_to_cart(d.event_id("cart", *what), added_at, browsing, cart_id, line)

    pickup = draw.chance(shares.pickup, "pickup", number)
    store = {"store_id": person.store_id, "store_name": person.store_name} if pickup else {}
    yield timed(
        "OrderPlaced",
        d.event_id("order", "web", number),
        at,
        WEB,
        buying,
        order_id=d.order_id(order),
        lines=lines,
        total_minor=order.paid_minor,
        currency=CURRENCY,
        fulfilment="STORE_PICKUP" if pickup else "HOME_DELIVERY",
        cart_id=cart_id,
        **store,
    )
    if draw.chance(shares.leaves_something, "leaves", number):
        left_at = at + draw.between(shares.left_after_order_minutes, "left", number) * MINUTE_MS
        product = draw.pick(d.shelf, "left", number)
        line = order_line(product, 1, product.price_minor)
        yield added_to_cart(d.event_id("left", "web", number), left_at, browsing, cart_id, line)
    if is_cancelled(d, order):
        yield _cancelled(d, order, at, WEB, buying)
    elif pickup:
        yield from _picked_up(d, order, person, day, buying)


def _picked_up(
    d: Derivation, order: Purchase, person: Person, day: int, identifiers: Identifiers
) -> Iterator[TimedEvent]:
    """Staff mark it ready the next morning; it is collected that afternoon, the day after, or never."""
    number, order_id = order.number, d.order_id(order)
    ready_at = d.window.at(day + 1, 10 * HOUR_MS + d.draw.number("ready", number) % (3 * HOUR_MS))
    yield timed(
        "PickupReady",
        d.event_id("ready", number),
        ready_at,
        STAFF,
        identifiers,
        order_id=order_id,
        store_id=person.store_id,
        store_name=person.store_name,
        hold_until=ready_at + d.shares.pickup_hold_days * DAY_MS,
    )
    if d.draw.chance(d.shares.pickup_never_collected, "never collected", number):
        return
    later = d.draw.between((1, 2), "collected on", number)
    collected_at = d.window.at(day + later, 15 * HOUR_MS + d.draw.number("collected", number) % (5 * HOUR_MS))
    if collected_at <= ready_at:  # the window begins between morning and afternoon, so the afternoon came first
        collected_at += DAY_MS
    handed = {"order_id": order_id, "store_id": person.store_id}
    yield timed("PickupCollected", d.event_id("collected", number), collected_at, STAFF, identifiers, **handed)


def catalogue_order(d: Derivation, order: Purchase, person: Person, day: int) -> Iterator[TimedEvent]:
    """An order taken by the catalogue desk, the caller known by phone number."""
    at = d.window.at(day, order.clock_ms)
    by_number_only = d.draw.chance(d.shares.known_by_number_only, "caller", order.number)
    identifiers = person.ids("phone") if by_number_only else person.ids("member_id", "phone")
    yield timed(
        "OrderPlaced",
        d.event_id("order", "catalogue", order.number),
        at,
        CATALOGUE_DESK,
        identifiers,
        order_id=d.order_id(order),
        lines=d.lines(order),
        total_minor=order.paid_minor,
        currency=CURRENCY,
        fulfilment="HOME_DELIVERY",
    )
    if is_cancelled(d, order):
        yield _cancelled(d, order, at, CATALOGUE_DESK, identifiers)


def store_sale(d: Derivation, sale: Purchase, person: Person, day: int) -> Iterator[TimedEvent]:
    """A receipt at the home store's till, with the loyalty card or anonymous."""
    shares, draw, number = d.shares, d.draw, sale.number
    at, lines, carded = d.window.at(day, sale.clock_ms), d.lines(sale), not is_anonymous(d, sale)
    if carded and draw.chance(shares.tried_in_cart_first, "tried", number):
        begun_at = at - draw.between(shares.cart_before_sale_minutes, "tried at", number) * MINUTE_MS
        shopper, cart_id = person.ids("member_id", "cookie"), f"cart-{person.member_id}"
        for index, line in enumerate(lines[:3]):
            tried_at = begun_at + index * MINUTE_MS
            yield added_to_cart(d.event_id("tried", number, index), tried_at, shopper, cart_id, line)
    if carded and draw.chance(shares.checks_in, "checks in", number):
        arrived_at = at - draw.between(shares.check_in_before_sale_minutes, "checked in", number) * MINUTE_MS
        door = {"store_id": person.store_id, "store_name": person.store_name}
        member = person.ids("member_id", "device_id")
        yield timed("StoreCheckedIn", d.event_id("check-in", number), arrived_at, APP, member, **door)
    yield timed(
        "SaleAtTill",
        d.event_id("sale", number),
        at,
        TILL,
        person.ids("loyalty_card") if carded else (),
        receipt_id=d.order_id(sale),
        store_id=person.store_id,
        lines=lines,
        total_minor=sale.paid_minor,
        currency=CURRENCY,
    )


def _cancelled(d: Derivation, order: Purchase, at: int, origin: Origin, identifiers: Identifiers) -> TimedEvent:
    what = (order.kind, order.number)
    cancelled_at = at + d.draw.between(d.shares.cancelled_after_minutes, "cancelled at", *what) * MINUTE_MS
    said = {"order_id": d.order_id(order), "reason": "changed my mind"}
    return timed("OrderCancelled", d.event_id("cancel", *what), cancelled_at, origin, identifiers, **said)
