"""The shelf against an independent model, in every order of arrival, and what remains of it in the end."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import (
    ReleaseReason,
    ReservationReleased,
    StockBasis,
    StockLevelReported,
    StockReserved,
    StockSold,
)
from schemas.rows import StockRow
from tables import inventory
from tables.inventory import KEEP_MS, MOVEMENTS, RESERVATIONS, STOCK
from tables.view import DictView
from tests.strategies import plain_envelopes, records, unhurried

_SKU = "SKU-1"
_NOW = 1_000
# The second lies in the key range of the first: a location id may contain anything.
_LOCATIONS = ("shibuya", "shibuya/annex")
_AT = st.integers(1, 9)  # few, so that many things happen at the same time


@dataclass(frozen=True)
class _Hold:
    """One reservation and the releases that were sent for it."""

    reserved: StockReserved
    releases: tuple[ReservationReleased, ...]
    reserve_sent: bool

    @property
    def sent(self) -> list[inventory.StockEvent]:
        return [*([self.reserved] if self.reserve_sent else []), *self.releases]


@st.composite
def _holds(draw: st.DrawFn, reservation_id: str) -> _Hold:
    location = draw(st.sampled_from(_LOCATIONS))
    reserved = StockReserved(
        reservation_id=reservation_id,
        order_id=f"order of {reservation_id}",
        customer_id="c",
        sku=_SKU,
        location_id=location,
        quantity=draw(st.integers(1, 4)),
        reserved_at=draw(_AT),
        expires_at=_NOW + 500,
    )
    reasons = draw(st.lists(st.sampled_from(ReleaseReason), unique=True, max_size=2))
    releases = tuple(
        ReservationReleased(
            reservation_id=reservation_id,
            order_id=reserved.order_id,
            sku=_SKU,
            location_id=location,
            reason=reason,
            released_at=draw(_AT),
        )
        for reason in reasons
    )
    return _Hold(reserved, releases, draw(st.integers(0, 5)) > 0)


_COUNTS = records(
    StockLevelReported,
    envelope=plain_envelopes(occurred_at=_AT),
    sku=st.just(_SKU),
    location_id=st.sampled_from(_LOCATIONS),
    quantity=st.integers(-2, 9),
    safety_stock=st.none() | st.integers(0, 3),
)


@st.composite
def _sales(draw: st.DrawFn) -> list[StockSold]:
    return [
        StockSold(
            movement_id=f"sale-{number}",
            sku=_SKU,
            location_id=draw(st.sampled_from(_LOCATIONS)),
            quantity=draw(st.integers(-2, 4)),
            sold_at=draw(_AT),
        )
        for number in range(draw(st.integers(0, 4)))
    ]


@dataclass(frozen=True)
class _World:
    counts: list[StockLevelReported]
    sales: list[StockSold]
    holds: tuple[_Hold, ...]

    @property
    def events(self) -> list[inventory.StockEvent]:
        return [*self.counts, *self.sales, *(event for hold in self.holds for event in hold.sent)]


_WORLDS = st.builds(
    _World, st.lists(_COUNTS, max_size=4), _sales(), st.tuples(*(_holds(f"r-{number}") for number in range(3)))
)


def _folded(events: list[inventory.StockEvent]) -> DictView:
    view = DictView()
    for event in events:
        inventory.fold(view, event, _NOW)
    return view


def _stock(view: DictView, location: str) -> StockRow:
    return view.get(STOCK, _SKU, location) or StockRow()


def _release_that_counts(hold: _Hold) -> ReservationReleased | None:
    order = [ReleaseReason.EXPIRED, ReleaseReason.CANCELLED, ReleaseReason.COLLECTED]
    return max(hold.releases, key=lambda release: order.index(release.reason), default=None)


def _expected(world: _World, location: str) -> tuple[int, int, int]:
    """(on hand, reserved, available to promise) from the definition."""
    counts = [count for count in world.counts if count.location_id == location]
    count_at = max((count.envelope.occurred_at for count in counts), default=0)
    same_time = [(c.quantity, c.basis) for c in counts if c.envelope.occurred_at == count_at]
    on_hand, basis = min(same_time, default=(0, StockBasis.ON_HAND))
    on_hand -= sum(s.quantity for s in world.sales if s.location_id == location and s.sold_at > count_at)
    reserved = 0
    for hold in (h for h in world.holds if h.reserve_sent and h.reserved.location_id == location):
        release = _release_that_counts(hold)
        units = hold.reserved.quantity
        if release is None:
            reserved += units
        elif release.reason is ReleaseReason.COLLECTED and release.released_at > count_at:
            on_hand -= units
        known_to_feed = hold.reserved.reserved_at <= count_at and (release is None or release.released_at > count_at)
        if basis is StockBasis.SALABLE and known_to_feed:
            on_hand += units
    stated = [(c.envelope.occurred_at, c.safety_stock) for c in counts if c.safety_stock is not None]
    safety = max(stated, default=(0, 0))[1]
    return on_hand, reserved, on_hand - reserved - safety


@unhurried
@given(st.data(), _WORLDS)
def test_the_shelf_is_a_function_of_the_set_of_its_events(data: st.DataObject, world: _World) -> None:
    """In any order, and with any of the messages repeated."""
    events = world.events
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=3)) if events else []
    view = _folded(data.draw(st.permutations(events + repeated)))

    for location in _LOCATIONS:
        row = _stock(view, location)
        assert (row.on_hand, row.reserved, row.available_to_promise) == _expected(world, location)
        assert row.available_to_promise == row.on_hand - row.reserved - row.safety_stock
        assert row.physically_available == row.on_hand - row.reserved
        assert row == _stock(_folded(events), location)


@unhurried
@given(_WORLDS, st.integers(1, 3))
def test_in_the_end_nothing_is_reserved_and_nothing_is_kept(world: _World, limit: int) -> None:
    """Ticks end every hold and sweep every row but the stock itself, however few timers fire at a time."""
    view = _folded(world.events)
    before = {location: _stock(view, location) for location in _LOCATIONS}
    open_holds = sum(1 for hold in world.holds if hold.reserve_sent and not hold.releases)

    ended: list[tuple[str, str]] = []
    for now in (_NOW + 500, _NOW + 500 + KEEP_MS):
        while (expired := inventory.expire(view, now, limit)).fired:
            assert expired.fired <= limit
            ended += expired.released

    assert len(ended) == len(set(ended)) == open_holds
    for location in _LOCATIONS:
        row = _stock(view, location)
        assert row.reserved == 0
        assert row.on_hand == before[location].on_hand
    assert {name for name, _, _ in view.rows} <= {STOCK.name}
    assert not [*view.range(RESERVATIONS, _SKU), *view.range(MOVEMENTS, _SKU)]


@unhurried
@given(_WORLDS)
def test_repeats_change_nothing_after_the_sweep_either(world: _World) -> None:
    """Sales and collections that come again after their rows are gone are too old to be counted."""
    view = _folded(world.events)
    inventory.expire(view, _NOW + 500, 1_000)
    inventory.expire(view, _NOW + 500 + KEEP_MS, 1_000)
    left = {location: _stock(view, location) for location in _LOCATIONS}
    for event in world.events:
        if not isinstance(event, StockReserved):
            inventory.fold(view, event, _NOW + 500 + KEEP_MS)
    assert {location: _stock(view, location) for location in _LOCATIONS} == left
