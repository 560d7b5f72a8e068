"""The cart against an independent model, in every order of arrival."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import (
    CartLineAdded,
    CartLineChanged,
    CartLineRemoved,
    Identifier,
    OrderLine,
    OrderPlaced,
    SaleAtTill,
)
from tables import cart
from tables.view import DictView, Rows
from tests.builders import envelope, line
from tests.strategies import plain_envelopes, records, unhurried

_SKUS = st.sampled_from(["A", "B", "C"])
_LINES = records(OrderLine, sku=_SKUS, quantity=st.integers(-1, 5))
_MEMBER = Identifier(type="member_id", value="M-1")
_ENVELOPES = plain_envelopes(
    occurred_at=st.integers(1, 20), identifiers=st.sampled_from([(), (_MEMBER,), (_MEMBER,), (_MEMBER,)])
)
_EVENTS: st.SearchStrategy[cart.CartEvent] = st.one_of(
    records(CartLineAdded, envelope=_ENVELOPES, line=_LINES),
    records(CartLineChanged, envelope=_ENVELOPES, line=_LINES),
    records(CartLineRemoved, envelope=_ENVELOPES, sku=_SKUS),
    records(OrderPlaced, envelope=_ENVELOPES, lines=st.lists(_LINES, max_size=3).map(tuple)),
    records(SaleAtTill, envelope=_ENVELOPES, lines=st.lists(_LINES, max_size=3).map(tuple)),
)


def _folded(events: list[cart.CartEvent]) -> DictView:
    view = DictView()
    for event in events:
        cart.fold(Rows(view, cart.CART, "c"), event, 1_000)
    return view


def _expected(events: list[cart.CartEvent]) -> dict[str, int]:
    """Units per SKU from the definition: the last word, plus what was added after it."""
    words: dict[str, list[tuple[int, int]]] = {sku: [] for sku in "ABC"}
    added: dict[str, list[tuple[int, int]]] = {sku: [] for sku in "ABC"}
    for event in events:
        at = event.envelope.occurred_at
        if isinstance(event, CartLineAdded):
            added[event.line.sku].append((at, event.line.quantity))
        elif isinstance(event, CartLineChanged):
            words[event.line.sku].append((at, event.line.quantity))
        elif isinstance(event, CartLineRemoved):
            words[event.sku].append((at, 0))
        elif isinstance(event, OrderPlaced) or event.envelope.identifiers:
            for bought in event.lines:
                if bought.quantity > 0:
                    words[bought.sku].append((at, 0))
    cart_now = {}
    for sku in "ABC":
        word_at = max((at for at, _ in words[sku]), default=0)
        start = min((units for at, units in words[sku] if at == word_at), default=0)
        units = max(0, start) + sum(units for at, units in added[sku] if at > word_at and units > 0)
        if units:
            cart_now[sku] = units
    return cart_now


@unhurried
@given(st.data(), st.lists(_EVENTS, max_size=24))
def test_the_cart_is_a_function_of_the_set_of_its_events(data: st.DataObject, events: list[cart.CartEvent]) -> None:
    shuffled = data.draw(st.permutations(events))
    view = _folded(shuffled)

    assert view.rows == _folded(events).rows
    lines = cart.lines(Rows(view, cart.CART, "c"))
    assert {sku: row.quantity for sku, row in lines} == _expected(events)


def _change(number: int, at: int, removed: bool) -> cart.CartEvent:
    where = envelope(at, event_id=str(number))
    if removed:
        return CartLineRemoved(envelope=where, cart_id="k", sku=f"sku-{number}")
    return CartLineAdded(envelope=where, cart_id="k", line=line(f"sku-{number}"))


@unhurried
@given(st.lists(st.tuples(st.integers(1, 300), st.booleans()), min_size=95, max_size=130))
def test_the_cart_never_outgrows_its_bound(changes: list[tuple[int, bool]]) -> None:
    """More SKUs than rows: what is dropped is a line of quantity 0 while there is one."""
    view = DictView()
    rows = Rows(view, cart.CART, "c")
    for number, (at, removed) in enumerate(changes):
        empty = sum(1 for _, row in rows.range() if not row.quantity) + removed
        full = len(cart.lines(rows)) + (not removed)
        cart.fold(rows, _change(number, at, removed), 1_000)
        assert len(view.rows) == min(full + empty, cart.MAX_LINES)
        assert len(cart.lines(rows)) == (full if empty or full <= cart.MAX_LINES else full - 1)
