"""Which identifiers of an event name somebody."""

from __future__ import annotations

from schemas.events import Envelope
from schemas.identifiers import IdentifierType, normalise

_KINDS = frozenset(IdentifierType)


def named(envelope: Envelope, default_region: str = "JP") -> list[tuple[IdentifierType, str]]:
    """(kind, normalised value) of every usable identifier, as given; unknown kinds and blocked values are left out."""
    found: list[tuple[IdentifierType, str]] = []
    for identifier in envelope.identifiers:
        if identifier.type in _KINDS:
            value = normalise(identifier, default_region)
            if value is not None:
                found.append((IdentifierType(identifier.type), value))
    return found


def is_anonymous(envelope: Envelope) -> bool:
    """True when nothing on the event names a person: a till sale without a card."""
    return not named(envelope)
