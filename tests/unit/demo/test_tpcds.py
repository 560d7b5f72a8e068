"""The TPC-DS input: deterministic, valid, chronological, with the stated shares."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import phonenumbers
import pytest

from ops.demo.shares import DAY_MS, HOUR_MS, MINUTE_MS, Shares
from ops.demo.timed import TimedEvent
from ops.demo.tpcds import Dataset, load
from ops.demo.window import ZONE
from schemas.validation import parse_event

END_MS = 1_795_311_017_123
SHARES = Shares()
BEFORE_PURCHASES = {"ProfileUpdated", "ConsentGiven", "StockLevelReported"}


@pytest.fixture(scope="module")
def dataset() -> Iterator[Dataset]:
    """As many customers as the demo takes by default."""
    with closing(load(500, 7, end_ms=END_MS)) as default:
        yield default


def loaded(customers: int, seed: int, *, end_ms: int = END_MS, **options: Any) -> Dataset:
    """A small input whose source tables are not asked."""
    with closing(load(customers, seed, end_ms=end_ms, **options)) as dataset:
        return dataset


def of(dataset: Dataset, *types: str) -> list[TimedEvent]:
    return [event for event in dataset.events if event.raw["type"] in types]


def local_clock(at_ms: int) -> float:
    """Hours since local midnight."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZONE)
    return local.hour + local.minute / 60 + local.second / 3600


def identifier_types(event: TimedEvent) -> set[str]:
    return {identifier["type"] for identifier in event.raw["identifiers"]}


def assert_share(hits: int, of_all: int, share: float) -> None:
    """Within four standard deviations of the stated share."""
    assert of_all > 100
    assert abs(hits / of_all - share) < 4 * math.sqrt(share * (1 - share) / of_all), f"{hits} of {of_all}, not {share}"


def test_same_seed_same_events_and_another_seed_other_people() -> None:
    first, again, other = (loaded(20, seed) for seed in (1, 1, 2))
    later = loaded(20, 1, end_ms=END_MS + 3 * DAY_MS)

    assert first.events == again.events
    assert {event.event_id for event in first.events}.isdisjoint(event.event_id for event in other.events)
    assert first.people.keys().isdisjoint(other.people)
    assert [(event.event_id, event.at_ms + 3 * DAY_MS) for event in first.events] == [
        (event.event_id, event.at_ms) for event in later.events
    ]


def test_every_event_keeps_the_contract(dataset: Dataset) -> None:
    for event in dataset.events:
        parse_event(event.raw, END_MS)
        assert event.at_ms == event.raw["occurred_at"]


def test_events_are_in_order_of_time_inside_the_window_with_unique_ids(dataset: Dataset) -> None:
    times = [event.at_ms for event in dataset.events]

    assert times == sorted(times)
    assert dataset.window.start_ms <= times[0]
    assert times[-1] < dataset.window.end_ms == END_MS
    assert END_MS - times[-1] < DAY_MS  # the window is filled to its end
    assert len({event.event_id for event in dataset.events}) == len(dataset.events)


def test_before_settled_only_sign_ups_and_counts_and_after_it_neither(dataset: Dataset) -> None:
    for event in dataset.events:
        if event.at_ms < dataset.settled_ms:
            assert event.raw["type"] in BEFORE_PURCHASES | {"ProductViewed"}
        else:
            assert event.raw["type"] not in BEFORE_PURCHASES


def test_weak_identifiers_were_linked_to_their_member_before_they_stand_alone(dataset: Dataset) -> None:
    member_of: dict[tuple[str, str], str] = {}
    alone = Counter[str]()
    for event in dataset.events:
        identifiers = {item["type"]: item["value"] for item in event.raw["identifiers"]}
        if event.at_ms < dataset.settled_ms:
            for pair in identifiers.items():
                assert member_of.setdefault(pair, identifiers["member_id"]) == identifiers["member_id"]
        elif identifiers:
            assert len({member_of[pair] for pair in identifiers.items()}) == 1
            alone.update(identifiers.keys() if "member_id" not in identifiers else ())

    assert set(member_of.values()) == set(dataset.people)
    assert {"phone", "email", "cookie", "loyalty_card"} <= alone.keys()


def test_every_customer_buys_in_three_channels(dataset: Dataset) -> None:
    rows = dataset.connection.execute(
        "SELECT member_id, count(DISTINCT kind) FROM demo_customer JOIN demo_line USING (customer_sk) GROUP BY 1"
    ).fetchall()

    assert dict(rows) == dict.fromkeys(dataset.people, 3)
    assert len(rows) == 500


