"""Published versions and example events as files: ``published/<Record>/<version>.avsc``, ``examples/<Record>.json``.

A published version is self-contained (references inlined) and never edited: readers in the field and records in the log
depend on it. Version 1 comes first, without gaps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from schemas.catalogue import NAMESPACE, ROOT, AvroSchema, channel_record_names, record_names, resolve
from schemas.errors import ContractError

PUBLISHED = ROOT / "published"
EXAMPLES = ROOT / "examples"


def canonical(schema: AvroSchema) -> str:
    """One text per content: keys sorted, no white space. Docs and attributes count, as they do in a registry."""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def schema_id(schema: AvroSchema) -> int:
    """The id the embedded registry gives a schema: the first 31 bits of SHA-256 of its canonical text, at least 1.

    It depends on the content alone: not on order, on other schemas or on a restart, so that adding a version moves no
    id and a log stays readable after the registry's own files are lost. A registry refuses the (unlikely) collision.
    """
    return int.from_bytes(hashlib.sha256(canonical(schema).encode()).digest()[:4], "big") >> 1 or 1


def subject_of(name: str) -> str:
    """The registry subject of a record type: RecordNameStrategy, its full name."""
    return f"{NAMESPACE}.{name}"


@cache
def published(name: str, folder: Path = PUBLISHED) -> tuple[AvroSchema, ...]:
    """The published versions of a record type, version 1 first; raises :class:`ContractError` on a gap."""
    versions = sorted((folder / name).glob("*.avsc"), key=lambda path: (len(path.stem), path.stem))
    for number, path in enumerate(versions, start=1):
        if path.stem != str(number):
            raise ContractError(f"published/{name}/{path.name}: version {number} is missing before it")
    return tuple(_load(path) for path in versions)


def unpublished(folder: Path = PUBLISHED) -> tuple[str, ...]:
    """Record types whose file differs from their latest published version, or that have none."""
    return tuple(name for name in record_names() if published(name, folder)[-1:] != (resolve(name),))


def publish(name: str, folder: Path = PUBLISHED) -> Path:
    """Write the current schema of ``name`` as its next published version and return the file."""
    target = folder / name / f"{len(published(name, folder)) + 1}.avsc"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(resolve(name), indent=2, ensure_ascii=False) + "\n")
    published.cache_clear()
    return target


@cache
def example(name: str, folder: Path = EXAMPLES) -> dict[str, Any]:
    """The example of a channel event in flat JSON form; do not change what is returned."""
    return _load(folder / f"{name}.json")


def stray_files(published_folder: Path = PUBLISHED, examples_folder: Path = EXAMPLES) -> Iterator[str]:
    """What is in the two folders but belongs to nothing, and what is missing from them; one sentence each."""
    for folder in sorted(published_folder.iterdir()):
        if folder.name not in record_names():
            yield f"published/{folder.name}: no such record type in avro/; a published type is kept, not deleted"
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix != ".avsc" or not path.stem.isdecimal():
                yield f"published/{folder.name}/{path.name}: not a <version>.avsc file"
    for path in sorted(examples_folder.iterdir()):
        if path.suffix != ".json" or path.stem not in channel_record_names():
            yield f"examples/{path.name}: no such channel event in avro/channel"
    for name in sorted(channel_record_names()):
        if not (examples_folder / f"{name}.json").exists():
            yield f"examples/{name}.json is missing: every channel event has an example"


def _load(path: Path) -> dict[str, Any]:
    label = f"{path.parent.name}/{path.name}"
    try:
        loaded = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ContractError(f"{label} is missing") from error
    except json.JSONDecodeError as error:
        raise ContractError(f"{label}:{error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(loaded, dict):
        raise ContractError(f"{label}: must hold a JSON object")
    return loaded
