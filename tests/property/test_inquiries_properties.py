"""Threads: a function of the set of their events when they name their thread; repeats change nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import CallEnded, InquiryClosed, InquiryMessageAdded, InquiryOpened, MessageAuthor
from schemas.rows import InquiryState
from tables import inquiries
from tables.view import DictView, Rows
from tests.strategies import plain_envelopes, records, unhurried

_DAY = 86_400_000
_ENVELOPES = plain_envelopes(
    event_id=st.uuids().map(str),
    occurred_at=st.integers(1, 12).map(lambda days: days * _DAY),
    channel=st.sampled_from(["phone", "chat", "form"]),
    source=st.sampled_from(["cti", "chat-widget"]),
)
_TOPICS = st.sampled_from(["delivery", "returns"])
_AGENTS = st.sampled_from([None, "agent-1", "agent-2"])
_ORDERS = st.sampled_from([None, None, "O-1", "O-2"])


def _events(inquiry_ids: st.SearchStrategy[str | None]) -> st.SearchStrategy[inquiries.InquiryEvent]:
    named = {"envelope": _ENVELOPES, "inquiry_id": inquiry_ids}
    about = {**named, "topic": _TOPICS, "order_id": _ORDERS}
    return st.one_of(
        records(InquiryOpened, **about, agent_id=_AGENTS, subject=st.sampled_from([None, "Late?", "Where?"])),
        records(InquiryMessageAdded, **about, agent_id=_AGENTS),
        records(InquiryClosed, **about),
        records(CallEnded, **named, agent_id=_AGENTS),
    )


def _folded(events: list[inquiries.InquiryEvent]) -> DictView:
    view = DictView()
    for event in events:
        inquiries.fold(view, "c", event, 0)
    return view


def _state(events: list[inquiries.InquiryEvent]) -> InquiryState:
    """From the definition: walk the words in the order they were said."""

    def rank(event: inquiries.InquiryEvent) -> tuple[int, int, bool]:
        closing = isinstance(event, InquiryClosed)
        contact = isinstance(event, InquiryOpened) or (
            isinstance(event, InquiryMessageAdded) and event.author is MessageAuthor.CUSTOMER
        )
        solved = isinstance(event, InquiryClosed) and event.solved
        return event.envelope.occurred_at, 2 if closing else int(contact), solved

    state = InquiryState.OPEN
    for event in sorted(events, key=rank):
        if isinstance(event, InquiryClosed):
            state = InquiryState.SOLVED if event.solved else InquiryState.CLOSED
        elif isinstance(event, InquiryOpened):
            state = InquiryState.OPEN
        elif isinstance(event, InquiryMessageAdded):
            if event.author is MessageAuthor.CUSTOMER:
                state = InquiryState.OPEN
            elif event.author is MessageAuthor.AGENT and state is InquiryState.OPEN:
                state = InquiryState.PENDING
    return state


@unhurried
@given(st.data(), st.lists(_events(st.just("inq-1")), min_size=1, max_size=10))
def test_a_named_thread_does_not_depend_on_the_order_of_arrival(
    data: st.DataObject, events: list[inquiries.InquiryEvent]
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=3))
    view = _folded(data.draw(st.permutations(events + repeated)))

    assert view.rows == _folded(events).rows
    row = view.get(inquiries.INQUIRIES, "c", "inq-1")
    assert row is not None
    assert row.state is _state(events)
    said = list(inquiries.messages(Rows(view, inquiries.INQUIRY_MESSAGES, "c"), "inq-1"))
    assert row.message_count == len(said) == sum(isinstance(event, InquiryMessageAdded) for event in events)
    assert [message.at_ms for message in said] == sorted(message.at_ms for message in said)


@unhurried
@given(st.lists(_events(st.sampled_from([None, None, "inq-1", "inq-1/a"])), max_size=12))
def test_every_word_lies_in_exactly_one_thread(events: list[inquiries.InquiryEvent]) -> None:
    view = _folded(events)
    threads = dict(Rows(view, inquiries.INQUIRIES, "c").range())
    messages = Rows(view, inquiries.INQUIRY_MESSAGES, "c")
    listed = {thread: list(inquiries.messages(messages, thread)) for thread in threads}

    assert sum(map(len, listed.values())) == sum(isinstance(event, InquiryMessageAdded) for event in events)
    for thread, row in threads.items():
        assert row.message_count == len(listed[thread])
        assert view.get(inquiries.INQUIRY_INDEX, thread) is not None
        assert all(row.opened_at_ms <= message.at_ms <= row.last_activity_ms for message in listed[thread])
