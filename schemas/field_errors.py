"""Pydantic's errors about a flat event, told in the words of the contract: field, what is wrong, the schema's doc."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from schemas.catalogue import NAMESPACE, AvroSchema, declared
from schemas.errors import FieldError
from schemas.event_models import EARLIEST_MS, SHORT_TEXT_PATTERNS

MAX_ERRORS = 100
"""Field errors listed for one event; an array of 500 bad lines is understood long before its last."""
_KINDS = {int: "an integer", float: "a number", str: "a string", bool: "true or false", list: "an array"}
_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "bool_type": "true or false",
    "list_type": "an array",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dict_type": "an object",
}
_MESSAGES = {
    "missing": "is missing",
    "literal_error": "must be one of {expected}",
    "string_too_short": "must not be empty; leave an optional field out, or send null",
    "string_too_long": "has more than {max_length} characters",
    "string_unicode": "is not valid Unicode (a lone surrogate)",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "needs at least {min_length} entry",
    "too_long": "has more than {max_length} entries",
}


def field_errors(name: str, error: ValidationError) -> tuple[list[FieldError], int]:
    """At most :data:`MAX_ERRORS` entries for an event of record type ``name``, and how many there are in all."""
    found = []
    for entry in error.errors(include_url=False)[:MAX_ERRORS]:
        path = tuple(entry["loc"])
        message = _message(name, path, dict(entry))
        found.append(FieldError(".".join(shortened(str(part)) for part in path), message, doc_of(name, path)))
    return found, error.error_count()


def _message(name: str, path: tuple[str | int, ...], entry: Mapping[str, Any]) -> str:
    kind, context = entry["type"], entry.get("ctx", {})
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {kind_of(entry['input'])}"
    if kind == "extra_forbidden":
        return _unknown_field(name, path)
    if kind == "string_pattern_mismatch":
        if context["pattern"] in SHORT_TEXT_PATTERNS:
            return "must have a visible character and no control characters"
        return f"must match {context['pattern']}"
    if kind == "greater_than_equal" and context["ge"] == EARLIEST_MS:
        return "lies before 2000-01-01; numbers are epoch milliseconds, not seconds"
    return _MESSAGES[kind].format(**context) if kind in _MESSAGES else str(entry["msg"])


def _unknown_field(name: str, path: tuple[str | int, ...]) -> str:
    owner, last = declared()[name], str(path[-1])
    for schema, _ in _walk(name, path):
        owner = schema
    if last == "envelope":
        return "is flat in JSON: put the envelope's fields (event_id, occurred_at, ...) beside type"
    fields = {field["name"]: field for field in _flat_fields(owner)}
    if last in fields and fields[last].get("readOnly"):
        return "is set by Tsunagi: leave it out"
    known = [field for field, spec in fields.items() if not spec.get("readOnly")]
    return f"is not a field of {owner['name']}{near(last, known)}"


def _flat_fields(schema: AvroSchema) -> Iterator[dict[str, Any]]:
    for field in schema["fields"]:
        if field["name"] == "envelope":
            yield from declared()["Envelope"]["fields"]
        else:
            yield field


def _walk(name: str, path: Iterable[str | int]) -> Iterator[tuple[AvroSchema, str]]:
    """Record and doc of each named step of ``path``; array positions are passed over."""
    schema: AvroSchema | None = declared()[name]
    for part in path:
        if isinstance(part, int):
            continue
        if schema is None:
            return
        field = next((field for field in _flat_fields(schema) if field["name"] == part), None)
        yield schema, field["doc"] if field else ""
        schema = _record_in(field["type"]) if field else None


def _record_in(node: Any) -> AvroSchema | None:
    """The common record that a field holds, in an array or not."""
    if isinstance(node, list):
        node = next(branch for branch in node if branch != "null")
    if isinstance(node, dict) and node["type"] == "array":
        node = node["items"]
    is_record = isinstance(node, str) and node.startswith(NAMESPACE + ".")
    return declared()[node.removeprefix(NAMESPACE + ".")] if is_record else None


def doc_of(name: str, path: Iterable[str | int]) -> str:
    """The schema's doc of the field at ``path`` in record type ``name``; empty for a field it does not have."""
    last = ""
    for _, last in _walk(name, path):  # noqa: B007 - the last one counts
        pass
    return last


def kind_of(value: object) -> str:
    """What a JSON value is, with its article."""
    return "null" if value is None else _KINDS.get(type(value), "an object")


def shortened(text: str, longest: int = 64) -> str:
    """``text`` or its beginning: a name that is quoted back to its sender has no use for more."""
    return text if len(text) <= longest else text[:longest] + "..."


def quoted(text: str) -> str:
    """``text`` shortened and in quotes."""
    return repr(shortened(text))


def near(word: str, known: Iterable[str]) -> str:
    """``; did you mean ...?`` when something known looks like ``word``, else nothing."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word[:64].lower(), by_lower, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(by_lower[name] for name in close)}?" if close else ""
