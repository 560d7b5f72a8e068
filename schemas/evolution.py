"""Two versions of one schema side by side: what the newer does to readers of the older, and the other way round.

Pure. Walks both trees together, so that a finding names the file and the field; Avro's own verdict is asked where types
differ and, for both whole schemas, at the end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from schemas.catalogue import AvroSchema
from schemas.findings import Breaks, Incompatibility

_KEEP = "keep the field as it is and add a new one with a default beside it"
_NAMED = ("record", "enum", "fixed")
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
# JSON-Schema words that bound what a sender may send, and which way is tighter.
_LOWER_BOUNDS = ("minimum", "minLength", "minItems")
_UPPER_BOUNDS = ("maximum", "maxLength", "maxItems")


def compare(name: str, new: AvroSchema, old: AvroSchema) -> list[Incompatibility]:
    """What breaks when ``new`` follows ``old``; both are valid and self-contained. ``versions`` is left empty."""
    new, old = _full_names(new, ""), _full_names(old, "")
    walk = _Walk(name, _named(new), _named(old))
    found = list(dict.fromkeys(walk.types(new, old, _Place(f"{name}.avsc", ""))))
    for breaks, reader, writer in ((Breaks.NEW_READER, new, old), (Breaks.OLD_READER, old, new)):
        problem = _resolution_error(reader, writer)
        if problem and not any(finding.breaks in (breaks, Breaks.BOTH) for finding in found):
            found.append(Incompatibility(name, f"{name}.avsc", "", breaks, problem, _KEEP))
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    file: str
    path: str

    def field(self, name: str) -> _Place:
        return _Place(self.file, f"{self.path}.{name}" if self.path else name)


@dataclass(slots=True)
class _Walk:
    name: str
    new_names: Mapping[str, Any]
    old_names: Mapping[str, Any]
    seen: set[tuple[str, str]] = field(default_factory=set)

    def finding(self, place: _Place, breaks: Breaks, problem: str, fix: str = _KEEP) -> Incompatibility:
        return Incompatibility(self.name, place.file, place.path, breaks, problem, fix)

    def types(self, new: Any, old: Any, place: _Place) -> Iterator[Incompatibility]:
        new, old = _plain(new, self.new_names), _plain(old, self.old_names)
        new_kind, old_kind = _kind(new), _kind(old)
        if new_kind != old_kind:
            yield from self.changed(new, old, place)
            return
        match new_kind:
            case "union":
                yield from self.unions(new, old, place)
            case "array":
                yield from self.types(new["items"], old["items"], place)
            case "map":
                yield from self.types(new["values"], old["values"], place)
            case "record" | "enum" | "fixed":
                yield from self.named_types(new, old, place)
        yield from self.logical_types(new, old, place)

    def changed(self, new: Any, old: Any, place: _Place) -> Iterator[Incompatibility]:
        problem = f"the type changed from {_told(old, self.old_names)} to {_told(new, self.new_names)}"
        new_text, old_text = _inlined(new, self.new_names, set()), _inlined(old, self.old_names, set())
        new_reads_old = _resolution_error(new_text, old_text) is None
        old_reads_new = _resolution_error(old_text, new_text) is None
        if new_reads_old and not old_reads_new:
            yield self.finding(place, Breaks.OLD_READER, problem)
        elif old_reads_new and not new_reads_old:
            yield self.finding(place, Breaks.NEW_READER, problem)
        else:
            # Avro reads string as bytes and back, and fails only on the first bytes that are not UTF-8.
            yield self.finding(place, Breaks.BOTH, problem)

    def unions(self, new: list[Any], old: list[Any], place: _Place) -> Iterator[Incompatibility]:
        new_branches = {_branch(branch, self.new_names): branch for branch in new}
        old_branches = {_branch(branch, self.old_names): branch for branch in old}
        for key in new_branches.keys() & old_branches.keys():
            yield from self.types(new_branches[key], old_branches[key], place)
        if new_branches.keys() != old_branches.keys():
            yield from self.changed(new, old, place)

    def named_types(self, new: AvroSchema, old: AvroSchema, place: _Place) -> Iterator[Incompatibility]:
        new_name, old_name = new["name"], old["name"]
        if (new_name, old_name) in self.seen:
            return
        self.seen.add((new_name, old_name))
        if new_name != old_name:
            problem = f"the type's full name changed from {old_name} to {new_name}"
            yield self.finding(place, Breaks.BOTH, problem, "keep name and namespace: they are the registry subject")
        if new["type"] == "record":
            simple = new_name.rpartition(".")[2]
            inner = _Place(f"{simple}.avsc", "") if place.path else place
            yield from self.records(new, old, inner)
        elif new["type"] == "enum":
            yield from self.enums(new, old, place)
        elif new["size"] != old["size"]:
            yield self.finding(place, Breaks.BOTH, f"the size changed from {old['size']} to {new['size']} bytes")

    def records(self, new: AvroSchema, old: AvroSchema, place: _Place) -> Iterator[Incompatibility]:
        new_fields = {item["name"]: item for item in new["fields"]}
        old_fields = {item["name"]: item for item in old["fields"]}
        for key, item in new_fields.items():
            if key not in old_fields and "default" not in item:
                problem = "the field is new and has no default: records written before it cannot be read"
                yield self.finding(place.field(key), Breaks.NEW_READER, problem, "give it a default")
        for key, item in old_fields.items():
            if key in new_fields:
                yield from self.fields(new_fields[key], item, place.field(key))
            elif "default" not in item:
                problem = "the field was removed, and old readers have no default for it"
                fix = "keep the field; say in its doc that it is no longer used"
                yield self.finding(place.field(key), Breaks.OLD_READER, problem, fix)
            elif new["name"].endswith(".Envelope"):
                problem = "the field was removed from the envelope, which only grows"
                yield self.finding(place.field(key), Breaks.BOTH, problem, "keep the field")

    def fields(self, new: AvroSchema, old: AvroSchema, place: _Place) -> Iterator[Incompatibility]:
        yield from self.types(new["type"], old["type"], place)
        if "default" in old and "default" not in new:
            problem = "the default was removed: senders who leave the field out are refused"
            yield self.finding(place, Breaks.SENDER, problem, "keep the default")
        elif "default" in old and new["default"] != old["default"]:
            problem = f"the default changed from {json.dumps(old['default'])} to {json.dumps(new['default'])}"
            fix = "keep the default: the same record would mean two things"
            yield self.finding(place, Breaks.BOTH, problem, fix)
        if old.get("pii") and not new.get("pii"):
            problem = "the pii tag was removed: personal data would be written unsealed"
            yield self.finding(place, Breaks.CONTRACT, problem, "keep the tag")
        yield from self.bounds(new, old, place)

    def bounds(self, new: AvroSchema, old: AvroSchema, place: _Place) -> Iterator[Incompatibility]:
        tighter = [word for word in _LOWER_BOUNDS if word in new and (word not in old or new[word] > old[word])]
        tighter += [word for word in _UPPER_BOUNDS if word in new and (word not in old or new[word] < old[word])]
        tighter += [word for word in ("pattern", "readOnly") if word in new and new[word] != old.get(word)]
        if tighter:
            problem = f"{' and '.join(tighter)} became tighter: senders who were right are refused"
            yield self.finding(place, Breaks.SENDER, problem, "keep the bound of the published version")

    def enums(self, new: AvroSchema, old: AvroSchema, place: _Place) -> Iterator[Incompatibility]:
        removed = [symbol for symbol in old["symbols"] if symbol not in new["symbols"]]
        added = [symbol for symbol in new["symbols"] if symbol not in old["symbols"]]
        if removed:
            reads = f"reads it as {new['default']}" if "default" in new else "cannot read it"
            problem = f"symbol {', '.join(removed)} was removed: a new reader {reads} in records already written"
            yield self.finding(place, Breaks.NEW_READER, problem, "keep the symbol; say in the doc that it is not used")
        if added and "default" not in old:
            problem = f"symbol {', '.join(added)} is new, and old readers have no default symbol to take for it"
            yield self.finding(place, Breaks.OLD_READER, problem, "add a new field with a new enum that has a default")
        if "default" in old and new.get("default") != old["default"]:
            change = f"changed to {new['default']}" if "default" in new else "was removed"
            problem = f"the default symbol {old['default']} {change}"
            yield self.finding(place, Breaks.BOTH, problem, "keep the default symbol")

    def logical_types(self, new: Any, old: Any, place: _Place) -> Iterator[Incompatibility]:
        new_words, old_words = (node if isinstance(node, dict) else {} for node in (new, old))
        for word in ("logicalType", "scale", "precision"):
            if new_words.get(word) != old_words.get(word):
                problem = (
                    f"{word} changed from {old_words.get(word)} to {new_words.get(word)}: same bytes, other meaning"
                )
                yield self.finding(place, Breaks.BOTH, problem)


def _resolution_error(reader: Any, writer: Any) -> str | None:
    """Apache Avro's verdict on reading what ``writer`` wrote with ``reader``; ``None`` when it can."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer)))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return None
    kinds = ", ".join(sorted({kind.value.replace("_", " ") for kind in result.incompatibilities}))
    return f"{kinds}: {'; '.join(sorted(result.messages))} at {', '.join(sorted(result.locations))}"


