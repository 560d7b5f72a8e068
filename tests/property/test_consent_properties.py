"""Consent against its definition, in every order of arrival."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import ConsentGiven, ConsentWithdrawn
from tables import consent
from tables.view import DictView, Rows
from tests.strategies import plain_envelopes, records, unhurried

_CHANNELS = ("line", "sms", "email")
_PURPOSES = st.sampled_from(["marketing", "survey"])
_COVERED = st.lists(st.sampled_from(_CHANNELS), max_size=2).map(tuple)
_ENVELOPES = plain_envelopes(occurred_at=st.integers(1, 8))
_EVENTS: st.SearchStrategy[consent.ConsentEvent] = st.one_of(
    records(ConsentGiven, envelope=_ENVELOPES, purpose=_PURPOSES, channels=_COVERED),
    records(ConsentWithdrawn, envelope=_ENVELOPES, purpose=_PURPOSES, channels=_COVERED),
)


def _allowed(events: list[consent.ConsentEvent], purpose: str, channel: str) -> bool:
    about = [e for e in events if e.purpose == purpose and (not e.channels or channel in e.channels)]
    latest = max((e.envelope.occurred_at for e in about), default=0)
    last = [isinstance(e, ConsentGiven) for e in about if e.envelope.occurred_at == latest]
    return bool(last) and all(last)


@unhurried
@given(st.data(), st.lists(_EVENTS, max_size=10))
def test_the_latest_word_decides_whatever_order_they_arrive_in(
    data: st.DataObject, events: list[consent.ConsentEvent]
) -> None:
    views = []
    for order in (events, data.draw(st.permutations(events))):
        view = DictView()
        for event in order:
            consent.fold(Rows(view, consent.CONSENT, "c"), event, 0)
        views.append(view)

    assert views[0].rows == views[1].rows
    rows = Rows(views[1], consent.CONSENT, "c")
    for purpose in ("marketing", "survey"):
        for channel in _CHANNELS:
            assert consent.allowed(rows, purpose, channel) is _allowed(events, purpose, channel)
