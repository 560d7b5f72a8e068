"""Which topic and key an accepted event has. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from schemas.errors import FieldError, InvalidInput
from schemas.events import ChannelEvent, SaleAtTill, StockLevelReported
from schemas.identifiers import derived_id, hash_identifiers
from schemas.validation import destination


@dataclass(frozen=True, slots=True)
class Routed:
    """An event with its place: ``key`` names the partition and never shows an identifier."""

    topic: str
    key: str
    event: ChannelEvent


@dataclass(frozen=True, slots=True)
class Router:
    """Routes events of one deployment; ``pepper``, ``realm`` and ``default_region`` as in ``hash_identifiers``."""

    pepper: bytes
    realm: str
    default_region: str

    def route(self, event: ChannelEvent, received_at_ms: int) -> Routed:
        """The event with ``received_at`` set, its topic and its key.

        Raises :class:`InvalidInput` when its channel may not send it, or nobody is named.
        """
        envelope = event.envelope
        name = type(event).__name__
        topic = destination(name, envelope.channel)
        if topic is None:
            message = f"{name} does not come from channel {envelope.channel}"
            raise InvalidInput(message, (FieldError("type", message),))
        received = replace(event, envelope=replace(envelope, received_at=received_at_ms))
        return Routed(topic, self._key(event), received)

    def _key(self, event: ChannelEvent) -> str:
        if isinstance(event, StockLevelReported):
            return event.sku
        hashed = hash_identifiers(event.envelope.identifiers, self.pepper, self.realm, self.default_region)
        if hashed:
            return hashed[0].key
        if isinstance(event, SaleAtTill):
            # Nobody to order by: the receipt spreads anonymous sales, and keeps the repeats of one together.
            return derived_id(event.envelope.source, event.receipt_id)
        message = "no identifier names a person: each is empty, blocked (guest, null, ...) or not of its kind"
        raise InvalidInput(message, (FieldError("identifiers", message),))