def test_purchases_are_the_generators_with_lines_payment_and_time_of_day(dataset: Dataset) -> None:
    rows = dataset.connection.execute(
        """
        SELECT clock_ms // 1000, sum(paid_minor), list((item_sk, quantity, unit_price_minor) ORDER BY item_sk)
        FROM demo_line SEMI JOIN demo_customer USING (customer_sk) GROUP BY kind, number, customer_sk, clock_ms
        """
    ).fetchall()
    generated = Counter((clock, paid, tuple(lines)) for clock, paid, lines in rows)

    derived = Counter(
        (
            round(local_clock(event.at_ms) * 3600),
            event.raw["total_minor"],
            tuple(
                (int(line["sku"].removeprefix("SKU-")), line["quantity"], line["unit_price_minor"])
                for line in event.raw["lines"]
            ),
        )
        for event in of(dataset, "OrderPlaced", "SaleAtTill")
    )

    assert derived == generated


def test_later_purchases_never_fall_on_an_earlier_virtual_day(dataset: Dataset) -> None:
    rows = dataset.connection.execute("SELECT DISTINCT kind, number, sold_on FROM demo_line").fetchall()
    sold_on = {(kind, number): date for kind, number, date in rows}
    kinds = {"WEB": "web", "CAT": "catalogue", "R": "store"}
    dates = defaultdict(list)
    for event in of(dataset, "OrderPlaced", "SaleAtTill"):
        prefix, _, number = (event.raw.get("order_id") or event.raw["receipt_id"]).split("-")
        day = (event.at_ms - dataset.window.start_ms) // DAY_MS
        dates[day].append(sold_on[kinds[prefix], int(number)])

    assert sorted(dates) == [1, 2, 3, 4, 5, 6]
    for day in range(1, 6):
        assert max(dates[day]) <= min(dates[day + 1])


def test_shares_are_as_stated(dataset: Dataset) -> None:
    people = list(dataset.people.values())
    web = [event for event in of(dataset, "OrderPlaced") if event.raw["channel"] == "web"]
    catalogue = [event for event in of(dataset, "OrderPlaced") if event.raw["channel"] == "catalogue"]
    sales = of(dataset, "SaleAtTill")
    carded = [event for event in sales if event.raw["identifiers"]]
    carts = [event for event in of(dataset, "CartLineAdded") if "-cart-web-" in event.event_id]
    left = [event for event in of(dataset, "CartLineAdded") if "-left-web-" in event.event_id]
    tried = {event.event_id.rsplit("-", 1)[0] for event in of(dataset, "CartLineAdded") if "-tried-" in event.event_id}
    views = [event for event in of(dataset, "ProductViewed") if "-view-web-" in event.event_id]
    pickups = [event for event in web if event.raw["fulfilment"] == "STORE_PICKUP"]

    assert_share(sum(one.line_user_id is not None for one in people), len(people), SHARES.has_line)
    assert_share(sum(one.locale == "en" for one in people), len(people), SHARES.speaks_english)
    assert_share(sum(one.consent == () for one in people), len(people), SHARES.consents_to_all)
    assert_share(sum(one.time_zone != "Asia/Tokyo" for one in people), len(people), SHARES.lives_abroad)
    assert_share(sum("member_id" not in identifier_types(event) for event in web), len(web), SHARES.not_logged_in)
    assert_share(len(pickups), len(web), SHARES.pickup)
    assert_share(len(left), len(web), SHARES.leaves_something)
    assert_share(len(views), len(carts), SHARES.viewed_before_cart)
    assert_share(len(sales) - len(carded), len(sales), SHARES.sale_without_card)
    assert_share(len(of(dataset, "StoreCheckedIn")), len(carded), SHARES.checks_in)
    assert_share(len(tried), len(carded), SHARES.tried_in_cart_first)
    assert_share(len(of(dataset, "OrderCancelled")), len(web) + len(catalogue), SHARES.cancelled)
    by_number = sum(identifier_types(event) == {"phone"} for event in catalogue)
    assert_share(by_number, len(catalogue), SHARES.known_by_number_only)
    earlier = [event for event in web + catalogue + carded if event.at_ms < END_MS - 2 * DAY_MS]
    called = {event.raw["order_id"] for event in of(dataset, "InquiryOpened")}
    hits = sum((event.raw.get("order_id") or event.raw["receipt_id"]) in called for event in earlier)
    assert_share(hits, len(earlier), SHARES.calls)


