"""The shelf and time: holds end, and rows are kept no longer than they are needed."""

from __future__ import annotations

import pytest

from schemas.events import ReleaseReason
from tables import inventory
from tables.inventory import KEEP_MS, MOVEMENTS
from tables.view import DictView
from tests.unit.tables.stock_steps import NOW, SKU, count, hold, release, reserve, sell, shelf, stock


@pytest.fixture
def view() -> DictView:
    return DictView()


def test_goods_collected_after_the_hold_ended_are_gone_all_the_same(view: DictView) -> None:
    count(view, 10, 5)
    reserve(view, 20, 2, until=100)
    inventory.expire(view, 200, 10)
    assert shelf(view) == (5, 0, 5)
    assert (hold(view).released_as, hold(view).released_at_ms) == (ReleaseReason.EXPIRED, 100)
    release(view, 150, ReleaseReason.COLLECTED)
    release(view, 160, ReleaseReason.CANCELLED)
    assert shelf(view) == (3, 0, 3)
    assert hold(view).released_as is ReleaseReason.COLLECTED


def test_a_later_word_moves_the_end_of_a_hold_both_ways(view: DictView) -> None:
    reserve(view, 20, 2, until=1_000)
    reserve(view, 30, 2, until=600)
    reserve(view, 25, 2, until=9_000)
    assert (hold(view).due_ms, hold(view).reserved_at_ms) == (600, 20)
    # Of two words at the same millisecond the one that arrives later stands: they come from one log in order.
    reserve(view, 30, 2, until=700)
    reserve(view, 30, 2, until=650)
    assert inventory.expire(view, 649, 10).fired == 0
    assert inventory.expire(view, 650, 10).released == ((SKU, "r-1"),)


def test_a_hold_that_ran_out_opens_again_when_the_store_says_it_lasts(view: DictView) -> None:
    reserve(view, 20, 2, until=100)
    inventory.expire(view, 200, 10)
    reserve(view, 30, 2, until=NOW)
    reserve(view, 20, 2, until=NOW + 1)
    assert stock(view).reserved == 0
    reserve(view, 40, 2, until=NOW + 1)
    assert stock(view).reserved == 2
    assert hold(view).due_ms == NOW + 1
    release(view, 50, ReleaseReason.CANCELLED)
    reserve(view, 60, 2, until=NOW + 2)
    assert stock(view).reserved == 0


def test_ticks_end_holds_in_time_order_and_at_most_so_many(view: DictView) -> None:
    for number in range(4):
        reserve(view, 20, 1, reservation=f"r-{number}", until=1_000 - number)
    assert inventory.expire(view, 999, 2).released == ((SKU, "r-3"), (SKU, "r-2"))
    assert inventory.expire(view, 999, 2).released == ((SKU, "r-1"),)
    assert stock(view).reserved == 1


def test_the_limit_counts_holds_and_swept_rows_together(view: DictView) -> None:
    for number in range(3):
        sell(view, 20 + number, 1, movement=f"m-{number}")
        reserve(view, 20, 1, reservation=f"r-{number}", until=100 + number)
    release(view, 30, ReleaseReason.CANCELLED, reservation="r-0")
    late = 2 * KEEP_MS
    first = inventory.expire(view, late, 4)
    assert (len(first.released), first.swept, first.fired) == (2, 2, 4)
    assert [row.at_ms for _, row in view.range(MOVEMENTS, SKU)] == [21, 22]
    assert inventory.expire(view, late, 4) == inventory.Expired((), 2)


def test_released_holds_and_movements_are_swept_after_30_days(view: DictView) -> None:
    count(view, 10, 5)
    sell(view, 20, 1)
    reserve(view, 20, 2)
    release(view, 30, ReleaseReason.CANCELLED)
    assert KEEP_MS == 30 * 24 * 3_600_000
    assert inventory.expire(view, 20 + KEEP_MS - 1, 10).fired == 0
    assert inventory.expire(view, 20 + KEEP_MS, 10).swept == 1
    assert inventory.expire(view, NOW + KEEP_MS - 1, 10).fired == 0
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


def test_a_hold_that_ran_out_and_was_cancelled_stays_released(view: DictView) -> None:
    reserve(view, 20, 2, until=100)
    inventory.expire(view, 200, 10)
    release(view, 150, ReleaseReason.CANCELLED)
    reserve(view, 40, 2, until=NOW + 1)
    assert stock(view).reserved == 0
