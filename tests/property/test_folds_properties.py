"""No fold raises on anything that Avro can carry, and every row it leaves can be stored and read back."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import CustomerEvent, Envelope, Identifier
from schemas.identifiers import IdentifierType
from schemas.rowcodec import decode_row, encode_row
from tables import cart, consent, inquiries, inventory, orders, profile
from tables.view import DictView, Rows
from tests.strategies import any_of, envelopes, records, unhurried

_IDENTIFIERS = st.lists(
    records(
        Identifier,
        type=st.sampled_from([*IdentifierType, "unheard_of"]),
        value=st.sampled_from(["090-1234-5678", "+81901234", "A@example.com", "guest", "U4af4980629"]) | st.text(),
    ),
    max_size=4,
).map(tuple)
_ENVELOPES: st.SearchStrategy[Envelope] = envelopes(identifiers=_IDENTIFIERS)
_CUSTOMER_EVENTS = (*profile.PROFILE_EVENTS, *orders.ORDER_EVENTS, *cart.CART_EVENTS, *inquiries.INQUIRY_EVENTS)


def _with_people(record_type: type) -> st.SearchStrategy[CustomerEvent]:
    if "envelope" in record_type.__struct_fields__:  # type: ignore[attr-defined]  # msgspec gives it to every struct
        return records(record_type, envelope=_ENVELOPES)
    return records(record_type)


def _assert_storable(view: DictView) -> None:
    for row in view.rows.values():
        assert decode_row(type(row), encode_row(row)) == row


@unhurried
@given(
    st.lists(st.one_of([_with_people(record_type) for record_type in _CUSTOMER_EVENTS]), max_size=8),
    st.integers(0, 2**61),
)
def test_customer_tables_take_any_event(events: list[CustomerEvent], now: int) -> None:
    view = DictView()
    for event in events:
        if isinstance(event, profile.ProfileEvent):
            rows = Rows(view, profile.PROFILE, "c")
            profile.seen_before(rows.get(), event, now)
            profile.fold(rows, event, now)
        if isinstance(event, consent.ConsentEvent):
            consent.fold(Rows(view, consent.CONSENT, "c"), event, now)
            consent.allowed(Rows(view, consent.CONSENT, "c"), event.purpose, "line")
        if isinstance(event, cart.CartEvent):
            cart.fold(Rows(view, cart.CART, "c"), event, now)
        if isinstance(event, inquiries.InquiryEvent):
            inquiries.fold(view, "c", event, now)
        if isinstance(event, orders.OrderEvent):
            book = Rows(view, orders.ORDERS, "c")
            before = book.get(orders.row_key(event))
            orders.fold(book, event, now)
            for record in orders.stock_records(before, book.get(orders.row_key(event)), event):
                inventory.fold(view, record, now)
    consent.listing(Rows(view, consent.CONSENT, "c"))
    cart.lines(Rows(view, cart.CART, "c"))
    orders.totals(Rows(view, orders.ORDERS, "c"))
    _assert_storable(view)


@unhurried
@given(st.lists(any_of(*inventory.STOCK_EVENTS), max_size=8), st.integers(0, 2**61))
def test_inventory_takes_any_event(events: list[inventory.StockEvent], now: int) -> None:
    view = DictView()
    for event in events:
        inventory.fold(view, event, now)
    inventory.expire(view, now, 100)
    _assert_storable(view)


def test_every_event_of_the_customer_log_has_a_table_or_is_ours() -> None:
    """A new record type in the customer's log must be folded somewhere; ticks and rulesets are the processor's."""
    taken = {*_CUSTOMER_EVENTS, *consent.CONSENT_EVENTS}
    assert {kind.__name__ for kind in set(get_args(CustomerEvent)) - taken} == {"ClockTick", "RulesetActivated"}
