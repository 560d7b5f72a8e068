"""What the demo's inputs are made of: events in the gateway's flat JSON form, each with the virtual time it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

BRAND = "aoba"

Identifiers = tuple[tuple[str, str], ...]
"""(type, value) pairs; empty when nobody was recognised."""


class Origin(NamedTuple):
    """Where an event comes from: a channel and the system that reports on it (``schemas/channels.yaml``)."""

    channel: str
    source: str


APP = Origin("app", "shop-app")
WEB = Origin("web", "ec-site")
CATALOGUE_DESK = Origin("catalogue", "catalogue-desk")
PHONE = Origin("phone", "cti")
CHAT = Origin("chat", "chat-widget")
TILL = Origin("store", "pos")
STAFF = Origin("store", "staff-terminal")
STOCK_ROOM = Origin("store", "stock-room")


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """One event: when to send it, and what to send.

    ``at_ms`` is virtual time, epoch milliseconds UTC, and equals ``raw["occurred_at"]``: nothing arrives late here.
    ``raw`` may share parts with other events: read it, do not edit it.
    """

    at_ms: int
    raw: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """Unique over the whole input, derived, never random."""
        return str(self.raw["event_id"])


def timed(
    type_: str, event_id: str, at_ms: int, origin: Origin, identifiers: Iterable[tuple[str, str]], /, **fields: Any
) -> TimedEvent:
    """An event of record type ``type_`` for the demo's brand, with the record's own ``fields``."""
    raw: dict[str, Any] = {
        "type": type_,
        "event_id": event_id,
        "occurred_at": at_ms,
        "channel": origin.channel,
        "source": origin.source,
        "brand": BRAND,
        "identifiers": [{"type": kind, "value": value} for kind, value in identifiers],
    }
    return TimedEvent(at_ms, raw | fields)
