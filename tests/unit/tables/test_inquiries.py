"""Inquiries: one thread per matter over all channels."""

from __future__ import annotations

import pytest

from schemas.events import CallEnded, InquiryClosed, InquiryMessageAdded, InquiryOpened, MessageAuthor
from schemas.identifiers import derived_id
from schemas.rows import InquiryIndexRow, InquiryMessageRow, InquiryRow, InquiryState
from tables import inquiries
from tables.inquiries import INQUIRIES, INQUIRY_INDEX, INQUIRY_MESSAGES
from tables.view import DictView, Rows
from tests.builders import envelope

DAY = 86_400_000
START = 100 * DAY


@pytest.fixture
def view() -> DictView:
    return DictView()


def opened(
    view: DictView,
    at: int,
    topic: str = "delivery",
    *,
    channel: str = "form",
    inquiry_id: str | None = None,
    order_id: str | None = None,
    agent_id: str | None = None,
) -> str:
    event = InquiryOpened(
        envelope=envelope(at, channel=channel, source=channel),
        topic=topic,
        inquiry_id=inquiry_id,
        order_id=order_id,
        subject=f"subject of {at}",
        agent_id=agent_id,
    )
    return put(view, event)


def message(
    view: DictView,
    at: int,
    topic: str = "delivery",
    *,
    author: MessageAuthor = MessageAuthor.CUSTOMER,
    inquiry_id: str | None = None,
    order_id: str | None = None,
    agent_id: str | None = None,
) -> str:
    event = InquiryMessageAdded(
        envelope=envelope(at, channel="chat", source="chat-widget"),
        topic=topic,
        author=author,
        text=f"said at {at}",
        inquiry_id=inquiry_id,
        order_id=order_id,
        agent_id=agent_id,
    )
    return put(view, event)


def closed(view: DictView, at: int, *, inquiry_id: str | None = None, solved: bool = True) -> str:
    where = envelope(at, channel="phone", source="cti")
    return put(view, InquiryClosed(envelope=where, topic="delivery", inquiry_id=inquiry_id, solved=solved))


def put(view: DictView, event: inquiries.InquiryEvent) -> str:
    inquiry_id = inquiries.fold(view, "c-1", event, 0)
    assert inquiry_id is not None
    return inquiry_id


def thread(view: DictView, inquiry_id: str) -> InquiryRow:
    row = view.get(INQUIRIES, "c-1", inquiry_id)
    assert row is not None
    return row


def said(view: DictView, inquiry_id: str) -> list[InquiryMessageRow]:
    return list(inquiries.messages(Rows(view, INQUIRY_MESSAGES, "c-1"), inquiry_id))


def test_chat_form_and_phone_about_one_topic_are_one_thread(view: DictView) -> None:
    first = message(view, START)
    assert message(view, START + 1, author=MessageAuthor.BOT) == first
    assert opened(view, START + DAY, channel="phone", agent_id="agent-1") == first
    row = thread(view, first)
    assert row.channels == ("chat", "phone")
    assert (row.opened_at_ms, row.last_activity_ms, row.message_count) == (START, START + DAY, 2)
    assert (row.topic, row.subject, row.agent_id) == ("delivery", f"subject of {START + DAY}", "agent-1")
    assert [m.text for m in said(view, first)] == [f"said at {START}", f"said at {START + 1}"]
    assert view.get(INQUIRY_INDEX, first) == InquiryIndexRow("c-1")


def test_the_id_of_a_thread_is_derived_from_its_first_event(view: DictView) -> None:
    assert message(view, START) == derived_id("inquiry", "chat-widget", f"chat-widget-{START}")


def test_another_topic_or_seven_quiet_days_make_another_thread(view: DictView) -> None:
    first = message(view, START)
    assert message(view, START + 1, topic="returns") != first
    assert message(view, START + 7 * DAY) == first
    later = message(view, START + 14 * DAY + 1)
    assert later != first
    assert message(view, START - 7 * DAY) == first
    assert message(view, START - 14 * DAY - 1) not in (first, later)
    # A late event from between belongs to the thread that was alive then.
    assert message(view, START + 3 * DAY) == first


def test_a_named_thread_wins(view: DictView) -> None:
    first = message(view, START)
    assert message(view, START + 1, inquiry_id="inq-1") == "inq-1"
    assert message(view, START + 2, topic="returns", inquiry_id=first) == first
    assert thread(view, first).topic == "delivery"


def test_the_same_order_is_the_same_matter_whatever_the_topic_and_age(view: DictView) -> None:
    first = message(view, START, order_id="O-1")
    other = message(view, START + 1, order_id="O-2")
    assert other != first
    assert message(view, START + 60 * DAY, topic="warranty", order_id="O-1") == first
    # Without an order the topic decides; a thread without an order learns it.
    plain = message(view, START + 2, topic="size")
    assert message(view, START + 3, topic="size", order_id="O-3") == plain
    assert thread(view, plain).order_id == "O-3"
    assert message(view, START + 30 * DAY, topic="other", order_id="O-3") == plain


