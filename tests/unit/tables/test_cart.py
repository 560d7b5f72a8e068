"""The cart: one for all channels, emptied by a purchase anywhere."""

from __future__ import annotations

import pytest

from schemas.events import CartLineAdded, CartLineChanged, CartLineRemoved, Identifier, OrderPlaced, SaleAtTill
from schemas.rows import CartLineRow
from tables import cart
from tables.view import DictView, Rows
from tests.builders import MEMBER, envelope, line


@pytest.fixture
def rows() -> Rows[CartLineRow]:
    return Rows(DictView(), cart.CART, "c-1")


def add(rows: Rows[CartLineRow], at: int, sku: str = "A", quantity: int = 1, cart_id: str = "app-cart") -> None:
    cart.fold(rows, CartLineAdded(envelope=envelope(at), cart_id=cart_id, line=line(sku, quantity)), at)


def change(rows: Rows[CartLineRow], at: int, sku: str, quantity: int, price: int = 1_000) -> None:
    event = CartLineChanged(envelope=envelope(at), cart_id="web-cart", line=line(sku, quantity, price))
    cart.fold(rows, event, at)


def remove(rows: Rows[CartLineRow], at: int, sku: str) -> None:
    cart.fold(rows, CartLineRemoved(envelope=envelope(at), cart_id="app-cart", sku=sku), at)


def order(rows: Rows[CartLineRow], at: int, *skus: str, cart_id: str | None = None) -> None:
    event = OrderPlaced(
        envelope=envelope(at, channel="web"),
        order_id=f"O-{at}",
        lines=tuple(line(sku) for sku in skus),
        total_minor=1_000,
        currency="JPY",
        cart_id=cart_id,
    )
    cart.fold(rows, event, at)


def buy_at_till(
    rows: Rows[CartLineRow], at: int, sku: str, quantity: int = 1, identifiers: tuple[Identifier, ...] = MEMBER
) -> None:
    event = SaleAtTill(
        envelope=envelope(at, channel="store", source="pos", identifiers=identifiers),
        receipt_id=f"R-{at}",
        store_id="shibuya",
        lines=(line(sku, quantity),),
        total_minor=1_000,
        currency="JPY",
    )
    cart.fold(rows, event, at)


def quantities(rows: Rows[CartLineRow]) -> dict[str, int]:
    return {sku: row.quantity for sku, row in cart.lines(rows)}


def test_units_of_all_channels_and_cart_ids_lie_in_one_cart(rows: Rows[CartLineRow]) -> None:
    add(rows, 1, "A", 1, cart_id="app-cart")
    add(rows, 2, "A", 2, cart_id="cart-after-login")
    add(rows, 3, "B")
    assert quantities(rows) == {"A": 3, "B": 1}
    assert dict(cart.lines(rows))["A"].cart_id == "cart-after-login"


def test_a_new_total_replaces_what_was_there_before_it(rows: Rows[CartLineRow]) -> None:
    add(rows, 1, "A", 5)
    change(rows, 2, "A", 2, price=900)
    add(rows, 3, "A")
    assert quantities(rows) == {"A": 3}
    # Also when it arrives after an addition that was made later.
    change(rows, 2, "B", 4)
    add(rows, 1, "B", 7)
    assert quantities(rows)["B"] == 4


def test_price_and_names_are_those_of_the_latest_line(rows: Rows[CartLineRow]) -> None:
    change(rows, 9, "A", 1, price=900)
    add(rows, 3, "A", 1)
    row = dict(cart.lines(rows))["A"]
    assert (row.unit_price_minor, row.currency, row.name, row.described_at_ms) == (900, "JPY", "A", 9)


def test_a_purchase_in_another_channel_retires_the_line_whatever_its_cart_and_quantity(
    rows: Rows[CartLineRow],
) -> None:
    add(rows, 1, "A", 2, cart_id="app-cart")
    add(rows, 1, "B", 1, cart_id="app-cart")
    order(rows, 2, "A", cart_id="another-cart")
    assert quantities(rows) == {"B": 1}
    buy_at_till(rows, 3, "B")
    assert quantities(rows) == {}


