"""The shelf: counts are absolute, and nothing is counted twice."""

from __future__ import annotations

import pytest

from schemas.events import ReleaseReason, StockBasis, StockSold
from tables import inventory
from tables.inventory import MOVEMENTS
from tables.view import DictView
from tests.unit.tables.stock_steps import NOW, SKU, count, hold, release, reserve, sell, shelf, stock


@pytest.fixture
def view() -> DictView:
    return DictView()


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


def test_a_sale_at_the_millisecond_of_the_count_is_in_it(view: DictView) -> None:
    sell(view, 30, 1)
    count(view, 30, 5)
    sell(view, 30, 1, movement="m-2")
    assert shelf(view) == (5, 0, 5)


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
    release(view, 35, ReleaseReason.COLLECTED)
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


def test_a_reservation_of_nothing_is_none(view: DictView) -> None:
    reserve(view, 20, 0)
    reserve(view, 20, -3)
    assert view.rows == {}


def test_locations_do_not_mix_even_when_one_name_begins_with_the_other(view: DictView) -> None:
    count(view, 10, 5, location="shibuya/annex")
    event = StockSold(movement_id="m", sku=SKU, location_id="shibuya/annex", quantity=1, sold_at=20)
    inventory.fold(view, event, NOW)
    count(view, 30, 7)
    assert stock(view, "shibuya/annex").on_hand == 4
    assert stock(view).on_hand == 7
