"""The Avro schemas, channels and topics as reviewed files, loaded and checked against each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import ContractError

NAMESPACE = "tsunagi"
ROOT = Path(__file__).parent
AVRO = ROOT / "avro"
TOPICS = ROOT / "topics"

AvroSchema = dict[str, Any]


@cache
def declared() -> Mapping[str, AvroSchema]:
    """Every named type as its file declares it, by simple name; references not yet resolved."""
    schemas: dict[str, AvroSchema] = {}
    for path in sorted(AVRO.glob("*/*.avsc")):
        try:
            schema = json.loads(path.read_text())
        except json.JSONDecodeError as error:
            raise ContractError(f"{path.name}:{error.lineno}: not JSON: {error.msg}") from error
        if schema.get("name") != path.stem or schema.get("namespace") != NAMESPACE:
            raise ContractError(f"{path.name}: must declare name {path.stem!r} in namespace {NAMESPACE!r}")
        schemas[path.stem] = schema
    return schemas


@cache
def record_names() -> tuple[str, ...]:
    """The record types that travel in topics (all but the common parts), sorted."""
    return tuple(sorted(path.stem for path in AVRO.glob("*/*.avsc") if path.parent.name != "common"))


@cache
def channel_record_names() -> frozenset[str]:
    """The record types that channel teams produce: those with an envelope."""
    return frozenset(path.stem for path in (AVRO / "channel").glob("*.avsc"))


def resolve(name: str, schemas: Mapping[str, AvroSchema] | None = None) -> AvroSchema:
    """One self-contained schema: each referenced type inlined at its first use, as registries want it."""
    source = declared() if schemas is None else schemas
    seen: set[str] = set()

    def inline(node: Any) -> Any:
        if isinstance(node, str) and node.startswith(NAMESPACE + "."):
            simple = node.removeprefix(NAMESPACE + ".")
            if simple not in source:
                raise ContractError(f"{name}.avsc refers to {node}, which no file declares")
            return node if simple in seen else inline(source[simple])
        if isinstance(node, list):
            return [inline(item) for item in node]
        if isinstance(node, dict):
            if "name" in node and node.get("type") in ("record", "enum"):
                seen.add(node["name"])
            return {key: inline(value) if key in ("type", "items", "fields") else value for key, value in node.items()}
        return node

    resolved: AvroSchema = inline(source[name])
    return resolved


@dataclass(frozen=True, slots=True)
class Channel:
    """A place where customers meet the retailer, and the systems that report from there."""

    name: str
    title: str
    sources: frozenset[str]
    also: frozenset[str] = frozenset()
    """Event types it may send that travel in another topic than its own."""

    @property
    def topic(self) -> str:
        return f"channel.{self.name}"


@cache
def channels() -> Mapping[str, Channel]:
    """The reviewed list of channels, by name."""
    raw = yaml.safe_load((ROOT / "channels.yaml").read_text())
    return {
        name: Channel(name, entry["title"], frozenset(entry["sources"]), frozenset(entry.get("also", ())))
        for name, entry in raw.items()
    }


class Topic(BaseModel):
    """A topic as its reviewed file states it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str = Field(pattern=r"^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$")
    description: str
    key: str
    partitions: int = Field(ge=1, description="Production default; the embedded broker uses fewer.")
    cleanup: Literal["delete", "compact"]
    retention: str = Field(pattern=r"^(unlimited|P\d+D)$", description="ISO 8601 days, or unlimited.")
    subject: Literal["RecordNameStrategy"] | None
    compatibility: Literal["FULL_TRANSITIVE"] | None
    dead_letter: str | None
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    records: tuple[str, ...]

    @property
    def retention_ms(self) -> int:
        """Milliseconds, -1 for unlimited."""
        return -1 if self.retention == "unlimited" else int(self.retention[1:-1]) * 86_400_000


@cache
def topics() -> Mapping[str, Topic]:
    """Every topic by name; raises :class:`ContractError` naming the file and field that is wrong."""
    loaded: dict[str, Topic] = {}
    for path in sorted(TOPICS.glob("*.yaml")):
        try:
            topic = Topic.model_validate(yaml.safe_load(path.read_text()))
        except (ValidationError, yaml.YAMLError) as error:
            raise ContractError(f"topics/{path.name}: {error}") from error
        if topic.topic != path.stem:
            raise ContractError(f"topics/{path.name}: declares {topic.topic!r}; name the file after the topic")
        unknown = set(topic.records) - set(record_names())
        if unknown:
            raise ContractError(f"topics/{path.name}: no schema for {', '.join(sorted(unknown))}")
        loaded[topic.topic] = topic
    return loaded
