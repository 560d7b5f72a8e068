"""The independent check: SQL over the source tables against plain loops over them, and over the events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing

import pytest

from ops.demo.expected import Totals, expected_on_hand, expected_totals
from ops.demo.shares import Shares
from ops.demo.tpcds import Dataset, load

END_MS = 1_795_311_017_123


@pytest.fixture(scope="module")
def dataset() -> Iterator[Dataset]:
    """Few customers, many cancellations and anonymous sales."""
    shares = Shares(cancelled=0.4, sale_without_card=0.4, pickup=0.6)
    with closing(load(12, 5, end_ms=END_MS, shares=shares)) as few:
        yield few


def totals_of_events(dataset: Dataset) -> dict[str, Totals]:
    """By looking at each event once, with a map of identifiers."""
    member_of = {
        pair: one.member_id
        for one in dataset.people.values()
        for pair in one.ids("member_id", "email", "phone", "loyalty_card", "line_user_id", "device_id", "cookie")
    }
    cancelled = {event.raw["order_id"] for event in dataset.events if event.raw["type"] == "OrderCancelled"}
    orders, spent = Counter[str](), Counter[str]()
    for event in dataset.events:
        raw = event.raw
        named = [member_of[item["type"], item["value"]] for item in raw["identifiers"]]
        if raw["type"] in ("OrderPlaced", "SaleAtTill") and named and raw.get("order_id") not in cancelled:
            orders[named[0]] += 1
            spent[named[0]] += raw["total_minor"]
    return {
        member: Totals(orders[member], {"USD": spent[member]} if orders[member] else {}) for member in dataset.people
    }


def totals_of_tables(dataset: Dataset) -> dict[str, Totals]:
    """By loops over the raw sales rows."""
    query = dataset.connection.execute
    member_of = dict(query("SELECT customer_sk, member_id FROM demo_customer").fetchall())
    without = {("store", number) for (number,) in query("SELECT number FROM demo_anonymous").fetchall()}
    without |= set(query("SELECT kind, number FROM demo_cancelled").fetchall())
    columns = "ss_ticket_number ss_customer_sk ss_sold_date_sk ss_sold_time_sk ss_quantity ss_sales_price"
    columns += " ss_net_paid_inc_tax"
    paid: dict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for kind, table, prefix in (("store", "store", "ss"), ("web", "web", "ws"), ("catalogue", "catalog", "cs")):
        names = columns.replace("ss_", f"{prefix}_").split()
        if kind != "store":
            names[:2] = [f"{prefix}_order_number", f"{prefix}_bill_customer_sk"]
        for row in query(f"SELECT {', '.join(names)} FROM {table}_sales").fetchall():
            if None not in row and row[1] in member_of and (kind, row[0]) not in without:
                paid[member_of[row[1]]][kind, row[0]] += int(row[-1] * 100)
    return {
        member: Totals(len(paid[member]), {"USD": sum(paid[member].values())} if paid[member] else {})
        for member in dataset.people
    }


def test_totals_agree_with_loops_over_tables_and_events(dataset: Dataset) -> None:
    expected = expected_totals(dataset)

    assert expected == totals_of_tables(dataset)
    assert expected == totals_of_events(dataset)
    assert len(expected) == 12
    query = dataset.connection.execute
    assert query("SELECT count(*) FROM demo_cancelled").fetchone() != (0,)
    assert query("SELECT count(*) FROM demo_anonymous").fetchone() != (0,)


def test_a_lost_order_shows(dataset: Dataset) -> None:
    lost = next(event for event in dataset.events if event.raw["type"] == "SaleAtTill" and event.raw["identifiers"])
    without = Dataset(
        dataset.connection, dataset.window, dataset.people, [event for event in dataset.events if event is not lost]
    )

    assert totals_of_events(without) != expected_totals(dataset)


def test_a_customer_without_any_order_left_has_no_currency() -> None:
    nothing = Shares(cancelled=1, sale_without_card=1, cancelled_after_minutes=(0, 0))
    with closing(load(3, 5, end_ms=END_MS, shares=nothing)) as nobody:
        assert expected_totals(nobody) == dict.fromkeys(nobody.people, Totals(0, {}))


def test_shelves_end_where_the_last_inventory_says(dataset: Dataset) -> None:
    waiting = {}
    shelf: dict[tuple[str, str], int] = {}
    for event in dataset.events:
        raw = event.raw
        if raw["type"] == "StockLevelReported":
            shelf[raw["sku"], raw["location_id"]] = raw["quantity"]
        elif raw["type"] == "OrderPlaced":
            waiting[raw["order_id"]] = raw["lines"]
        elif raw["type"] in ("SaleAtTill", "PickupCollected"):
            for line in raw["lines"] if raw["type"] == "SaleAtTill" else waiting[raw["order_id"]]:
                shelf[line["sku"], raw["store_id"]] -= line["quantity"]
                assert shelf[line["sku"], raw["store_id"]] >= 0

    assert shelf == expected_on_hand(dataset)
    assert len(shelf) > 100
    assert any(event.raw["type"] == "PickupCollected" for event in dataset.events)
