"""The profile in every order of arrival, and the bounds of its memory of events."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import Identifier, IdentifierLinked, StoreCheckedIn
from schemas.rows import ProfileRow
from tables import profile
from tables.view import DictView, Rows
from tests.builders import envelope
from tests.strategies import plain_envelopes, records, unhurried

_IDENTIFIERS = st.lists(
    st.sampled_from(
        [
            Identifier(type="member_id", value="M-1"),
            Identifier(type="email", value="A@example.com"),
            Identifier(type="email", value="b@example.com"),
            Identifier(type="phone", value="090-1234-5678"),
            Identifier(type="line_user_id", value="U1"),
        ]
    ),
    max_size=3,
).map(tuple)
_ENVELOPES = plain_envelopes(
    occurred_at=st.integers(1, 9),
    channel=st.sampled_from(["app", "store"]),
    brand=st.sampled_from(["aoba", "midori"]),
    identifiers=_IDENTIFIERS,
)
_NUMBERS = st.integers(0, 5) | st.integers(0, 99)
_EVENTS: st.SearchStrategy[profile.ProfileEvent] = st.one_of(
    [
        records(kind) if kind is IdentifierLinked else records(kind, envelope=_ENVELOPES)
        for kind in profile.PROFILE_EVENTS
    ]
)


def _folded(events: Iterable[profile.ProfileEvent]) -> ProfileRow | None:
    rows = Rows(DictView(), profile.PROFILE, "c")
    for event in events:
        profile.fold(rows, event, 1_000)
    row = rows.get()
    return row and replace(row, recent_events=())


@unhurried
@given(st.data(), st.lists(_EVENTS, max_size=10))
def test_what_is_known_does_not_depend_on_the_order_of_arrival(
    data: st.DataObject, events: list[profile.ProfileEvent]
) -> None:
    assert _folded(data.draw(st.permutations(events))) == _folded(events)


@unhurried
@given(st.lists(st.tuples(_NUMBERS, st.integers(0, 24 * 3_600_000)), max_size=150))
def test_an_event_is_remembered_for_72_hours_or_63_others(arrivals: list[tuple[int, int]]) -> None:
    rows = Rows(DictView(), profile.PROFILE, "c")
    last: dict[int, tuple[int, int]] = {}  # event -> its number among the folded, and when
    now = folded = 0
    for number, pause in arrivals:
        now += pause
        event = StoreCheckedIn(envelope=envelope(1, event_id=str(number)), store_id="shibuya")
        row = rows.get()
        at_number, at = last.get(number, (-1_000, -1_000_000_000))
        expected = folded - at_number <= profile.DEDUP_ENTRIES and now - at < profile.DEDUP_WINDOW_MS
        assert profile.seen_before(row, event, now) is expected
        if not expected:
            profile.fold(rows, event, now)
            last[number] = (folded, now)
            folded += 1
        kept = rows.get()
        assert kept is not None
        assert len(kept.recent_events) <= profile.DEDUP_ENTRIES
