"""The shelf: counts are absolute, holds end, and nothing is counted twice."""

from __future__ import annotations

import pytest

from schemas.events import (
    ReleaseReason,
    ReservationReleased,
    StockBasis,
    StockLevelReported,
    StockReserved,
    StockSold,
)
from schemas.rows import ReservationRow, StockRow
from tables import inventory
from tables.inventory import KEEP_MS, MOVEMENTS, RESERVATIONS, STOCK
from tables.view import DictView
from tests.builders import envelope

NOW = 10_000
SKU = "SKU-1"


@pytest.fixture
def view() -> DictView:
    return DictView()


def count(
    view: DictView,
    at: int,
    quantity: int,
    *,
    basis: StockBasis = StockBasis.ON_HAND,
    safety: int | None = None,
    location: str = "shibuya",
) -> None:
    event = StockLevelReported(
        envelope=envelope(at, identifiers=()),
        sku=SKU,
        location_id=location,
        quantity=quantity,
        basis=basis,
        safety_stock=safety,
    )
    inventory.fold(view, event, NOW)


def sell(view: DictView, at: int, quantity: int, movement: str = "m-1", now: int = NOW) -> None:
    event = StockSold(movement_id=movement, sku=SKU, location_id="shibuya", quantity=quantity, sold_at=at)
    inventory.fold(view, event, now)


def reserve(view: DictView, at: int, quantity: int, reservation: str = "r-1", until: int = NOW + 500) -> None:
    event = StockReserved(
        reservation_id=reservation,
        order_id="O-1",
        customer_id="c-1",
        sku=SKU,
        location_id="shibuya",
        quantity=quantity,
        reserved_at=at,
        expires_at=until,
    )
    inventory.fold(view, event, NOW)


def release(view: DictView, at: int, reason: ReleaseReason, reservation: str = "r-1", now: int = NOW) -> None:
    event = ReservationReleased(
        reservation_id=reservation, order_id="O-1", sku=SKU, location_id="shibuya", reason=reason, released_at=at
    )
    inventory.fold(view, event, now)


def stock(view: DictView, location: str = "shibuya") -> StockRow:
    row = view.get(STOCK, SKU, location)
    assert row is not None
    return row


def hold(view: DictView, reservation: str = "r-1") -> ReservationRow:
    row = view.get(RESERVATIONS, SKU, f"shibuya/{reservation}")
    assert row is not None
    return row


def shelf(view: DictView) -> tuple[int, int, int]:
    """(on hand, reserved, available to promise)"""
    row = stock(view)
    return row.on_hand, row.reserved, row.available_to_promise


def test_a_sale_and_the_feed_that_contains_it_are_not_added_up(view: DictView) -> None:
    """5 on the shelf, one sold: 4, before and after the feed says 4, in either order of arrival."""
    count(view, 10, 5)
    sell(view, 20, 1)
    assert shelf(view) == (4, 0, 4)
    count(view, 30, 4)
    assert shelf(view) == (4, 0, 4)

    late = DictView()
    count(late, 10, 5)
    count(late, 30, 4)
    sell(late, 20, 1)
    assert shelf(late) == (4, 0, 4)


def test_an_older_count_is_ignored_and_a_newer_one_spares_what_left_after_it(view: DictView) -> None:
    count(view, 30, 7)
    sell(view, 40, 2)
    count(view, 20, 99)
    assert shelf(view) == (5, 0, 5)
    count(view, 35, 6)
    assert shelf(view) == (4, 0, 4)
    assert stock(view).as_of_ms == 35


def test_of_two_counts_at_the_same_millisecond_the_smaller_stands(view: DictView) -> None:
    for quantity in (5, 3, 4):
        count(view, 30, quantity)
    assert shelf(view) == (3, 0, 3)


def test_safety_stock_goes_by_its_own_time(view: DictView) -> None:
    count(view, 30, 7)
    count(view, 10, 99, safety=2)
    assert shelf(view) == (7, 0, 5)
    count(view, 40, 7)
    assert stock(view).safety_stock == 2
    count(view, 50, 7, safety=0)
    count(view, 20, 99, safety=4)
    assert stock(view).safety_stock == 0


def test_a_sale_counts_once_and_a_return_comes_back(view: DictView) -> None:
    count(view, 10, 5)
    sell(view, 20, 2)
    sell(view, 20, 2)
    sell(view, 21, -1, movement="m-2")
    assert shelf(view) == (4, 0, 4)


def test_a_count_forgets_the_movements_it_contains(view: DictView) -> None:
    sell(view, 20, 1)
    sell(view, 30, 1, movement="m-2")
    sell(view, 31, 1, movement="m-3")
    count(view, 30, 5)
    assert [row.at_ms for _, row in view.range(MOVEMENTS, SKU)] == [31]
    assert shelf(view) == (4, 0, 4)


def test_a_hold_counts_once_and_ends_once(view: DictView) -> None:
    count(view, 10, 5)
    reserve(view, 20, 2)
    reserve(view, 20, 2)
    assert shelf(view) == (5, 2, 3)
    assert stock(view).physically_available == 3
    release(view, 30, ReleaseReason.CANCELLED)
    release(view, 30, ReleaseReason.CANCELLED)
    assert shelf(view) == (5, 0, 5)
    reserve(view, 20, 2)
    assert shelf(view) == (5, 0, 5)


def test_collected_units_leave_the_shelf_once(view: DictView) -> None:
    count(view, 10, 5)
    reserve(view, 20, 2)
    release(view, 30, ReleaseReason.COLLECTED)
    release(view, 30, ReleaseReason.COLLECTED)
    assert shelf(view) == (3, 0, 3)
    count(view, 40, 3)
    assert shelf(view) == (3, 0, 3)


