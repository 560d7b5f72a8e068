"""Orders: steps in any order, totals, and the messages to the shelf."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec.structs import replace

from schemas.events import (
    Fulfilment,
    Identifier,
    OrderCancelled,
    OrderPlaced,
    PickupCollected,
    PickupReady,
    ReleaseReason,
    ReservationReleased,
    SaleAtTill,
    StockReserved,
    StockSold,
)
from schemas.rows import OrderRow, OrderStatus
from tables import orders
from tables.orders import HOLD_MS, StockRecord, Totals
from tables.view import DictView, Rows
from tests.builders import MEMBER, envelope, line

PLACED = OrderPlaced(
    envelope=envelope(100),
    order_id="O-1",
    lines=(line("B"), line("A", 2), line("B", 3)),
    total_minor=6_000,
    currency="JPY",
    fulfilment=Fulfilment.STORE_PICKUP,
    store_id="shibuya",
    store_name="Shibuya store",
)
CANCELLED = OrderCancelled(envelope=envelope(300), order_id="O-1")
COLLECTED = PickupCollected(envelope=envelope(400, channel="store"), order_id="O-1", store_id="shibuya")


def ready(at: int, hold_until: int | None = None, store_id: str = "shibuya", name: str | None = None) -> PickupReady:
    where = envelope(at, channel="store")
    return PickupReady(envelope=where, order_id="O-1", store_id=store_id, store_name=name, hold_until=hold_until)


def sale(receipt: str = "R-1", identifiers: tuple[Identifier, ...] = MEMBER, source: str = "pos") -> SaleAtTill:
    return SaleAtTill(
        envelope=envelope(200, channel="store", source=source, identifiers=identifiers),
        receipt_id=receipt,
        store_id="ginza",
        lines=(line("A"), line("A", 2), line("B", -1), line("C", 1), line("C", -1)),
        total_minor=2_000,
        currency="JPY",
    )


@pytest.fixture
def rows() -> Rows[OrderRow]:
    return Rows(DictView(), orders.ORDERS, "c-1")


def tell(rows: Rows[OrderRow], *events: orders.OrderEvent) -> list[StockRecord]:
    """Fold the events; the messages of all of them."""
    records: list[StockRecord] = []
    for event in events:
        key = orders.row_key(event)
        before = rows.get(key)
        orders.fold(rows, event, 1_000)
        records += orders.stock_records(before, rows.get(key), event)
    return records


def known(rows: Rows[OrderRow], key: str = "O-1") -> OrderRow:
    row = rows.get(key)
    assert row is not None
    return row


def said(records: list[StockRecord]) -> list[tuple[str, str, int | str]]:
    """(type, SKU, quantity or reason) of each message."""
    return [
        (type(r).__name__, r.sku, r.reason.value if isinstance(r, ReservationReleased) else r.quantity) for r in records
    ]


def test_ready_before_placed_is_a_ready_order_once_both_are_known(rows: Rows[OrderRow]) -> None:
    tell(rows, ready(200, name="Shibuya"))
    assert known(rows).status is OrderStatus.READY
    assert orders.totals(rows) == Totals(0, {})
    tell(rows, PLACED)
    row = known(rows)
    assert (row.status, row.placed_at_ms, row.ready_at_ms) == (OrderStatus.READY, 100, 200)
    assert (row.store_id, row.store_name, row.total_minor, row.lines) == (
        "shibuya",
        "Shibuya store",
        6_000,
        PLACED.lines,
    )
    assert orders.totals(rows) == Totals(1, {"JPY": 6_000})


def test_each_step_keeps_its_earliest_time(rows: Rows[OrderRow]) -> None:
    tell(rows, PLACED, ready(250), ready(200), ready(300), COLLECTED)
    assert known(rows).ready_at_ms == 200
    assert known(rows).status is OrderStatus.COLLECTED
    tell(rows, CANCELLED)
    assert known(rows).status is OrderStatus.CANCELLED


def test_the_earliest_word_on_an_order_stands(rows: Rows[OrderRow]) -> None:
    later = OrderPlaced(envelope=envelope(150), order_id="O-1", lines=(line("Z"),), total_minor=1, currency="EUR")
    tell(rows, later, PLACED)
    assert (known(rows).placed_at_ms, known(rows).total_minor, known(rows).currency) == (100, 6_000, "JPY")
    tell(rows, later)
    assert known(rows).lines == PLACED.lines


def test_a_store_that_the_order_left_open_is_filled_by_the_next_step(rows: Rows[OrderRow]) -> None:
    without = OrderPlaced(
        envelope=envelope(100),
        order_id="O-1",
        lines=(line("A"),),
        total_minor=1,
        currency="JPY",
        fulfilment=Fulfilment.STORE_PICKUP,
    )
    assert tell(rows, without) == []
    assert said(tell(rows, ready(200, store_id="ueno", name="Ueno"))) == [("StockReserved", "A", 1)]
    assert (known(rows).store_id, known(rows).store_name) == ("ueno", "Ueno")
    # The name of another store is not taken over.
    tell(rows, PLACED)
    assert known(rows).store_name == "Ueno"


def test_the_order_decides_its_store_also_when_it_arrives_last(rows: Rows[OrderRow]) -> None:
    tell(rows, ready(200, store_id="ueno", name="Ueno"), PLACED)
    assert (known(rows).store_id, known(rows).store_name) == ("shibuya", "Shibuya store")
    tell(rows, ready(201, store_id="ueno", name="Ueno"))
    assert (known(rows).store_id, known(rows).store_name) == ("shibuya", "Shibuya store")


@pytest.mark.parametrize(("heard_store", "name"), [("shibuya", "Shibuya"), ("ueno", None)])
def test_a_name_is_kept_with_its_store_only(rows: Rows[OrderRow], heard_store: str, name: str | None) -> None:
    tell(rows, ready(200, store_id=heard_store, name="Shibuya"), replace(PLACED, store_name=None))
    assert (known(rows).store_id, known(rows).store_name) == ("shibuya", name)


def test_an_order_without_a_store_keeps_the_one_heard_before_with_its_name(rows: Rows[OrderRow]) -> None:
    tell(rows, ready(200, store_id="ueno", name="Ueno"), replace(PLACED, store_id=None, store_name=None))
    assert (known(rows).store_id, known(rows).store_name) == ("ueno", "Ueno")


def test_an_order_of_the_first_millisecond_is_placed(rows: Rows[OrderRow]) -> None:
    tell(rows, replace(PLACED, envelope=envelope(0)))
    assert orders.totals(rows).orders == 1
    assert known(rows).placed_at_ms == 1


def test_totals_count_the_till_per_currency_and_leave_out_what_was_cancelled(rows: Rows[OrderRow]) -> None:
    euro = OrderPlaced(envelope=envelope(5), order_id="O-2", lines=(line("A"),), total_minor=70, currency="EUR")
    gone = OrderPlaced(envelope=envelope(6), order_id="O-3", lines=(line("A"),), total_minor=9, currency="EUR")
    tell(rows, PLACED, sale(), sale(), euro, gone, OrderCancelled(envelope=envelope(7), order_id="O-3"))
    assert orders.totals(rows) == Totals(3, {"JPY": 8_000, "EUR": 70})


def test_receipts_of_two_till_systems_are_two_sales(rows: Rows[OrderRow]) -> None:
    tell(rows, sale("R-1", source="pos"), sale("R-1", source="staff-terminal"))
    assert orders.totals(rows).orders == 2
    assert known(rows, "till/pos/R-1").order_id == "R-1"
    assert known(rows, "till/pos/R-1").status is OrderStatus.COLLECTED


def test_a_pickup_order_holds_each_sku_for_seven_days(rows: Rows[OrderRow]) -> None:
    first, second = tell(rows, PLACED)
    assert isinstance(first, StockReserved)
    assert (first.sku, first.quantity, first.location_id, first.customer_id) == ("A", 2, "shibuya", "c-1")
    assert (first.order_id, first.reserved_at, first.expires_at) == ("O-1", 100, 100 + 7 * 86_400_000)
    assert isinstance(second, StockReserved)
    assert (second.sku, second.quantity) == ("B", 4)
    assert first.reservation_id != second.reservation_id


def test_ids_are_the_same_wherever_they_are_derived(rows: Rows[OrderRow]) -> None:
    again = Rows(DictView(), orders.ORDERS, "another customer")
    assert [r.reservation_id for r in tell(again, PLACED) if isinstance(r, StockReserved)] == [
        r.reservation_id for r in tell(rows, PLACED) if isinstance(r, StockReserved)
    ]
    released = tell(rows, CANCELLED)
    assert [r.reservation_id for r in released if isinstance(r, ReservationReleased)] == [
        r.reservation_id for r in tell(Rows(DictView(), orders.ORDERS, "c"), PLACED) if isinstance(r, StockReserved)
    ]


def test_a_cancelled_order_gives_its_units_back_once(rows: Rows[OrderRow]) -> None:
    tell(rows, PLACED)
    records = tell(rows, CANCELLED, CANCELLED)
    assert said(records) == [("ReservationReleased", "A", "CANCELLED"), ("ReservationReleased", "B", "CANCELLED")]
    assert {r.released_at for r in records if isinstance(r, ReservationReleased)} == {300}
    assert {r.location_id for r in records} == {"shibuya"}


def test_an_order_cancelled_before_it_was_placed_holds_nothing(rows: Rows[OrderRow]) -> None:
    assert tell(rows, CANCELLED, PLACED) == []
    assert known(rows).status is OrderStatus.CANCELLED


def test_a_collected_order_takes_its_units_off_the_shelf(rows: Rows[OrderRow]) -> None:
    tell(rows, PLACED)
    assert said(tell(rows, COLLECTED, COLLECTED)) == [
        ("ReservationReleased", "A", "COLLECTED"),
        ("ReservationReleased", "B", "COLLECTED"),
    ]
    assert tell(rows, CANCELLED, ready(500, hold_until=900)) == []


def test_collected_before_placed_holds_and_releases_at_once(rows: Rows[OrderRow]) -> None:
    assert tell(rows, COLLECTED) == []
    assert said(tell(rows, PLACED)) == [
        ("StockReserved", "A", 2),
        ("StockReserved", "B", 4),
        ("ReservationReleased", "A", "COLLECTED"),
        ("ReservationReleased", "B", "COLLECTED"),
    ]


@pytest.mark.parametrize("order", list(permutations((PLACED, CANCELLED, COLLECTED))))
def test_collected_goods_are_gone_although_the_order_was_cancelled(
    rows: Rows[OrderRow], order: tuple[orders.OrderEvent, ...]
) -> None:
    records = [r for r in tell(rows, *order) if r.sku == "A"]
    assert isinstance(records[0], StockReserved)
    assert isinstance(records[-1], ReservationReleased)
    assert records[-1].reason is ReleaseReason.COLLECTED


def test_the_stores_word_moves_the_end_of_the_hold(rows: Rows[OrderRow]) -> None:
    held = tell(rows, PLACED)
    assert tell(rows, ready(150)) == []
    moved = tell(rows, ready(200, hold_until=5_000))
    assert [(r.expires_at, r.reserved_at) for r in moved if isinstance(r, StockReserved)] == [(5_000, 200)] * 2
    assert [r.reservation_id for r in moved if isinstance(r, StockReserved)] == [
        r.reservation_id for r in held if isinstance(r, StockReserved)
    ]
    assert tell(rows, ready(200, hold_until=5_000), ready(180, hold_until=9_000)) == []
    assert known(rows).hold_until_ms == 5_000


def test_the_stores_word_moves_the_hold_also_when_its_clock_is_behind(rows: Rows[OrderRow]) -> None:
    tell(rows, PLACED)
    moved = tell(rows, ready(90, hold_until=5_000))
    assert [(r.expires_at, r.reserved_at) for r in moved if isinstance(r, StockReserved)] == [(5_000, 101)] * 2


def test_the_stores_word_counts_from_the_start_when_it_came_first(rows: Rows[OrderRow]) -> None:
    tell(rows, ready(200, hold_until=5_000))
    assert [(r.expires_at, r.reserved_at) for r in tell(rows, PLACED) if isinstance(r, StockReserved)] == [
        (5_000, 100)
    ] * 2
    assert HOLD_MS != 5_000 - 100


def test_a_home_delivery_touches_no_shelf(rows: Rows[OrderRow]) -> None:
    event = OrderPlaced(envelope=envelope(1), order_id="O-9", lines=(line("A"),), total_minor=1, currency="JPY")
    assert tell(rows, event, OrderCancelled(envelope=envelope(2), order_id="O-9")) == []


def test_a_till_sale_moves_units_once_returns_included(rows: Rows[OrderRow]) -> None:
    records = tell(rows, sale(), sale())
    assert said(records) == [("StockSold", "A", 3), ("StockSold", "B", -1)]
    first = records[0]
    assert isinstance(first, StockSold)
    assert (first.location_id, first.sold_at) == ("ginza", 200)


def test_a_sale_to_nobody_counts_for_stock_only_and_its_repeat_has_the_same_ids(rows: Rows[OrderRow]) -> None:
    first, again = tell(rows, sale(identifiers=())), tell(rows, sale(identifiers=()))
    assert said(first) == [("StockSold", "A", 3), ("StockSold", "B", -1)]
    assert first == again
    assert list(rows.range()) == []
    # The same receipt told again with the customer's card moves nothing twice either.
    assert tell(rows, sale()) == first
