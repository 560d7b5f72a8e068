"""What is wrong with one schema by itself: the house rules that no Avro library knows.

Pure. A field says what it means (doc), how it looks (example) and what an old reader makes of a symbol it does not know
(enum default); a channel event has the envelope and fits the flat JSON form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from schemas.catalogue import NAMESPACE, AvroSchema
from schemas.findings import Breaks, Incompatibility

_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PRIMITIVES = {
    "string": (str,),
    "int": (int,),
    "long": (int,),
    "boolean": (bool,),
    "bytes": (str,),
    "null": (type(None),),
}
_LOGICAL_TYPES = frozenset({("long", "timestamp-millis")})


def lint(name: str, schema: AvroSchema, channel: bool) -> list[Incompatibility]:
    """Findings about one self-contained schema; ``channel``: it is an event that channel teams send."""
    found = [*_record(name, schema)]
    if channel:
        found += _channel_event(name, schema)
    return found


def _contract(name: str, file: str, field: str, problem: str, fix: str) -> Incompatibility:
    return Incompatibility(name, f"{file}.avsc", field, Breaks.CONTRACT, problem, fix)


def _record(name: str, record: AvroSchema) -> Iterator[Incompatibility]:
    own = record["name"]
    if not record.get("doc"):
        yield _contract(name, own, "", "the record has no doc", "say what happened, in one sentence")
    for field in record["fields"]:
        where = field["name"]
        if not _SNAKE_CASE.fullmatch(where):
            yield _contract(name, own, where, "the name is not snake_case", "write it like unit_price_minor")
        if not field.get("doc"):
            yield _contract(
                name, own, where, "the field has no doc", "say what it means, with unit and bounds; errors quote it"
            )
        if "aliases" in field:
            yield _contract(
                name,
                own,
                where,
                "an alias renames the field for new readers only; old readers lose it",
                "keep the old field and add the new one beside it with a default",
            )
        if "default" in field and not _fits_default(field["type"], field["default"]):
            yield _contract(
                name,
                own,
                where,
                "the default does not fit the (first) type",
                "put the default's type first in the union",
            )
        yield from _type(name, own, where, field["type"])


def _type(name: str, own: str, where: str, node: Any) -> Iterator[Incompatibility]:
    match node:
        case list():
            others = [branch for branch in node if branch != "null"]
            if len(others) != 1 or node[0] != "null":
                fix = 'only ["null", T] is used here; for alternatives use one field each'
                yield _contract(name, own, where, "a union that is not nullable-first", fix)
            for branch in others:
                yield from _type(name, own, where, branch)
        case {"type": "record"}:
            yield from _record(name, node)
        case {"type": "enum"}:
            if not node.get("doc"):
                yield _contract(name, own, where, "the enum has no doc", "say what it is about")
            if "default" not in node:
                fix = 'add "default": the symbol that a reader takes for one it does not know'
                yield _contract(name, own, where, "the enum has no default symbol", fix)
        case {"type": "array"}:
            yield from _type(name, own, where, node["items"])
        case {"logicalType": logical} if (node["type"], logical) not in _LOGICAL_TYPES:
            fix = "use timestamp-millis on a long; money is a long in minor units"
            yield _contract(name, own, where, f"logicalType {logical} on {node['type']} is not in use here", fix)
        case {"type": inner}:
            yield from _type(name, own, where, inner)
        case str() if node not in _PRIMITIVES and not node.startswith(NAMESPACE + "."):
            fix = f"use one of {', '.join(_PRIMITIVES)}, an array, an enum or a record of avro/common"
            yield _contract(name, own, where, f"type {node} is not in use here", fix)


def _channel_event(name: str, schema: AvroSchema) -> Iterator[Incompatibility]:
    first = schema["fields"][0] if schema["fields"] else {"name": "", "type": None}
    envelope = first["type"] if isinstance(first["type"], dict) else {}
    if first["name"] != "envelope" or envelope.get("name") != "Envelope":
        fix = 'make {"name": "envelope", "type": "tsunagi.Envelope"} its first field, or move the file to avro/internal'
        yield _contract(name, name, "", "a channel event without the envelope", fix)
    flat = {field["name"] for field in envelope.get("fields", ())} | {"type"}
    for field in schema["fields"]:
        if field["name"] in flat:
            problem = f"{field['name']} is a name of the envelope (or type), and the JSON form is flat"
            yield _contract(name, name, field["name"], problem, "choose a longer name, such as message_channel")
    yield from _examples(name, schema)


def _examples(name: str, record: AvroSchema) -> Iterator[Incompatibility]:
    own = record["name"]
    for field in record["fields"]:
        node = field["type"]
        plain = node.get("type") if isinstance(node, dict) else node
        if "example" in field:
            if not _fits_example(node, field["example"]):
                yield _contract(
                    name, own, field["name"], "the example does not fit the type", "write one that a sender could send"
                )
        elif plain in ("string", "int", "long", "boolean") and "default" not in field:
            fix = 'add "example": a value a sender could send; docs and tests use it'
            yield _contract(name, own, field["name"], "a required field without an example", fix)
        inner = node[-1] if isinstance(node, list) else node
        if isinstance(inner, dict) and inner["type"] == "array":
            inner = inner["items"]
        if isinstance(inner, dict) and inner["type"] == "record":
            yield from _examples(name, inner)


def _fits_default(node: Any, value: Any) -> bool:
    if isinstance(node, list):
        return _fits_default(node[0], value)
    if isinstance(node, dict):
        match node["type"]:
            case "enum":
                return value in node["symbols"]
            case "array":
                return isinstance(value, list)
            case "record":
                return isinstance(value, dict)
            case inner:
                return _fits_default(inner, value)
    return type(value) in _PRIMITIVES.get(node, (type(value),))


def _fits_example(node: Any, value: Any) -> bool:
    if isinstance(node, list):
        return any(branch != "null" and _fits_example(branch, value) for branch in node)
    if isinstance(node, dict) and "logicalType" in node:
        return type(value) in (int, str)
    return _fits_default(node, value)