@pytest.mark.parametrize(("reason", "on_hand"), [(ReleaseReason.CANCELLED, 5), (ReleaseReason.COLLECTED, 3)])
def test_a_hold_that_arrives_after_its_release_stays_released(
    view: DictView, reason: ReleaseReason, on_hand: int
) -> None:
    count(view, 10, 5)
    release(view, 30, reason)
    reserve(view, 20, 2)
    reserve(view, 20, 2)
    assert shelf(view) == (on_hand, 0, on_hand)
    assert hold(view).quantity == 0


def test_goods_collected_after_the_hold_ended_are_gone_all_the_same(view: DictView) -> None:
    count(view, 10, 5)
    reserve(view, 20, 2, until=100)
    inventory.expire(view, 200, 10)
    assert shelf(view) == (5, 0, 5)
    release(view, 150, ReleaseReason.COLLECTED)
    release(view, 160, ReleaseReason.CANCELLED)
    assert shelf(view) == (3, 0, 3)
    assert hold(view).released_as is ReleaseReason.COLLECTED


def test_a_salable_feed_is_not_reserved_twice(view: DictView) -> None:
    """It had subtracted the reservation it knew of; what was reserved or collected since, it had not."""
    reserve(view, 10, 2)
    count(view, 20, 8, basis=StockBasis.SALABLE)
    assert shelf(view) == (10, 2, 8)
    reserve(view, 30, 1, reservation="r-2")
    assert shelf(view) == (10, 3, 7)
    release(view, 40, ReleaseReason.COLLECTED)
    assert shelf(view) == (8, 1, 7)
    release(view, 41, ReleaseReason.CANCELLED, reservation="r-2")
    assert shelf(view) == (8, 0, 8)
    count(view, 50, 8, basis=StockBasis.SALABLE)
    assert shelf(view) == (8, 0, 8)
    count(view, 60, 9)
    assert shelf(view) == (9, 0, 9)


def test_a_salable_count_that_arrives_late_finds_the_holds_of_its_time(view: DictView) -> None:
    reserve(view, 10, 2)
    release(view, 30, ReleaseReason.CANCELLED)
    count(view, 20, 8, basis=StockBasis.SALABLE)
    assert shelf(view) == (10, 0, 10)
    reserve(view, 15, 1, reservation="r-2")
    assert shelf(view) == (11, 1, 10)


def test_a_later_word_moves_the_end_of_a_hold_both_ways(view: DictView) -> None:
    reserve(view, 20, 2, until=1_000)
    reserve(view, 30, 2, until=600)
    reserve(view, 25, 2, until=9_000)
    assert (hold(view).due_ms, hold(view).reserved_at_ms) == (600, 20)
    assert inventory.expire(view, 599, 10).fired == 0
    assert inventory.expire(view, 600, 10).released == ((SKU, "r-1"),)


def test_a_hold_that_ran_out_opens_again_when_the_store_says_it_lasts(view: DictView) -> None:
    reserve(view, 20, 2, until=100)
    inventory.expire(view, 200, 10)
    reserve(view, 30, 2, until=NOW)
    assert stock(view).reserved == 0
    reserve(view, 40, 2, until=NOW + 1)
    assert stock(view).reserved == 2
    assert hold(view).due_ms == NOW + 1
    release(view, 50, ReleaseReason.CANCELLED)
    reserve(view, 60, 2, until=NOW + 2)
    assert stock(view).reserved == 0


def test_a_reservation_of_nothing_is_none(view: DictView) -> None:
    reserve(view, 20, 0)
    reserve(view, 20, -3)
    assert view.rows == {}


def test_ticks_end_holds_in_time_order_and_at_most_so_many(view: DictView) -> None:
    for number in range(4):
        reserve(view, 20, 1, reservation=f"r-{number}", until=1_000 - number)
    assert inventory.expire(view, 999, 2).released == ((SKU, "r-3"), (SKU, "r-2"))
    assert inventory.expire(view, 999, 2).released == ((SKU, "r-1"),)
    assert stock(view).reserved == 1


def test_released_holds_and_movements_are_swept_after_30_days(view: DictView) -> None:
    count(view, 10, 5)
    sell(view, 20, 1)
    reserve(view, 20, 2)
    release(view, 30, ReleaseReason.CANCELLED)
    assert inventory.expire(view, 20 + KEEP_MS - 1, 10).fired == 0
    assert inventory.expire(view, 20 + KEEP_MS, 10).swept == 1
    assert inventory.expire(view, NOW + KEEP_MS, 10) == inventory.Expired((), 1)
    assert set(view.rows) == {("stock", SKU, "shibuya")}
    assert shelf(view) == (4, 0, 4)


def test_after_the_sweep_a_repeat_is_too_old_and_an_older_count_cannot_be_applied(view: DictView) -> None:
    count(view, 10, 5)
    sell(view, 20, 1)
    inventory.expire(view, 20 + KEEP_MS, 10)
    sell(view, 20, 1, now=20 + KEEP_MS)
    count(view, 15, 9)
    assert shelf(view) == (4, 0, 4)
    count(view, 20, 9)
    assert shelf(view) == (9, 0, 9)


def test_locations_do_not_mix_even_when_one_name_begins_with_the_other(view: DictView) -> None:
    count(view, 10, 5, location="shibuya/annex")
    event = StockSold(movement_id="m", sku=SKU, location_id="shibuya/annex", quantity=1, sold_at=20)
    inventory.fold(view, event, NOW)
    count(view, 30, 7)
    assert stock(view, "shibuya/annex").on_hand == 4
    assert stock(view).on_hand == 7
