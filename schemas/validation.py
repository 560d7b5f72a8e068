"""Flat JSON events from outside: checked field by field, then turned into the event types.

Pure; ``now_ms`` is an argument. Messages name fields and limits and never repeat a value, which may be personal; only
names from reviewed lists (channel, source, record type) and misspelt field names are quoted back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, cast

import msgspec
from pydantic import ValidationError

from schemas.catalogue import channel_record_names, channels, declared, record_names, topics
from schemas.errors import FieldError, InvalidInput, UnknownRecordType
from schemas.event_models import epoch_ms, event_models
from schemas.events import RECORD_TYPES, ChannelEvent, Identifier
from schemas.field_errors import MAX_ERRORS, doc_of, field_errors, kind_of, near, quoted
from schemas.identifiers import IdentifierType, normalise

__all__ = ["MAX_AHEAD_MS", "MAX_ERRORS", "destination", "event_models", "parse_event"]

MAX_AHEAD_MS = 300_000
"""How far ahead of us a sender's clock may be."""
_ABOUT_NO_PERSON = frozenset({"SaleAtTill", "StockLevelReported"})


def destination(record_type: str, channel: str) -> str | None:
    """The topic that takes ``record_type`` from ``channel``; ``None`` when that channel may not send it."""
    return _destinations().get((record_type, channel))


@cache
def _destinations() -> Mapping[tuple[str, str], str]:
    own = {channel.topic for channel in channels().values()}
    found = {
        (record, channel.name): channel.topic
        for channel in channels().values()
        for record in topics()[channel.topic].records
    }
    for topic in topics().values():
        if topic.topic not in own and "gateway" in topic.producers:
            takers = ((record, channel) for channel in channels().values() for record in channel.also)
            found |= {(record, channel.name): topic.topic for record, channel in takers if record in topic.records}
    return found


def parse_event(raw: Mapping[str, Any], now_ms: int) -> ChannelEvent:
    """The event in one flat JSON object; ``received_at`` and ``customer_id`` are left at their defaults.

    ``occurred_at`` is ISO 8601 with offset or epoch milliseconds, from 2000-01-01 to five minutes after ``now_ms``.
    Raises :class:`InvalidInput` with an entry per wrong field, :class:`UnknownRecordType` when ``type`` is none.
    """
    if not isinstance(raw, Mapping):
        raise InvalidInput("an event is a JSON object", (FieldError("", f"must be an object, not {kind_of(raw)}"),))
    name = _record_type(raw)
    values = raw if isinstance(raw, dict) else dict(raw)
    try:
        model = event_models()[name].__pydantic_validator__.validate_python(values)
    except ValidationError as error:
        errors, count = field_errors(name, error)
        wrong = {entry.field.partition(".")[0] for entry in errors}
        if count < MAX_ERRORS and "" not in wrong:
            errors += _cross_checks(name, _readable(values, wrong), now_ms)
        raise _invalid(name, errors, max(count, len(errors))) from None
    fields = model.__dict__
    errors = list(_cross_checks(name, fields, now_ms))
    if errors:
        raise _invalid(name, errors, len(errors))
    # Envelope's fields are attributes of the flat model too, so the model stands for the envelope.
    event = msgspec.convert({"envelope": model, **fields}, RECORD_TYPES[name], from_attributes=True)
    return cast(ChannelEvent, event)


def _invalid(name: str, errors: list[FieldError], count: int) -> InvalidInput:
    first = f"{errors[0].field or 'event'} {errors[0].message}"
    more = f" (and {count - 1} more)" if count > 1 else ""
    return InvalidInput(f"{name}: {first}{more}", tuple(errors))


def _record_type(raw: Mapping[str, Any]) -> str:
    name = raw.get("type")
    if isinstance(name, str) and name in channel_record_names():
        return name
    if "type" not in raw:
        message, error = "is missing: it names the record type, such as OrderPlaced", InvalidInput
    elif not isinstance(name, str):
        message, error = f"must be a string that names a record type, not {kind_of(name)}", InvalidInput
    elif name in record_names():
        message, error = f"{name} is written by Tsunagi itself and not taken from outside", UnknownRecordType
    else:
        hint = near(name, channel_record_names()) or "; docs/events.md lists them"
        message, error = f"{quoted(name)} is no record type{hint}", UnknownRecordType
    raise error(f"type {message}", (FieldError("type", message, "One of the record types of docs/events.md."),))


def _cross_checks(name: str, fields: Mapping[str, Any], now_ms: int) -> Iterator[FieldError]:
    """What no single field's type can say; a field that is absent here was missing or already found wrong."""
    channel = fields.get("channel")
    if channel is not None:
        yield from _check_channel(name, channel, fields.get("source"))
    occurred_at = fields.get("occurred_at")
    if occurred_at is not None and occurred_at > now_ms + MAX_AHEAD_MS:
        ahead = (occurred_at - now_ms) // 1000
        message = f"lies {ahead} s ahead; at most {MAX_AHEAD_MS // 1000} s are allowed: check the sender's clock"
        yield FieldError("occurred_at", message, doc_of(name, ("occurred_at",)))
    identifiers = fields.get("identifiers")
    if identifiers is not None and name not in _ABOUT_NO_PERSON and not _names_somebody(identifiers):
        message = "names nobody: send at least one identifier that is not blank, 'guest', 'null' or the like"
        yield FieldError("identifiers", message, doc_of(name, ("identifiers",)))
    if fields.get("fulfilment") == "STORE_PICKUP" and "store_id" in fields and fields["store_id"] is None:
        yield FieldError("store_id", "is needed with STORE_PICKUP", doc_of(name, ("store_id",)))


def _check_channel(name: str, channel: str, source: str | None) -> Iterator[FieldError]:
    known = channels().get(channel)
    if known is None:
        message = f"{quoted(channel)} is no channel{near(channel, channels())}; one of {', '.join(channels())}"
        yield FieldError("channel", message, doc_of(name, ("channel",)))
        return
    if source is not None and source not in known.sources:
        allowed = ", ".join(sorted(known.sources))
        message = f"{quoted(source)} does not report on channel {channel}; one of {allowed} (schemas/channels.yaml)"
        yield FieldError("source", message, doc_of(name, ("source",)))
    if destination(name, channel) is None:
        takers = [other for other in channels() if destination(name, other) is not None]
        where = f"it comes from {', '.join(takers)}" if takers else "it is written by Tsunagi itself"
        yield FieldError("type", f"{name} does not come from channel {channel}; {where}", declared()[name]["doc"])


def _names_somebody(identifiers: Iterable[Any]) -> bool:
    # Reading a phone number costs more than all the rest of the check, so it is only read when nothing else helps.
    phones = [item for item in identifiers if item.type == IdentifierType.PHONE]
    others = (item for item in identifiers if item.type != IdentifierType.PHONE)
    return any(normalise(item) is not None for item in others) or any(normalise(item) is not None for item in phones)


def _readable(raw: Mapping[str, Any], wrong: set[str]) -> Mapping[str, Any]:
    """The raw fields that passed, in the form that the cross-checks read, so that one answer names all mistakes."""
    fields = {name: value for name, value in raw.items() if name not in wrong}
    if "occurred_at" in fields:
        fields["occurred_at"] = epoch_ms(fields["occurred_at"])
    if "identifiers" in fields:
        fields["identifiers"] = [Identifier(type=item["type"], value=item["value"]) for item in fields["identifiers"]]
    elif "identifiers" not in wrong:
        fields["identifiers"] = []
    if "store_id" not in wrong:
        fields.setdefault("store_id", None)
    return fields
