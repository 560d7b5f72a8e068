"""Check (a): nothing accepted is lost, nothing is there twice, and every action came to one outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ops.checks.topic_reader import read_topics
from schemas.codec import Codec
from schemas.errors import Undecodable
from schemas.events import DeadLetter, MessageDelivered, MessageFailed, SendMessage
from streams.processors.topics import CUSTOMER_EVENTS, DEAD_LETTERS, INVENTORY_EVENTS, MESSAGE_CHANNELS, actions

EventKey = tuple[str, str]
"""(source, event id): what makes an event the same event."""


@dataclass(frozen=True, slots=True)
class Accounted:
    """Ids that are not where they should be exactly once, and what became of the actions."""

    lost_events: tuple[EventKey, ...]
    duplicated_events: tuple[EventKey, ...]
    unsettled_actions: tuple[str, ...]
    duplicated_actions: tuple[str, ...]
    actions: Mapping[str, SendMessage]
    delivered: Mapping[str, MessageDelivered]
    failed: Mapping[str, MessageFailed]

    @property
    def lost(self) -> int:
        """Events and actions."""
        return len(self.lost_events) + len(self.unsettled_actions)

    @property
    def duplicated(self) -> int:
        """Events and actions."""
        return len(self.duplicated_events) + len(self.duplicated_actions)


def account(
    connection: Mapping[str, str], codec: Codec, accepted: Iterable[EventKey], resent: Collection[EventKey] = ()
) -> Accounted:
    """Look for every accepted event, and for the outcome of every action, in the whole log.

    ``resent``: events that the sender sent again because it got no answer. The gateway forgets, so such an event may
    stand in the log twice; the customer's log knows it by source and event id and folds it once, which check (b) and
    the totals of check (c) would show otherwise. It isn't counted as duplicated here.
    """
    seen: Counter[EventKey] = Counter()
    receipts: Counter[str] = Counter()
    delivered: dict[str, MessageDelivered] = {}
    failed: dict[str, MessageFailed] = {}
    for recorded in read_topics(connection, (CUSTOMER_EVENTS, INVENTORY_EVENTS)):
        record = codec.decode(recorded.value)
        envelope = getattr(record, "envelope", None)
        if envelope is not None:
            seen[envelope.source, envelope.event_id] += 1
        if isinstance(record, MessageDelivered):
            delivered[record.action_id] = record
            receipts[record.action_id] += 1
        elif isinstance(record, MessageFailed):
            failed[record.action_id] = record
            receipts[record.action_id] += 1
    dead = _dead(connection, codec)
    decided: Counter[str] = Counter()
    messages: dict[str, SendMessage] = {}
    for recorded in read_topics(connection, tuple(actions(channel) for channel in MESSAGE_CHANNELS)):
        action = codec.decode(recorded.value)
        assert isinstance(action, SendMessage)
        decided[action.action_id] += 1
        messages[action.action_id] = action
    wanted = set(accepted)
    return Accounted(
        lost_events=tuple(key for key in wanted if seen[key] + dead[key] == 0),
        duplicated_events=tuple(key for key in wanted if seen[key] > 1 and key not in resent),
        unsettled_actions=tuple(action for action in decided if receipts[action] == 0),
        duplicated_actions=tuple(action for action in decided if decided[action] > 1 or receipts[action] > 1),
        actions=messages,
        delivered=delivered,
        failed=failed,
    )


def _dead(connection: Mapping[str, str], codec: Codec) -> Counter[EventKey]:
    found: Counter[EventKey] = Counter()
    for recorded in read_topics(connection, (DEAD_LETTERS,)):
        letter = codec.decode(recorded.value)
        assert isinstance(letter, DeadLetter)
        try:
            envelope = getattr(codec.decode(letter.value), "envelope", None)
        except Undecodable:
            continue
        if envelope is not None:
            found[envelope.source, envelope.event_id] += 1
    return found