def test_an_addition_from_before_the_purchase_does_not_bring_the_line_back(rows: Rows[CartLineRow]) -> None:
    buy_at_till(rows, 10, "A")
    add(rows, 9, "A")
    assert quantities(rows) == {}
    add(rows, 11, "A")
    assert quantities(rows) == {"A": 1}


def test_a_purchase_that_arrives_late_spares_what_was_added_after_it(rows: Rows[CartLineRow]) -> None:
    add(rows, 5, "A")
    add(rows, 15, "A", 2)
    order(rows, 10, "A")
    assert quantities(rows) == {"A": 2}


def test_a_removal_takes_all_units_and_leaves_a_row(rows: Rows[CartLineRow]) -> None:
    add(rows, 1, "A", 3)
    remove(rows, 2, "A")
    assert quantities(rows) == {}
    row = rows.get("A")
    assert row is not None
    assert (row.quantity, row.changed_at_ms) == (0, 2)


def test_a_return_and_a_sale_to_nobody_leave_the_cart_alone(rows: Rows[CartLineRow]) -> None:
    add(rows, 1, "A")
    buy_at_till(rows, 2, "A", quantity=-1)
    buy_at_till(rows, 2, "A", quantity=0)
    buy_at_till(rows, 3, "A", identifiers=())
    buy_at_till(rows, 3, "B", identifiers=(Identifier(type="member_id", value="guest"),))
    assert quantities(rows) == {"A": 1}
    assert rows.get("B") is None


@pytest.mark.parametrize("nothing", [0, -2])
def test_less_than_one_unit_is_no_addition_and_an_empty_total(rows: Rows[CartLineRow], nothing: int) -> None:
    add(rows, 1, "A", nothing)
    assert rows.get("A") is None
    change(rows, 2, "A", nothing)
    add(rows, 3, "A")
    assert quantities(rows) == {"A": 1}


def test_many_additions_keep_their_sum_in_a_bounded_row(rows: Rows[CartLineRow]) -> None:
    for at in range(1, 61):
        add(rows, at)
    row = rows.get("A")
    assert row is not None
    assert row.quantity == 60
    assert len(row.added) == cart.MAX_ADDITIONS
    assert row.base_at_ms == 28
    # Where the row forgets: what comes from before its base is ignored from now on, a word after it is not.
    remove(rows, 20, "A")
    add(rows, 28)
    assert quantities(rows) == {"A": 60}
    change(rows, 50, "A", 1)
    assert quantities(rows) == {"A": 11}


def test_additions_of_one_millisecond_enter_the_base_together(rows: Rows[CartLineRow]) -> None:
    for _ in range(cart.MAX_ADDITIONS):
        add(rows, 7)
    add(rows, 8)
    row = rows.get("A")
    assert row is not None
    assert (row.base_quantity, row.base_at_ms, row.added) == (cart.MAX_ADDITIONS, 7, ((8, 1),))


def test_beyond_100_lines_empty_ones_go_first_then_the_oldest(rows: Rows[CartLineRow]) -> None:
    remove(rows, 500, "gone")
    for number in range(99):
        add(rows, 100 + number, f"sku-{number:02d}")
    assert rows.get("gone") is not None
    add(rows, 300, "new")
    assert rows.get("gone") is None
    assert len(quantities(rows)) == 100
    add(rows, 301, "newer")
    assert rows.get("sku-00") is None
    assert len(quantities(rows)) == 100


def test_an_order_of_more_lines_than_the_cart_holds_stays_within_the_bound(rows: Rows[CartLineRow]) -> None:
    add(rows, 1, "kept")
    order(rows, 2, *(f"sku-{number}" for number in range(150)))
    assert len(list(rows.range())) == cart.MAX_LINES
    assert quantities(rows) == {"kept": 1}
