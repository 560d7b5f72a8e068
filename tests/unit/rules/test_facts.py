"""What conditions and templates see of a customer, and that it is what the shapes promise."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration_rules import shapes
from orchestration_rules.facts import NEWEST_ORDERS, CustomerFacts, flat_event
from orchestration_rules.shapes import Kind, Shape
from schemas.events import Identifier, ProductViewed
from schemas.rows import InquiryRow, InquiryState, OrderRow
from tables.inquiries import INQUIRIES
from tables.orders import ORDERS
from tables.view import DictView
from tests.builders import envelope
from tests.rulekit import CUSTOMER, LINE, World, at, order, rule, ruleset


def lived() -> World:
    """A customer with a cart, orders, a profile."""
    world = World(ruleset(rule()))
    world.send("ProfileUpdated", at("09:00"), name="花子", preferred_channel="sms", time_zone="Asia/Tokyo")
    world.send("CartLineAdded", at("10:00"), cart_id="c", line={**LINE, "quantity": 2})
    world.send("CartLineAdded", at("10:01"), cart_id="c", line={**LINE, "sku": "SKU-2", "name": "Boots"})
    world.send("OrderPlaced", at("10:05"), **order("ORD-1", "SKU-9"), fulfilment="STORE_PICKUP", store_id="shibuya")
    world.send("PickupReady", at("11:00"), order_id="ORD-1", store_id="shibuya")
    return world


def facts(world: World, event: Any = None) -> CustomerFacts:
    return CustomerFacts(world.view, CUSTOMER, event or {}, at("12:00"))


def fits(value: Any, shape: Shape, path: str = "") -> None:
    """Every field that is there is in the shape, every field that must be there is."""
    match shape.kind:
        case Kind.RECORD:
            assert set(value) <= set(shape.fields), path
            missing = {name for name, inner in shape.fields.items() if not inner.optional} - set(value)
            assert not missing, f"{path}: {missing}"
            for name, inner in value.items():
                fits(inner, shape.fields[name], f"{path}.{name}")
        case Kind.LIST:
            assert isinstance(value, list), path
            for inner in value:
                fits(inner, shape.item or shapes.ANY, f"{path}[]")
        case Kind.TEXT:
            assert isinstance(value, str), path
            assert not shape.choices or value in shape.choices, path
        case Kind.NUMBER:
            assert type(value) is int, path
        case _:
            pass


@pytest.mark.parametrize("name", list(shapes.STATE_TYPES))
def test_the_state_has_the_shape_that_conditions_are_checked_against(name: str) -> None:
    fits(facts(lived()).root(name), shapes.state_shapes()[name], name)
    empty = CustomerFacts(DictView(), "nobody", {}, at("12:00"))
    fits(empty.root(name), shapes.state_shapes()[name], name)


def test_events_have_the_shape_that_conditions_are_checked_against() -> None:
    event = ProductViewed(envelope=envelope(at("10:00")), sku="SKU-1", name="Jacket")
    flat = flat_event(event)
    fits(flat, shapes.event_shape("ProductViewed"))
    assert flat == {
        "type": "ProductViewed",
        "event_id": f"shop-app-{at('10:00')}",
        "occurred_at": at("10:00"),
        "channel": "app",
        "source": "shop-app",
        "brand": "aoba",
        "sku": "SKU-1",
        "name": "Jacket",
    }


def test_identifiers_are_not_handed_to_rules() -> None:
    secret = envelope(at("10:00"), identifiers=(Identifier(type="email", value="a@example.com"),))
    assert "a@example.com" not in repr(flat_event(ProductViewed(envelope=secret, sku="SKU-1")))
    assert "a@example.com" not in repr(facts(lived()).root("profile"))


def test_the_cart_counts_units_and_sums_one_currency() -> None:
    world = lived()
    cart = facts(world).root("cart")
    assert (cart["units"], cart["total_minor"], [line["sku"] for line in cart["lines"]]) == (
        3,
        3_000,
        ["SKU-1", "SKU-2"],
    )
    world.send("CartLineAdded", at("12:10"), cart_id="c", line={**LINE, "sku": "SKU-3", "currency": "USD"})
    assert "total_minor" not in facts(world).root("cart"), "yen and dollars are not added up"
    assert CustomerFacts(DictView(), "nobody", {}, 0).root("cart") == {"lines": [], "units": 0, "total_minor": 0}


def test_only_the_newest_orders_and_inquiries_are_seen_newest_first() -> None:
    view = DictView()
    for number in range(60):
        view.put(ORDERS, CUSTOMER, f"O{number:02}", OrderRow(order_id=f"O{number:02}", placed_at_ms=number))
        thread = InquiryRow(
            f"I{number:02}", "returns", InquiryState.OPEN, opened_at_ms=1, last_activity_ms=number, state_at_ms=1
        )
        view.put(INQUIRIES, CUSTOMER, f"I{number:02}", thread)
    seen = CustomerFacts(view, CUSTOMER, {}, 0)
    assert [entry["order_id"] for entry in seen.root("orders")][:2] == ["O59", "O58"]
    assert [entry["inquiry_id"] for entry in seen.root("inquiries")][:2] == ["I59", "I58"]
    assert len(seen.root("orders")) == len(seen.root("inquiries")) == NEWEST_ORDERS


def test_nothing_is_read_before_it_is_asked_for_and_nothing_twice() -> None:
    class Counting(DictView):
        reads: list[str]

        def get(self, table: Any, partition_key: str, row_key: str = "") -> Any:
            self.reads.append(table.name)
            return super().get(table, partition_key, row_key)

        def range(self, table: Any, partition_key: str, start: str = "", stop: str | None = None) -> Any:
            self.reads.append(table.name)
            return super().range(table, partition_key, start, stop)

    view = Counting()
    view.reads = []
    seen = CustomerFacts(view, CUSTOMER, {}, 0)
    assert view.reads == []
    seen.root("orders")
    seen.root("orders")
    seen.root("now_ms")
    assert view.reads == ["orders"]


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        facts(lived()).root("weather")


def test_samples_fit_their_shapes() -> None:
    for name in shapes.event_types():
        for full in (True, False):
            fits(shapes.sample(shapes.event_shape(name), full), shapes.event_shape(name), name)
