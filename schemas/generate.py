"""Writes ``schemas/events.py`` from the Avro files: ``python -m schemas.generate``; ``--check`` fails when stale."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from schemas.catalogue import NAMESPACE, channel_record_names, channels, declared, record_names, topics

TARGET = Path(__file__).parent / "events.py"
_PRIMITIVES = {"string": "str", "int": "int", "long": "int", "boolean": "bool", "bytes": "bytes", "double": "float"}

_HEADER = '''"""Event, action and decision types: generated from schemas/avro by python -m schemas.generate, not edited.

Times are epoch milliseconds UTC, money is in minor units. Structs are frozen: make a changed copy with
``msgspec.structs.replace``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct
'''


def _python_type(node: Any, enums: dict[str, dict[str, Any]]) -> str:
    if isinstance(node, list):
        others = [_python_type(branch, enums) for branch in node if branch != "null"]
        return " | ".join([*others, "None"]) if "null" in node else " | ".join(others)
    if isinstance(node, dict):
        if node["type"] == "array":
            return f"tuple[{_python_type(node['items'], enums)}, ...]"
        if node["type"] == "enum":
            enums[node["name"]] = node
            return str(node["name"])
        return _python_type(node["type"], enums)
    simple = str(node).removeprefix(NAMESPACE + ".")
    return _PRIMITIVES.get(simple, simple)


def _default(field: dict[str, Any], enums: dict[str, dict[str, Any]]) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    node = field["type"]
    if isinstance(node, dict) and node.get("type") == "enum":
        return f" = {node['name']}.{value}"
    if isinstance(node, str) and node.removeprefix(NAMESPACE + ".") in enums:
        return f" = {node.removeprefix(NAMESPACE + '.')}.{value}"
    return " = ()" if value == [] else f" = {value!r}"


def _record(schema: dict[str, Any], enums: dict[str, dict[str, Any]]) -> str:
    fields = [
        f"    {field['name']}: {_python_type(field['type'], enums)}{_default(field, enums)}"
        for field in schema["fields"]
    ]
    return "\n".join(
        [f"class {schema['name']}(Struct, frozen=True, kw_only=True):", f'    """{schema["doc"]}"""', "", *fields]
    )


def _alias(name: str, doc: str, members: list[str]) -> str:
    body = "\n    | ".join(members)
    return f'{name}: TypeAlias = (\n    {body}\n)\n"""{doc}"""'


def _topic_alias(topic: str) -> str:
    return "".join(part.capitalize() for part in topic.replace(".", "-").split("-"))


def render() -> str:
    """The text of ``schemas/events.py``, before formatting."""
    enums: dict[str, dict[str, Any]] = {}
    common = sorted(name for name in declared() if name not in record_names())
    order: list[str] = [name for name in ("Identifier", "Envelope") if name in common]
    order += [name for name in common if name not in order] + list(record_names())
    records = [_record(declared()[name], enums) for name in order]
    enum_classes = [
        "\n".join(
            [f"class {name}(StrEnum):", f'    """{enum["doc"]}"""', ""]
            + [f'    {symbol} = "{symbol}"' for symbol in enum["symbols"]]
        )
        for name, enum in sorted(enums.items())
    ]
    aliases = [_alias("Record", "Anything that travels in a topic.", list(record_names()))]
    channel_events = sorted(channel_record_names())
    aliases.append(_alias("ChannelEvent", "What carries an envelope.", channel_events))
    person_events = [name for name in channel_events if name in topics()["customer-events"].records]
    aliases.append(_alias("PersonEvent", "What happened to a person: an event of a customer's log.", person_events))
    channel_topics = {channel.topic for channel in channels().values()}
    for topic in topics().values():
        if len(topic.records) > 1 and topic.topic not in channel_topics:
            name = _topic_alias(topic.topic).removesuffix("s")
            aliases.append(_alias(name, f"A record of the topic {topic.topic}.", list(topic.records)))
    table = "RECORD_TYPES: dict[str, type[Record]] = {\n" + "".join(f'    "{n}": {n},\n' for n in record_names()) + "}"
    return "\n\n\n".join([_HEADER.rstrip(), *enum_classes, *records, *aliases, table]) + "\n"


def formatted() -> str:
    """The text of ``schemas/events.py`` as committed."""
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(  # noqa: S603 - our own formatter on our own text
        ruff, input=render(), text=True, capture_output=True, check=True
    ).stdout


def main(arguments: list[str]) -> int:
    """Write the file, or with ``--check`` say whether it is fresh (exit 1 when stale)."""
    text = formatted()
    if "--check" in arguments:
        if TARGET.exists() and TARGET.read_text() == text:
            return 0
        print("schemas/events.py is stale: run `python -m schemas.generate`", file=sys.stderr)
        return 1
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