def test_pickups_happen_after_the_order_at_opening_hours_unless_cancelled(dataset: Dataset) -> None:
    steps: dict[str, dict[str, TimedEvent]] = defaultdict(dict)
    for event in of(dataset, "OrderPlaced", "OrderCancelled", "PickupReady", "PickupCollected"):
        steps[event.raw["order_id"]][event.raw["type"]] = event
    ready = [order for order in steps.values() if "PickupReady" in order]

    assert len(ready) > 50
    for order in ready:
        placed, told = order["OrderPlaced"], order["PickupReady"]
        assert placed.raw["fulfilment"] == "STORE_PICKUP"
        assert "OrderCancelled" not in order
        assert placed.at_ms < told.at_ms
        assert 10 <= local_clock(told.at_ms) < 13
        if collected := order.get("PickupCollected"):
            assert told.at_ms < collected.at_ms <= told.raw["hold_until"]
            assert 15 <= local_clock(collected.at_ms) < 20
    assert any("PickupCollected" not in order for order in ready)
    for order in steps.values():
        assert "OrderPlaced" in order
        if "OrderCancelled" in order:
            assert 0 < order["OrderCancelled"].at_ms - order["OrderPlaced"].at_ms <= 90 * MINUTE_MS


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_chronology_does_not_depend_on_the_hour_the_window_ends_at(hour: int) -> None:
    always = Shares(pickup=1, pickup_never_collected=0)
    with_hour = loaded(30, 3, end_ms=END_MS + hour * HOUR_MS, shares=always)
    ready = {event.raw["order_id"]: event.at_ms for event in of(with_hour, "PickupReady")}
    collected = {event.raw["order_id"]: event.at_ms for event in of(with_hour, "PickupCollected")}
    placed = {event.raw["order_id"]: event.at_ms for event in of(with_hour, "OrderPlaced")}

    assert collected
    assert all(placed[order] < at for order, at in ready.items())
    assert all(ready[order] < at for order, at in collected.items())
    assert all(
        event.at_ms >= with_hour.settled_ms
        for event in with_hour.events
        if event.raw["type"] not in BEFORE_PURCHASES | {"ProductViewed"}
    )


def test_carts_fill_shortly_before_the_purchase(dataset: Dataset) -> None:
    bought = {event.event_id: event for event in of(dataset, "OrderPlaced", "SaleAtTill")}
    before_web, before_till = [], []
    for event in of(dataset, "CartLineAdded"):
        prefix, kind, *number = re.split(r"-(cart|tried|left)-", event.event_id)
        if kind == "cart":
            order = bought[f"{prefix}-order-{number[0].rsplit('-', 1)[0]}"]
            assert event.raw["line"] in order.raw["lines"]
            before_web.append((order.at_ms - event.at_ms) // MINUTE_MS)
        elif kind == "tried":
            sale = bought[f"{prefix}-sale-{number[0].rsplit('-', 1)[0]}"]
            assert event.raw["line"] in sale.raw["lines"]
            before_till.append((sale.at_ms - event.at_ms) // MINUTE_MS)

    assert (min(before_web), max(before_web)) == SHARES.cart_before_order_minutes
    low, high = SHARES.cart_before_sale_minutes
    assert low - 2 <= min(before_till)
    assert max(before_till) <= high


def test_calls_are_about_what_was_bought_and_known_by_number(dataset: Dataset) -> None:
    bought = {
        event.raw.get("order_id") or event.raw["receipt_id"]: event
        for event in of(dataset, "OrderPlaced", "SaleAtTill")
    }
    opened = {event.raw["inquiry_id"]: event for event in of(dataset, "InquiryOpened")}
    ended = of(dataset, "CallEnded")

    assert len(ended) > 400
    for call in ended:
        begun = opened[call.raw["inquiry_id"]]
        purchase = bought[begun.raw["order_id"]]
        assert {item["sku"] for item in call.raw["products"]} <= {line["sku"] for line in purchase.raw["lines"]}
        assert 1 <= len(call.raw["products"]) <= 3
        assert identifier_types(call) == identifier_types(begun) == {"phone"}
        assert purchase.at_ms < begun.at_ms == call.at_ms - call.raw["duration_seconds"] * 1000
        assert 9 <= local_clock(begun.at_ms) < 22
    assert any(local_clock(call.at_ms) >= 21 for call in ended)  # some end in the quiet hours


def test_identities_are_made_up_and_nobodys(dataset: Dataset) -> None:
    people = dataset.people.values()
    for one in people:
        number = phonenumbers.parse(one.phone)
        assert phonenumbers.is_possible_number(number)
        assert not phonenumbers.is_valid_number(number)
        assert re.fullmatch(r"[a-z0-9.-]+@example\.com", one.email)
        assert one.line_user_id is None or re.fullmatch(r"U[0-9a-f]{32}", one.line_user_id)
    for kind in ("member_id", "email", "phone", "loyalty_card", "device_id", "cookie"):
        assert len({getattr(one, kind) for one in people}) == len(people)