def _full_names(node: Any, namespace: str) -> Any:
    """The same schema with every named type and reference written by its full name; nested types inherit."""
    if isinstance(node, list):
        return [_full_names(branch, namespace) for branch in node]
    if isinstance(node, str):
        return node if node in _PRIMITIVES or "." in node or not namespace else f"{namespace}.{node}"
    kind = node["type"]
    if kind in _NAMED:
        namespace = node.get("namespace", namespace)
        name = node["name"] if "." in node["name"] or not namespace else f"{namespace}.{node['name']}"
        namespace = name.rpartition(".")[0]
        full = {key: value for key, value in node.items() if key != "namespace"} | {"name": name}
        if kind == "record":
            full["fields"] = [item | {"type": _full_names(item["type"], namespace)} for item in node["fields"]]
        return full
    inner = {key: _full_names(node[key], namespace) for key in ("items", "values") if key in node}
    return {**node, **inner, "type": kind if kind in ("array", "map") else _full_names(kind, namespace)}


def _named(node: Any) -> dict[str, Any]:
    """The named types declared in a schema, by full name."""
    if isinstance(node, list):
        return {name: found for branch in node for name, found in _named(branch).items()}
    if not isinstance(node, dict):
        return {}
    own = {node["name"]: node} if node["type"] in _NAMED else _named(node["type"])
    inner = [node.get("items"), node.get("values"), *(item["type"] for item in node.get("fields", ()))]
    return own | {name: found for part in inner for name, found in _named(part).items()}


