"""One event or an array of them: all are checked before any is taken, and each error says which event it is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas.errors import FieldError, InvalidInput
from schemas.events import ChannelEvent
from schemas.validation import parse_event

MAX_EVENTS = 1_000
MAX_ERRORS = 50


@dataclass(frozen=True, slots=True)
class LocatedError:
    """A field error and the index of its event in the request, from 0."""

    index: int
    error: FieldError


class InvalidEvents(InvalidInput):
    """At least one event of a request is wrong; ``located`` has at most ``MAX_ERRORS`` entries."""

    def __init__(self, message: str, located: tuple[LocatedError, ...]) -> None:
        super().__init__(message, tuple(item.error for item in located))
        self.located = located


def parse_events(value: Any, flatten: Callable[[Any], Any], now_ms: int) -> list[ChannelEvent]:
    """The events of a decoded body: one object, or an array of 1 to ``MAX_EVENTS``.

    ``flatten`` turns one element into the flat native form (it may raise ``InvalidInput``). Raises
    :class:`InvalidEvents` when any element is wrong; nothing is returned then.
    """
    items = value if isinstance(value, list) else [value]
    if not 1 <= len(items) <= MAX_EVENTS:
        raise InvalidInput(f"an array holds 1 to {MAX_EVENTS} events, this one {len(items)}")
    events: list[ChannelEvent] = []
    located: list[LocatedError] = []
    wrong: list[InvalidInput] = []
    for index, item in enumerate(items):
        try:
            events.append(parse_event(flatten(item), now_ms))
        except InvalidInput as error:
            wrong.append(error)
            errors = error.errors or (FieldError("", str(error)),)
            located.extend(LocatedError(index, field) for field in errors[: MAX_ERRORS - len(located)])
    if wrong:
        many = f"{len(wrong)} of {len(items)} events are invalid; none was taken"
        raise InvalidEvents(str(wrong[0]) if len(items) == 1 else many, tuple(located))
    return events
