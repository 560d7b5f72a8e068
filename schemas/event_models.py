"""Pydantic models of the channel events in their flat JSON form, built once from the Avro schemas.

Flat: the envelope's fields stand at the top level beside ``type`` and the record's own fields. Bounds come from the
schema's own words (``minimum``, ``minLength``, ``maxLength``, ``pattern``, ``minItems``, ``maxItems``, ``readOnly``)
and, where it says nothing, from the limits here. Types are strict: ``"1"`` is no number, ``true`` is no ``1``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from schemas.catalogue import NAMESPACE, AvroSchema, channel_record_names, declared, topics
from schemas.identifiers import IdentifierType

MAX_STRING = 512
MAX_ITEMS = 500
# 2000-01-01 and the last millisecond of 9999, which is the last that ISO 8601 with four digits can say.
EARLIEST_MS = 946_684_800_000
LATEST_MS = 253_402_300_799_999
_INT_BOUNDS = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# At least one visible character and no control character: neither a blank id nor a line break in a mail's subject.
_VISIBLE = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
_NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
_NOT_BLANK = r"\S"
SHORT_TEXT_PATTERNS = frozenset({_VISIBLE, _NO_CONTROL, _NOT_BLANK})
# Names a person's message can be sent to; the reviewed list is that of the topics actions.*, not an Avro enum, because
# a new one would be a compatibility event.
_MESSAGE_CHANNEL_FIELDS = frozenset({("", "preferred_channel"), ("", "message_channel"), ("", "channels")})


class EventModel(BaseModel):
    """Base of the flat event models."""

    model_config = ConfigDict(extra="forbid", strict=True)


def message_channels() -> tuple[str, ...]:
    """The channels a message can go out on (``actions.<channel>``), sorted."""
    return tuple(sorted(name.removeprefix("actions.") for name in topics() if name.startswith("actions.")))


def epoch_ms(value: object) -> int:
    """Epoch milliseconds of an ISO 8601 time with offset, or of a number that already is; a naive time is refused."""
    if type(value) is int:
        return value
    if type(value) is not str:
        raise PydanticCustomError("time_type", "must be a string (ISO 8601 with offset) or an integer (epoch ms)")
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError(
            "time_format", "is not an ISO 8601 time; write it like 2026-11-22T10:15:00+09:00"
        ) from None
    if time.tzinfo is None:
        raise PydanticCustomError(
            "time_naive",
            "has no offset, so nobody can say which moment it is; add Z or an offset such as +09:00",
        )
    return (time - _EPOCH) // _MILLISECOND


_TIME_JSON_SCHEMA = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": EARLIEST_MS, "maximum": LATEST_MS},
    ]
}


def _string(field: Mapping[str, Any], optional_text: bool) -> Any:
    longest = field.get("maxLength", MAX_STRING)
    if "pattern" in field:
        pattern = field["pattern"]
    elif optional_text:
        pattern = _NO_CONTROL
    else:
        pattern = _NOT_BLANK if longest > MAX_STRING else _VISIBLE
    shortest = field.get("minLength", 0 if optional_text else 1)
    return Annotated[str, StringConstraints(min_length=shortest, max_length=longest, pattern=pattern)]


def _annotation(node: Any, field: Mapping[str, Any], owner: str) -> Any:
    """The Python type of one Avro type; ``field`` carries the bounds, ``owner`` is the common record or ``""``."""
    if isinstance(node, list):
        (other,) = (branch for branch in node if branch != "null")
        return _annotation(other, field, owner) | None
    if isinstance(node, dict):
        kind = node["type"]
        if kind == "array":
            items = _annotation(node["items"], {"name": field["name"]}, owner)
            bounds = Field(min_length=field.get("minItems", 0), max_length=field.get("maxItems", MAX_ITEMS))
            return Annotated[list[items], bounds]  # type: ignore[valid-type]
        if kind == "enum":
            return Literal[tuple(node["symbols"])]
        if node.get("logicalType") == "timestamp-millis":
            bounds = Field(ge=EARLIEST_MS, le=LATEST_MS)
            return Annotated[int, BeforeValidator(epoch_ms), bounds, WithJsonSchema(_TIME_JSON_SCHEMA)]
        return _annotation(kind, field, owner)
    if node == "string":
        if (owner, field["name"]) in _MESSAGE_CHANNEL_FIELDS:
            return Literal[message_channels()]
        if (owner, field["name"]) == ("Identifier", "type"):
            return Literal[tuple(kind.value for kind in IdentifierType)]
        return _string(field, field.get("minLength") == 0 or field.get("default") == "")
    if node in _INT_BOUNDS:
        lowest, highest = _INT_BOUNDS[node]
        return Annotated[int, Field(ge=field.get("minimum", lowest), le=highest)]
    if node == "boolean":
        return bool
    return _common_model(node.removeprefix(NAMESPACE + "."))


def _definitions(schema: AvroSchema, owner: str) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    for field in schema["fields"]:
        if field.get("readOnly") or field["name"] == "envelope":
            continue
        examples = [field["example"]] if "example" in field else None
        default = field.get("default", ...)
        info = Field(default=default, description=field["doc"], examples=examples)
        definitions[field["name"]] = (_annotation(field["type"], field, owner), info)
    return definitions


@cache
def _common_model(name: str) -> type[BaseModel]:
    schema = declared()[name]
    model: type[BaseModel] = create_model(
        name, __base__=EventModel, __doc__=schema["doc"], **_definitions(schema, name)
    )
    return model


@cache
def event_models() -> Mapping[str, type[BaseModel]]:
    """The flat model of each channel event by record name; ``model_json_schema()`` is what OpenAPI shows."""
    envelope = _definitions(declared()["Envelope"], "Envelope")
    models: dict[str, type[BaseModel]] = {}
    for name in sorted(channel_record_names()):
        schema = declared()[name]
        kind: Any = (Literal[name], Field(description="The record type."))
        models[name] = create_model(
            name, __base__=EventModel, __doc__=schema["doc"], type=kind, **envelope, **_definitions(schema, "")
        )
    return models
