"""The TPC-DS input: customers of three channels whose purchases nobody here wrote, as a list of timed events.

How a run is put together (every made-up share is in :mod:`ops.demo.shares`):

1. The generator fills DuckDB; customers who bought in the store, on the web *and* from the catalogue are candidates,
   the seed chooses among them.
2. Their purchases in real order are spread evenly over the window's days after the first; each keeps its real time of
   day. Purchases years apart that fall on one virtual day are ordered by that time of day.
3. Sign-ups and opening stock counts fill the first day, until ``settled_ms``. A player that waits there until all is
   processed has every identifier linked before an event carries a weak one alone.
4. Carts, views, pickups, cancellations, visits and calls are derived around the purchases; what would fall behind the
   window's end did not happen yet.
5. The opening count of a product in a store is what the generator's last inventory holds plus what leaves that store
   within the window, so shelves end where the generator says and never go below.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.demo.contact import call_after, sign_up
from ops.demo.derivation import Derivation, is_anonymous
from ops.demo.people import Person, person
from ops.demo.shares import HOUR_MS, Draw, Shares
from ops.demo.shopping import catalogue_order, store_sale, web_order
from ops.demo.source import (
    Kind,
    Product,
    Purchase,
    generate,
    last_stock,
    prepare,
    products,
    purchases,
    store_table,
    three_channel_buyers,
)
from ops.demo.timed import STOCK_ROOM, TimedEvent, timed
from ops.demo.window import Window
from schemas.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

_CUSTOMERS_PER_SCALE = 30_000
"""Three-channel buyers at scale factor 1, rounded down (measured: 325 at 0.01, 650 at 0.02, 3,257 at 0.1)."""
MAX_CUSTOMERS = 10_000
MAX_SCALE_FACTOR = 10.0
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Dataset:
    """A generated input.

    ``connection`` holds the source tables and four derived ones that the independent checks join: ``demo_customer``
    (customer_sk, member_id), ``demo_cancelled`` (kind, number), ``demo_anonymous`` (number of the receipt) and
    ``demo_counted`` (item_sk, sku, location_id). Close it when the checks are done.
    """

    connection: duckdb.DuckDBPyConnection
    window: Window
    people: Mapping[str, Person]
    """By member id."""
    events: Sequence[TimedEvent]
    """Sorted by time, then event id; all within the window."""

    @property
    def settled_ms(self) -> int:
        """Sign-ups lie before; whatever needs them, at or after."""
        return self.window.settled_ms

    def close(self) -> None:
        self.connection.close()


def load(
    customers: int,
    seed: int,
    *,
    end_ms: int,
    days: int = 7,
    sf: float | None = None,
    shares: Shares | None = None,
) -> Dataset:
    """``customers`` (1 to 10,000) three-channel customers, their events in the ``days`` (2 to 90) before ``end_ms``.

    ``sf`` is TPC-DS' scale factor; without it the smallest that has enough such customers. 500 customers give about
    19,500 events in 1.5 s and 270 MB; each further 1,000 add 39,000 events, 2 s and 150 MB. Raises
    :class:`ConfigurationError` when the optional packages are missing or a number is out of bounds.
    """
    if not 1 <= customers <= MAX_CUSTOMERS:
        raise ConfigurationError(f"customers is {customers}; give 1 to {MAX_CUSTOMERS}")
    if not 0 <= seed <= MAX_SEED:
        raise ConfigurationError(f"seed is {seed}; give 0 to {MAX_SEED}")
    if sf is not None and not 0 < sf <= MAX_SCALE_FACTOR:
        raise ConfigurationError(f"sf is {sf}; give a scale factor above 0, at most {MAX_SCALE_FACTOR:g}")
    try:
        window = Window(end_ms, days)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    connection = generate(sf or max(0.01, math.ceil(customers * 100 / _CUSTOMERS_PER_SCALE) / 100))
    try:
        return _assemble(connection, customers, Draw(seed), window, shares or Shares())
    except BaseException:
        connection.close()
        raise


def _assemble(
    connection: duckdb.DuckDBPyConnection, customers: int, draw: Draw, window: Window, shares: Shares
) -> Dataset:
    prepare(connection)
    people = _choose(three_channel_buyers(connection), customers, draw, shares)
    bought = purchases(connection, people)
    catalogue = products(connection)
    derivation = Derivation(draw, shares, window, catalogue, tuple(catalogue.values()))

    events = [event for one in people.values() for event in sign_up(derivation, one)]
    cancelled: list[Purchase] = []
    for index, purchase in enumerate(bought):
        day = 1 + index * (window.days - 1) // len(bought)
        around = list(_around(derivation, purchase, people[purchase.customer_sk], day))
        kept = [event for event in around if event.at_ms < window.end_ms]
        if any(event.raw["type"] == "OrderCancelled" for event in kept):
            cancelled.append(purchase)
        events += kept
    anonymous = [purchase for purchase in bought if is_anonymous(derivation, purchase)]
    counts = _opening_counts(derivation, events, last_stock(connection))
    events += counts.values()
    events = sorted((e for e in events if e.at_ms < window.end_ms), key=lambda e: (e.at_ms, e.event_id))

    integer, text = "BIGINT", "VARCHAR"
    people_list = list(people.values())
    tables: dict[str, dict[str, tuple[str, list[int] | list[str]]]] = {
        "demo_customer": {
            "customer_sk": (integer, [one.customer_sk for one in people_list]),
            "member_id": (text, [one.member_id for one in people_list]),
        },
        "demo_cancelled": {
            "kind": (text, [str(purchase.kind) for purchase in cancelled]),
            "number": (integer, [purchase.number for purchase in cancelled]),
        },
        "demo_anonymous": {"number": (integer, [purchase.number for purchase in anonymous])},
        "demo_counted": {
            "item_sk": (integer, [product.item_sk for product, _ in counts]),
            "sku": (text, [product.sku for product, _ in counts]),
            "location_id": (text, [store for _, store in counts]),
        },
    }
    for name, columns in tables.items():
        store_table(connection, name, columns)
    return Dataset(connection, window, {one.member_id: one for one in people_list}, events)


def _choose(candidates: Mapping[int, tuple[str, str]], customers: int, draw: Draw, shares: Shares) -> dict[int, Person]:
    if len(candidates) < customers:
        raise ConfigurationError(
            f"this scale factor has {len(candidates)} customers of three channels, {customers} were asked for; "
            "give a larger sf or none"
        )
    chosen = sorted(candidates, key=lambda key: (draw.number("customer", key), key))[:customers]
    return {key: person(key, *candidates[key], draw, shares) for key in sorted(chosen)}


def _around(d: Derivation, purchase: Purchase, one: Person, day: int) -> Iterator[TimedEvent]:
    match purchase.kind:
        case Kind.WEB:
            yield from web_order(d, purchase, one, day)
        case Kind.CATALOGUE:
            yield from catalogue_order(d, purchase, one, day)
        case Kind.STORE:
            yield from store_sale(d, purchase, one, day)
    yield from call_after(d, purchase, one, day)


def _opening_counts(
    d: Derivation, events: Sequence[TimedEvent], last: Mapping[int, int]
) -> dict[tuple[Product, str], TimedEvent]:
    """One count for each product and store that sells it or hands it over, in the window's first hour."""
    by_sku = {product.sku: product for product in d.catalogue.values()}
    waiting: dict[str, Sequence[Mapping[str, object]]] = {}
    leaving: Counter[tuple[str, str]] = Counter()
    for event in sorted(events, key=lambda e: e.at_ms):
        raw = event.raw
        lines: Sequence[Mapping[str, object]] = ()
        if raw["type"] == "OrderPlaced" and raw["fulfilment"] == "STORE_PICKUP":
            waiting[raw["order_id"]] = raw["lines"]
            leaving.update({(line["sku"], raw["store_id"]): 0 for line in raw["lines"]})
        elif raw["type"] == "SaleAtTill":
            lines = raw["lines"]
        elif raw["type"] == "PickupCollected":
            lines = waiting[raw["order_id"]]
        for line in lines:
            leaving[str(line["sku"]), raw["store_id"]] += int(str(line["quantity"]))
    counts = {}
    for (sku, store), units in sorted(leaving.items()):
        product = by_sku[sku]
        counts[product, store] = timed(
            "StockLevelReported",
            d.event_id("stock", product.item_sk, store),
            d.window.start_ms + d.draw.number("stock", sku, store) % HOUR_MS,
            STOCK_ROOM,
            (),
            sku=sku,
            location_id=store,
            quantity=last.get(product.item_sk, 0) + units,
            basis="ON_HAND",
            safety_stock=d.shares.safety_stock,
        )
    return counts
