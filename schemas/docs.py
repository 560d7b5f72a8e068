"""The page of all events, ``docs/events.md``: rendered from the schemas, topics, channels and examples. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from schemas.catalogue import (
    NAMESPACE,
    AvroSchema,
    channel_record_names,
    channels,
    declared,
    record_names,
    topics,
)
from schemas.event_models import MAX_ITEMS, MAX_STRING, message_channels
from schemas.history import example, published
from schemas.identifiers import IdentifierType
from schemas.validation import MAX_AHEAD_MS, destination

_INTRO = """# Events

Generated from `schemas/` by `tsunagi schemas docs`; not edited by hand.

Send events with `POST /v1/events` as flat JSON: `type`, the envelope's fields and the event's own fields side by side.
Check one without sending it: `tsunagi event validate`. Types are strict (`"1"` is no integer), unknown fields are
refused, and every mistake is answered with the field's name and its meaning from this page.

- Times are ISO 8601 with an offset (`2026-11-22T10:15:00+09:00`, or `Z`) or epoch milliseconds. A time without an
  offset is refused. `occurred_at` lies between 2000-01-01 and {ahead} minutes from now.
- Money is in minor units (yen, cent) with an ISO 4217 currency.
- Strings have at most {string} characters where nothing else is said, arrays at most {items} entries.
- Every event names its person by at least one usable identifier (not blank, `guest`, `null` or the like), except
  `SaleAtTill` and `StockLevelReported`.
- Fields marked *PII* are personal data: they are never logged and never part of a key.
"""


def render() -> str:
    """The text of ``docs/events.md``."""
    sections = [
        _INTRO.format(ahead=MAX_AHEAD_MS // 60_000, string=MAX_STRING, items=MAX_ITEMS),
        "\n".join(_channels()),
        "## What every event says\n",
        "\n".join(_table(declared()["Envelope"])),
        "## Parts of events\n",
        *("\n".join(_part(name)) for name in sorted(declared()) if name not in (*record_names(), "Envelope")),
        "## Events\n",
        *("\n".join(_event(name)) for name in sorted(channel_record_names())),
        "## Records that only Tsunagi writes\n",
        *("\n".join(_internal(name)) for name in record_names() if name not in channel_record_names()),
        "## Topics\n",
        "\n".join(_topics()),
    ]
    return "\n".join(section.rstrip("\n") + "\n" for section in sections)


def _channels() -> Iterator[str]:
    yield "## Channels\n"
    yield "| channel | what it is | sources | topic | events |"
    yield "|---|---|---|---|---|"
    for name, channel in channels().items():
        events = ", ".join(_link(record) for record in sorted(channel_record_names()) if destination(record, name))
        sources = ", ".join(f"`{source}`" for source in sorted(channel.sources))
        yield f"| `{name}` | {channel.title} | {sources} | `{channel.topic}` | {events} |"


def _part(name: str) -> Iterator[str]:
    schema = declared()[name]
    yield f"### {name}\n"
    yield f"{schema['doc']}\n"
    yield from _table(schema)


def _event(name: str) -> Iterator[str]:
    schema = declared()[name]
    yield f"### {name}\n"
    yield f"{schema['doc']}\n"
    takers = [channel for channel in channels() if destination(name, channel)]
    elsewhere = sorted(topic.topic for topic in topics().values() if name in topic.records)
    origin = f"From {', '.join(f'`{taker}`' for taker in takers)}" if takers else "Written by Tsunagi itself, not sent"
    yield f"{origin}. Topics: {', '.join(f'`{topic}`' for topic in elsewhere)}. Version {len(published(name))}.\n"
    yield from _table(schema)
    yield "\n```json"
    yield json.dumps(example(name), indent=2, ensure_ascii=False)
    yield "```"


def _internal(name: str) -> Iterator[str]:
    schema = declared()[name]
    where = ", ".join(f"`{topic.topic}`" for topic in topics().values() if name in topic.records)
    yield f"### {name}\n"
    yield f"{schema['doc']} Topics: {where}. Version {len(published(name))}.\n"
    yield from _table(schema)


def _topics() -> Iterator[str]:
    yield "| topic | what for | key | partitions | keeps | written by | read by | dead letters |"
    yield "|---|---|---|---|---|---|---|---|"
    for topic in topics().values():
        keeps = f"{topic.cleanup}, {topic.retention}"
        dead = f"`{topic.dead_letter}`" if topic.dead_letter else "-"
        by, to = ", ".join(topic.producers), ", ".join(topic.consumers)
        cells = (topic.description, topic.key, topic.partitions, keeps, by, to, dead)
        yield f"| `{topic.topic}` | {' | '.join(str(cell) for cell in cells)} |"


def _table(schema: AvroSchema) -> Iterator[str]:
    fields = [field for field in schema["fields"] if field["name"] != "envelope"]
    if not fields:
        yield "No fields of its own."
        return
    yield "| field | type | needed | meaning | example |"
    yield "|---|---|---|---|---|"
    for field in fields:
        shown = f"`{json.dumps(field['example'], ensure_ascii=False)}`" if "example" in field else ""
        meaning = field["doc"] + (" *PII*" if field.get("pii") else "")
        cells = (f"`{field['name']}`", _type(field["type"], field, schema["name"]), _needed(field), meaning, shown)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _needed(field: AvroSchema) -> str:
    if field.get("readOnly"):
        return "set by Tsunagi"
    if "default" not in field:
        return "yes"
    default = field["default"]
    return "no" if default in (None, [], "") else f"no (`{json.dumps(default)}`)"


def _type(node: Any, field: AvroSchema, owner: str) -> str:
    if isinstance(node, list):
        return _type(next(branch for branch in node if branch != "null"), field, owner)
    if isinstance(node, dict):
        match node["type"]:
            case "array":
                bounds = f" ({field.get('minItems', 0)} to {field.get('maxItems', MAX_ITEMS)})"
                return f"array of {_type(node['items'], {'name': field['name']}, owner)}{bounds}"
            case "enum":
                return " or ".join(f"`{symbol}`" for symbol in node["symbols"])
        return "time" if node.get("logicalType") == "timestamp-millis" else _type(node["type"], field, owner)
    if node.startswith(NAMESPACE + "."):
        return _link(node.removeprefix(NAMESPACE + "."))
    if (owner, field["name"]) == ("Identifier", "type"):
        return " or ".join(f"`{kind}`" for kind in IdentifierType)
    if field["name"] in ("preferred_channel", "message_channel", "channels"):
        return " or ".join(f"`{name}`" for name in message_channels())
    if node == "string" and "maxLength" in field:
        return f"string (at most {field['maxLength']})"
    if node == "string" and "pattern" in field:
        return f"string (`{field['pattern']}`)"
    name = {"int": "integer", "long": "integer", "boolean": "true or false"}.get(node, node)
    return f"{name} (at least {field['minimum']})" if "minimum" in field else name


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"
