"""CloudEvents 1.0 in structured content mode, one event or a batch.

Sources: CloudEvents HTTP Protocol Binding 1.0.2, sections 3.2 (structured: ``application/cloudevents+json``) and 3.3
(batched: ``application/cloudevents-batch+json``); JSON Event Format 1.0.2, sections 3 and 4; CloudEvents 1.0.2,
"Context Attributes".

| CloudEvents | Tsunagi |
|---|---|
| ``specversion`` (required) | must be ``1.0`` |
| ``type`` (required) | ``tsunagi.<Record>`` -> the record type |
| ``id`` (required) | ``event_id`` |
| ``source`` (required, a URI-reference) | ``source``: what follows the last ``/`` or ``:`` |
| ``time`` (optional there, required here) | ``occurred_at`` |
| extension attributes ``channel``, ``brand`` | ``channel``, ``brand``; they may stand in ``data`` instead |
| ``data`` | ``identifiers`` and the record's own fields |
| ``datacontenttype`` | absent, ``application/json`` or ``*+json`` |
| ``data_base64`` | refused: data is JSON |
| ``subject``, ``dataschema``, other extension attributes | not used |

An attribute must not be said again in ``data``: two values for one field would make one of them silently lose.
"""

from __future__ import annotations

import re
from typing import Any

from connectors.sources.batch import parse_events
from connectors.sources.request import RawRequest
from connectors.sources.strict_json import decode
from schemas.errors import FieldError, InvalidInput
from schemas.events import ChannelEvent

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

_TYPE_PREFIX = "tsunagi."
_FROM_ATTRIBUTES = {"type": "type", "id": "event_id", "source": "source", "time": "occurred_at"}
_EITHER = ("channel", "brand")


def parse(request: RawRequest, now_ms: int) -> list[ChannelEvent]:
    """The event of a structured-mode body; raises ``MalformedBody`` or ``InvalidInput``."""
    value = decode(request.body)
    if not isinstance(value, dict):
        raise InvalidInput(f"{SINGLE} is one JSON object; for several events send {BATCH}")
    return parse_events(value, _flatten, now_ms)


def parse_batch(request: RawRequest, now_ms: int) -> list[ChannelEvent]:
    """The events of a batched-mode body; raises ``MalformedBody`` or ``InvalidInput``."""
    value = decode(request.body)
    if not isinstance(value, list):
        raise InvalidInput(f"{BATCH} is a JSON array; for one event send {SINGLE}")
    return parse_events(value, _flatten, now_ms)


def _flatten(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InvalidInput("a CloudEvent is a JSON object")
    errors = [
        FieldError(name, "missing" if name not in item else "must be a non-empty string", "a CloudEvents attribute")
        for name in ("specversion", *_FROM_ATTRIBUTES)
        if not isinstance(item.get(name), str) or not item[name]
    ]
    if errors:
        raise InvalidInput("not a CloudEvent", tuple(errors))
    if item["specversion"] != "1.0":
        errors.append(FieldError("specversion", "must be 1.0"))
    if not item["type"].startswith(_TYPE_PREFIX):
        errors.append(FieldError("type", f"must be {_TYPE_PREFIX}<Record>, e.g. {_TYPE_PREFIX}OrderPlaced"))
    content_type = item.get("datacontenttype", "application/json")
    if not isinstance(content_type, str) or not re.fullmatch(r"[\w.+-]+/([\w.-]+\+)?json(\s*;.*)?", content_type):
        errors.append(FieldError("datacontenttype", "must be application/json"))
    if "data_base64" in item:
        errors.append(FieldError("data_base64", "not accepted: put JSON into data"))
    data = item.get("data")
    if not isinstance(data, dict):
        errors.append(FieldError("data", "must be an object with the record's own fields"))
        raise InvalidInput("not a CloudEvent of this contract", tuple(errors))
    errors.extend(
        FieldError(f"data.{name}", f"already said by the attribute {attribute}: leave it out of data")
        for attribute, name in _FROM_ATTRIBUTES.items()
        if name in data
    )
    errors.extend(
        FieldError(f"data.{name}", "stands as an extension attribute too: say it once")
        for name in _EITHER
        if name in data and name in item
    )
    if errors:
        raise InvalidInput("not a CloudEvent of this contract", tuple(errors))
    flat = {name: item[attribute] for attribute, name in _FROM_ATTRIBUTES.items()}
    flat["type"] = item["type"].removeprefix(_TYPE_PREFIX)
    flat["source"] = re.split(r"[/:]", item["source"].rstrip("/"))[-1]
    flat.update({name: item[name] for name in _EITHER if name in item})
    return {**data, **flat}