def test_of_several_threads_the_one_active_last_is_meant(view: DictView) -> None:
    message(view, START, inquiry_id="inq-2")
    message(view, START + 5, inquiry_id="inq-1")
    assert message(view, START + 9) == "inq-1"


def test_words_make_the_state(view: DictView) -> None:
    inquiry = opened(view, START)
    assert thread(view, inquiry).state is InquiryState.OPEN
    message(view, START + 1, author=MessageAuthor.BOT)
    assert thread(view, inquiry).state is InquiryState.OPEN
    message(view, START + 2, author=MessageAuthor.AGENT, agent_id="agent-1")
    assert thread(view, inquiry).state is InquiryState.PENDING
    message(view, START + 3)
    assert (thread(view, inquiry).state, thread(view, inquiry).state_at_ms) == (InquiryState.OPEN, START + 3)
    closed(view, START + 4)
    assert (thread(view, inquiry).state, thread(view, inquiry).state_at_ms) == (InquiryState.SOLVED, START + 4)
    message(view, START + 5, author=MessageAuthor.AGENT, agent_id="agent-1")
    assert thread(view, inquiry).state is InquiryState.SOLVED


def test_a_reply_to_a_solved_thread_reopens_it_with_the_same_agent(view: DictView) -> None:
    inquiry = opened(view, START, agent_id="agent-1")
    closed(view, START + 1)
    assert message(view, START + 2) == inquiry
    assert (thread(view, inquiry).state, thread(view, inquiry).agent_id) == (InquiryState.OPEN, "agent-1")


def test_a_closed_thread_takes_only_what_names_it_or_was_said_before(view: DictView) -> None:
    inquiry = opened(view, START)
    closed(view, START + 10, solved=False)
    assert thread(view, inquiry).state is InquiryState.CLOSED
    assert message(view, START + 10) == inquiry
    assert thread(view, inquiry).state is InquiryState.CLOSED
    other = message(view, START + 11)
    assert other != inquiry
    message(view, START + 12, inquiry_id=inquiry)
    assert thread(view, inquiry).state is InquiryState.OPEN


def test_late_words_do_not_change_the_state(view: DictView) -> None:
    closed(view, START + 10, inquiry_id="inq-1")
    opened(view, START, inquiry_id="inq-1")
    message(view, START + 5, inquiry_id="inq-1")
    row = thread(view, "inq-1")
    assert (row.state, row.opened_at_ms, row.last_activity_ms) == (InquiryState.SOLVED, START, START + 10)


def test_the_end_of_a_call_is_activity_and_closes_nothing(view: DictView) -> None:
    opened(view, START, channel="phone", inquiry_id="inq-1")
    where = envelope(START + 5, channel="phone", source="cti")
    ended = CallEnded(envelope=where, call_id="call-1", duration_seconds=5, agent_id="agent-2", inquiry_id="inq-1")
    assert put(view, ended) == "inq-1"
    row = thread(view, "inq-1")
    assert (row.state, row.state_at_ms) == (InquiryState.OPEN, START)
    assert (row.last_activity_ms, row.agent_id, row.message_count) == (START + 5, "agent-2", 0)


def test_a_call_that_names_no_inquiry_is_part_of_none(view: DictView) -> None:
    opened(view, START, channel="phone")
    before = dict(view.rows)
    ended = CallEnded(envelope=envelope(START + 5), call_id="call-1", duration_seconds=5)
    assert inquiries.fold(view, "c-1", ended, 0) is None
    assert view.rows == before


def test_a_call_that_ends_before_its_inquiry_is_heard_of_joins_it(view: DictView) -> None:
    ended = CallEnded(envelope=envelope(START + 5), call_id="call-1", duration_seconds=5, inquiry_id="inq-1")
    put(view, ended)
    # A thread without a topic yet is not everybody's thread.
    assert message(view, START + 6, topic="returns") != "inq-1"
    opened(view, START, inquiry_id="inq-1")
    assert (thread(view, "inq-1").topic, thread(view, "inq-1").opened_at_ms) == ("delivery", START)


def test_a_repeated_message_is_said_once_also_when_its_thread_was_closed_since(view: DictView) -> None:
    first = message(view, START)
    message(view, START + 1)
    closed(view, START + 2, solved=False)
    before = dict(view.rows)
    for at in (START, START + 1):
        assert message(view, at) == first
    assert view.rows == before
    assert thread(view, first).message_count == 2


def test_messages_are_listed_by_event_time_for_their_thread_alone(view: DictView) -> None:
    for at in (30, 10, 20):
        message(view, START + at, inquiry_id="inq")
    message(view, START + 15, inquiry_id="inq/2")
    message(view, START + 15, inquiry_id="inq0")
    assert [m.at_ms - START for m in said(view, "inq")] == [10, 20, 30]
    assert len(said(view, "inq/2")) == 1
