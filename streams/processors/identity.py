"""identity: which customer is it? Events of all channels in, the one ordered log per customer out."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.catalogue import channels
from schemas.errors import InvalidInput
from schemas.events import IdentifierClaimed, PersonEvent, Record, SaleAtTill
from schemas.identifiers import customer_id, derived_id, hash_identifiers
from schemas.outgoing import Outgoing
from streams.engine.processor import Processor
from streams.processors.topics import CUSTOMER_EVENTS, IDENTITY_LINKS
from tables.identifiers import IDENTIFIERS, LINKS, accept, new_claims, resolve
from tables.view import Rows, View


def identity(pepper: bytes, realm: str, default_region: str) -> Processor:
    """The identity processor of a deployment: ``pepper`` and ``realm`` key the hashes of its identifiers."""

    def step(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        if isinstance(record, IdentifierClaimed):
            return _claimed(view, record)
        if not isinstance(record, PersonEvent):
            raise InvalidInput(f"{type(record).__name__} does not belong into a channel topic")
        return _attribute(view, record)

    def _attribute(view: View, event: PersonEvent) -> list[Outgoing]:
        envelope = event.envelope
        identifiers = hash_identifiers(envelope.identifiers, pepper, realm, default_region)
        if not identifiers:
            return [_forward(event, _anonymous(event))]
        strongest, others = identifiers[0], identifiers[1:]
        customer = resolve(Rows(view, IDENTIFIERS, strongest.key), strongest, envelope.occurred_at)
        claims = new_claims(Rows(view, LINKS, strongest.key), strongest, others, customer, envelope.occurred_at)
        return [
            _forward(event, customer),
            *(Outgoing(IDENTITY_LINKS, claim.identifier_key, claim) for claim in claims),
        ]

    return Processor(
        name="identity",
        inputs=(*(channel.topic for channel in channels().values()), IDENTITY_LINKS),
        outputs=(CUSTOMER_EVENTS, IDENTITY_LINKS),
        tables=(IDENTIFIERS, LINKS),
        step=step,
    )


def _claimed(view: View, claim: IdentifierClaimed) -> list[Outgoing]:
    linked = accept(Rows(view, IDENTIFIERS, claim.identifier_key), claim)
    return [] if linked is None else [Outgoing(CUSTOMER_EVENTS, claim.customer_id, linked)]


def _anonymous(event: PersonEvent) -> str:
    """A sale nobody is named in still moves stock; it is a customer of its own that keeps no rows."""
    if not isinstance(event, SaleAtTill):
        raise InvalidInput("no usable identifier: only a till sale may be anonymous")
    return customer_id(derived_id("anonymous", event.envelope.source, event.envelope.event_id))


def _forward(event: PersonEvent, customer: str) -> Outgoing:
    envelope = replace(event.envelope, customer_id=customer)
    return Outgoing(CUSTOMER_EVENTS, customer, replace(event, envelope=envelope))
