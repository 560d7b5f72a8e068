"""Orders in every order of arrival, and what they do to the shelf."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Fulfilment, OrderCancelled, OrderLine, OrderPlaced, PickupCollected, PickupReady, SaleAtTill
from schemas.rows import StockRow
from tables import inventory, orders
from tables.view import DictView, Rows
from tests.builders import MEMBER
from tests.strategies import plain_envelopes, records, unhurried

_ENVELOPES = plain_envelopes(
    occurred_at=st.integers(1, 30), source=st.just("pos"), identifiers=st.just(MEMBER), customer_id=st.just("c")
)
_LINES = st.lists(
    records(OrderLine, sku=st.sampled_from(["A", "B"]), quantity=st.integers(1, 3), unit_price_minor=st.integers(0, 9)),
    min_size=1,
    max_size=3,
).map(tuple)
_STORE = {"store_id": st.just("shibuya"), "store_name": st.just("Shibuya")}


def _steps(order_id: str) -> st.SearchStrategy[list[orders.OrderEvent]]:
    """One order (or receipt) with any subset of its steps, some of them said twice."""
    named = st.just(order_id)
    placed = records(
        OrderPlaced,
        envelope=_ENVELOPES,
        order_id=named,
        lines=_LINES,
        currency=st.sampled_from(["JPY", "EUR"]),
        fulfilment=st.sampled_from(Fulfilment),
        **_STORE,
    )
    till = records(SaleAtTill, envelope=_ENVELOPES, receipt_id=named, lines=_LINES, store_id=_STORE["store_id"])
    others = st.one_of(
        records(OrderCancelled, envelope=_ENVELOPES, order_id=named),
        records(PickupReady, envelope=_ENVELOPES, order_id=named, hold_until=st.none() | st.integers(1, 90), **_STORE),
        records(PickupCollected, envelope=_ENVELOPES, order_id=named, store_id=_STORE["store_id"]),
    )
    return st.tuples(
        st.lists(st.one_of(placed, till), max_size=1), st.lists(others, max_size=4), st.integers(1, 2)
    ).map(lambda made: (made[0] + made[1]) * made[2])


_HISTORIES = st.tuples(_steps("O-1"), _steps("O-2")).map(lambda made: made[0] + made[1])


def _folded(events: list[orders.OrderEvent]) -> DictView:
    """The orders of one customer, and the stock that their messages lead to."""
    view = DictView()
    rows = Rows(view, orders.ORDERS, "c")
    for event in events:
        key = orders.row_key(event)
        before = rows.get(key)
        orders.fold(rows, event, 100)
        for record in orders.stock_records(before, rows.get(key), event):
            inventory.fold(view, record, 100)
    return view


def _stock(view: DictView, sku: str) -> StockRow:
    return view.get(inventory.STOCK, sku, "shibuya") or StockRow()


@unhurried
@given(st.data(), _HISTORIES)
def test_orders_and_their_holds_do_not_depend_on_the_order_of_arrival(
    data: st.DataObject, events: list[orders.OrderEvent]
) -> None:
    first, second = _folded(events), _folded(data.draw(st.permutations(events)))

    assert list(Rows(first, orders.ORDERS, "c").range()) == list(Rows(second, orders.ORDERS, "c").range())
    for sku in ("A", "B"):
        assert _stock(first, sku) == _stock(second, sku)
        open_holds = [
            {
                key: (row.quantity, row.due_ms, row.reserved_at_ms)
                for key, row in view.range(inventory.RESERVATIONS, sku)
                if row.released_as is None
            }
            for view in (first, second)
        ]
        assert open_holds[0] == open_holds[1]


@unhurried
@given(_HISTORIES)
def test_totals_and_shelf_follow_the_definition(events: list[orders.OrderEvent]) -> None:
    view = _folded(events)
    spent: dict[str, int] = {}
    count = 0
    reserved = {"A": 0, "B": 0}
    moved = {"A": 0, "B": 0}
    for order_id in ("O-1", "O-2"):
        steps = [e for e in events if not isinstance(e, SaleAtTill) and e.order_id == order_id]
        cancelled = any(isinstance(e, OrderCancelled) for e in steps)
        collected = any(isinstance(e, PickupCollected) for e in steps)
        for placed in [e for e in steps if isinstance(e, OrderPlaced)][:1]:
            if not cancelled:
                count += 1
                spent[placed.currency] = spent.get(placed.currency, 0) + placed.total_minor
            for line in placed.lines if placed.fulfilment is Fulfilment.STORE_PICKUP else ():
                moved[line.sku] += line.quantity if collected else 0
                reserved[line.sku] += 0 if collected or cancelled else line.quantity
        for sale in [e for e in events if isinstance(e, SaleAtTill) and e.receipt_id == order_id][:1]:
            count += 1
            spent[sale.currency] = spent.get(sale.currency, 0) + sale.total_minor
            for line in sale.lines:
                moved[line.sku] += line.quantity

    assert orders.totals(Rows(view, orders.ORDERS, "c")) == orders.Totals(count, spent)
    for sku in ("A", "B"):
        assert (_stock(view, sku).reserved, _stock(view, sku).moved_since) == (reserved[sku], moved[sku])


@unhurried
@given(_HISTORIES)
def test_a_repeat_of_the_whole_history_sends_nothing(events: list[orders.OrderEvent]) -> None:
    """Once everything is known, hearing it again leaves rows and shelf alone."""
    view = _folded(events)
    rows = Rows(view, orders.ORDERS, "c")
    known = dict(view.rows)
    for event in events:
        key = orders.row_key(event)
        before = rows.get(key)
        orders.fold(rows, event, 100)
        assert orders.stock_records(before, rows.get(key), event) == []
    assert view.rows == known
