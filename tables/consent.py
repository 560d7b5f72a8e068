"""What a person allowed: a word per purpose and message channel, the latest by event time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, get_args

from schemas.events import ConsentGiven, ConsentWithdrawn
from schemas.rows import ConsentRow
from tables.view import Rows, Table

CONSENT = Table("consent", ConsentRow)
ALL_CHANNELS: Final = "*"

ConsentEvent: TypeAlias = ConsentGiven | ConsentWithdrawn
CONSENT_EVENTS: Final[tuple[type, ...]] = get_args(ConsentEvent)


@dataclass(frozen=True, slots=True)
class Word:
    """The latest word on one purpose and channel (``*``: all channels)."""

    purpose: str
    channel: str
    given: bool
    at_ms: int


def fold(rows: Rows[ConsentRow], event: ConsentEvent, now_ms: int) -> None:
    """Keep the word if it is the latest on its purpose and channels; at the same millisecond the withdrawal stands.

    ``now_ms`` decides nothing: a word counts from the time it was said.
    """
    match event:
        case ConsentGiven():
            _say(rows, event, given=True)
        case ConsentWithdrawn():
            _say(rows, event, given=False)
        case _:
            assert_never(event)


def allowed(rows: Rows[ConsentRow], purpose: str, channel: str) -> bool:
    """Whether messages for ``purpose`` may go out over ``channel``.

    The later of the word on this channel and the word on all channels decides; a tie means withdrawn; no word means no.
    """
    words = [word for word in (rows.get(_key(purpose, channel)), rows.get(_key(purpose, ALL_CHANNELS))) if word]
    latest = max((word.at_ms for word in words), default=0)
    return bool(words) and all(word.given for word in words if word.at_ms == latest)


def listing(rows: Rows[ConsentRow]) -> list[Word]:
    """Every latest word, by purpose and channel."""
    words = []
    for key, row in rows.range():
        purpose, channel = key.rsplit("/", 1)
        words.append(Word(purpose, channel, row.given, row.at_ms))
    return words


def _say(rows: Rows[ConsentRow], event: ConsentEvent, *, given: bool) -> None:
    new = ConsentRow(given, event.envelope.occurred_at, event.envelope.source, event.evidence)
    for channel in event.channels or (ALL_CHANNELS,):
        key = _key(event.purpose, channel)
        known = rows.get(key)
        if known is None or _rank(new) > _rank(known):
            rows.put(new, key)


def _rank(row: ConsentRow) -> tuple[int, bool, str, bool, str]:
    """Later first, then the withdrawal; source and evidence only make a full tie independent of arrival."""
    return row.at_ms, not row.given, row.source, row.evidence is not None, row.evidence or ""


def _key(purpose: str, channel: str) -> str:
    return f"{purpose}/{channel}"