def _plain(node: Any, names: Mapping[str, Any]) -> Any:
    """References looked up, ``{"type": {...}}`` unwrapped."""
    while isinstance(node, dict) and not isinstance(node["type"], str):
        node = node["type"]
    reference = node["type"] if isinstance(node, dict) else node
    return names[reference] if isinstance(reference, str) and reference in names else node


def _kind(node: Any) -> str:
    if isinstance(node, list):
        return "union"
    return str(node["type"] if isinstance(node, dict) else node)


def _branch(node: Any, names: Mapping[str, Any]) -> str:
    plain = _plain(node, names)
    return str(plain["name"]) if _kind(plain) in _NAMED else _kind(plain)


def _told(node: Any, names: Mapping[str, Any]) -> str:
    if isinstance(node, list):
        return " or ".join(_branch(branch, names) for branch in node)
    return _branch(node, names)


def _inlined(node: Any, names: Mapping[str, Any], done: set[str]) -> Any:
    """A part of a schema as a schema of its own: each reference spelt out at its first use."""
    if isinstance(node, list):
        return [_inlined(branch, names, done) for branch in node]
    if isinstance(node, str):
        return _inlined(names[node], names, done) if node in names and node not in done else node
    if node["type"] in _NAMED:
        done.add(node["name"])
    full = {key: _inlined(node[key], names, done) for key in ("items", "values") if key in node}
    if "fields" in node:
        full["fields"] = [item | {"type": _inlined(item["type"], names, done)} for item in node["fields"]]
    kind = node["type"]
    return {**node, **full, "type": kind if isinstance(kind, str) else _inlined(kind, names, done)}
