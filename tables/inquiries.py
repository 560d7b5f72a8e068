"""One thread per matter, over phone, chat, mail, form and store: nobody has to explain twice.

Which thread an event belongs to: the one whose id it names; else the customer's thread about the same order; else one
on the same topic (and no other order) with activity within 7 days of the event; else a new one, whose id is derived
from the event. Of several the one active last. A thread that was closed without a solution takes nothing that came
after its closing, unless the event names it.

A thread is a function of the set of its events: every field goes by event time. Who joins which thread without naming
it does depend on the order of arrival: an event that closes a gap of more than 7 days between two threads arrives too
late to make them one.

State: closed when the latest word is a closing (``solved`` or not), pending when an agent answered last, else open. A
customer's later word reopens, and the agent stays the one named last. A bot's word, an agent's word after the closing
and the end of a call are activity and change no state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias, assert_never, get_args

from msgspec.structs import replace

from schemas.events import (
    CallEnded,
    Envelope,
    InquiryClosed,
    InquiryMessageAdded,
    InquiryOpened,
    MessageAuthor,
)
from schemas.identifiers import derived_id
from schemas.rows import InquiryIndexRow, InquiryMessageRow, InquiryRow, InquiryState
from tables.keys import children, time_key
from tables.view import Rows, Table, View

INQUIRIES = Table("inquiries", InquiryRow)
INQUIRY_MESSAGES = Table("inquiry_messages", InquiryMessageRow)
INQUIRY_INDEX = Table("inquiry_index", InquiryIndexRow)

JOIN_MS: Final = 7 * 86_400_000
"""How long after its last activity a thread is still the same matter for an event on the same topic."""

InquiryEvent: TypeAlias = InquiryOpened | InquiryMessageAdded | InquiryClosed | CallEnded
INQUIRY_EVENTS: Final[tuple[type, ...]] = get_args(InquiryEvent)


def fold(view: View, customer_id: str, event: InquiryEvent, now_ms: int) -> str | None:
    """Fold one event into the customer's threads; the id of the thread it belongs to.

    ``None``: a call that names no inquiry is part of none. ``now_ms`` decides nothing: threads go by event time.
    """
    rows = Rows(view, INQUIRIES, customer_id)
    if isinstance(event, CallEnded):
        inquiry_id = event.inquiry_id
        if inquiry_id is None:
            return None
    else:
        inquiry_id = event.inquiry_id or _thread(rows, event) or _derived(event.envelope)
    row = rows.get(inquiry_id)
    if row is None:
        view.put(INQUIRY_INDEX, inquiry_id, "", InquiryIndexRow(customer_id))
        row = _new(inquiry_id, event.envelope)
    row = _active(row, event.envelope)
    match event:
        case CallEnded():
            row = _with_agent(row, event)
        case InquiryOpened():
            row = _about(_with_agent(row, event), event)
            row = replace(_with_subject(row, event), contact_at_ms=max(row.contact_at_ms, event.envelope.occurred_at))
        case InquiryMessageAdded():
            row = _about(_with_agent(row, event), event)
            row = _said(Rows(view, INQUIRY_MESSAGES, customer_id), row, event)
        case InquiryClosed():
            row = _closed(_about(row, event), event)
        case _:
            assert_never(event)
    rows.put(_with_state(row), inquiry_id)
    return inquiry_id


def messages(rows: Rows[InquiryMessageRow], inquiry_id: str) -> Iterator[InquiryMessageRow]:
    """What was said in one thread, by event time."""
    return (row for _, row in rows.range(*children(inquiry_id)) if row.inquiry_id == inquiry_id)


def _thread(rows: Rows[InquiryRow], event: InquiryOpened | InquiryMessageAdded | InquiryClosed) -> str | None:
    at = event.envelope.occurred_at
    open_to = [row for _, row in rows.range() if _takes(row, at)]
    same = [row for row in open_to if event.order_id is not None and row.order_id == event.order_id] or [
        row
        for row in open_to
        if row.topic == event.topic != ""
        and (event.order_id is None or row.order_id is None)
        and row.opened_at_ms - JOIN_MS <= at <= row.last_activity_ms + JOIN_MS
    ]
    return max(same, key=lambda row: (row.last_activity_ms, row.inquiry_id)).inquiry_id if same else None


def _takes(row: InquiryRow, at_ms: int) -> bool:
    return row.state is not InquiryState.CLOSED or at_ms <= row.closed_at_ms


def _derived(envelope: Envelope) -> str:
    return derived_id("inquiry", envelope.source, envelope.event_id)


def _new(inquiry_id: str, envelope: Envelope) -> InquiryRow:
    at = envelope.occurred_at
    return InquiryRow(inquiry_id, "", InquiryState.OPEN, opened_at_ms=at, last_activity_ms=at, state_at_ms=at)


def _active(row: InquiryRow, envelope: Envelope) -> InquiryRow:
    return replace(
        row,
        opened_at_ms=min(row.opened_at_ms, envelope.occurred_at),
        last_activity_ms=max(row.last_activity_ms, envelope.occurred_at),
        channels=tuple(sorted({*row.channels, envelope.channel})),
    )


def _about(row: InquiryRow, event: InquiryOpened | InquiryMessageAdded | InquiryClosed) -> InquiryRow:
    """Topic and order as first stated."""
    at = event.envelope.occurred_at
    if _first(at, event.topic, row.topic_at_ms, row.topic):
        row = replace(row, topic=event.topic, topic_at_ms=at)
    if event.order_id is not None and _first(at, event.order_id, row.order_at_ms, row.order_id):
        row = replace(row, order_id=event.order_id, order_at_ms=at)
    return row


def _with_subject(row: InquiryRow, event: InquiryOpened) -> InquiryRow:
    at = event.envelope.occurred_at
    if event.subject is None or not _first(at, event.subject, row.subject_at_ms, row.subject):
        return row
    return replace(row, subject=event.subject, subject_at_ms=at)


def _with_agent(row: InquiryRow, event: InquiryOpened | InquiryMessageAdded | CallEnded) -> InquiryRow:
    """The agent named last: a reply goes back to them."""
    at = event.envelope.occurred_at
    if event.agent_id is None or (row.agent_id and (at, event.agent_id) <= (row.agent_at_ms, row.agent_id)):
        return row
    return replace(row, agent_id=event.agent_id, agent_at_ms=at)


def _said(rows: Rows[InquiryMessageRow], row: InquiryRow, event: InquiryMessageAdded) -> InquiryRow:
    at = event.envelope.occurred_at
    key = f"{row.inquiry_id}/{time_key(at)}/{event.envelope.source}/{event.envelope.event_id}"
    if rows.get(key) is None:
        message = InquiryMessageRow(
            row.inquiry_id, at, event.envelope.channel, event.author, event.text, event.agent_id
        )
        rows.put(message, key)
        row = replace(row, message_count=row.message_count + 1)
    match event.author:
        case MessageAuthor.CUSTOMER:
            return replace(row, contact_at_ms=max(row.contact_at_ms, at))
        case MessageAuthor.AGENT:
            return replace(row, answer_at_ms=max(row.answer_at_ms, at))
        case MessageAuthor.BOT:
            return row
        case _:
            assert_never(event.author)


def _closed(row: InquiryRow, event: InquiryClosed) -> InquiryRow:
    """The latest closing; of two at the same millisecond the solved one."""
    at = event.envelope.occurred_at
    if (at, event.solved) <= (row.closed_at_ms, row.solved):
        return row
    return replace(row, closed_at_ms=at, solved=event.solved)


def _with_state(row: InquiryRow) -> InquiryRow:
    """The state that the latest words amount to; at the same millisecond a closing stands, then the customer's word."""
    if row.closed_at_ms and row.closed_at_ms >= row.contact_at_ms:
        state, at = InquiryState.SOLVED if row.solved else InquiryState.CLOSED, row.closed_at_ms
    elif row.answer_at_ms > row.contact_at_ms:
        state, at = InquiryState.PENDING, row.answer_at_ms
    else:
        state, at = InquiryState.OPEN, row.contact_at_ms or row.opened_at_ms
    return row if (state, at) == (row.state, row.state_at_ms) else replace(row, state=state, state_at_ms=at)


def _first(at_ms: int, value: str, known_at_ms: int, known: str | None) -> bool:
    """Whether ``value``, said at ``at_ms``, comes before what is known; nothing is known when that is empty."""
    return bool(value) and (not known or (at_ms, value) < (known_at_ms, known))
