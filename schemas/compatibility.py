"""Is a changed schema safe for everything already written and everyone already reading? (FULL_TRANSITIVE)

Pure. The verdict on schema resolution is Apache Avro's own (``ReaderWriterCompatibilityChecker``), asked both ways
against every published version. It accepts changes that keep the bytes readable and change what they mean (logical
type, decimal scale, namespace, a default, a removed enum symbol); :mod:`schemas.evolution` finds those, and says for
every finding where it is, who breaks and what to do instead.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import avro.errors
import avro.schema
import fastavro

from schemas.catalogue import AvroSchema, channel_record_names
from schemas.evolution import compare
from schemas.findings import Breaks, Incompatibility
from schemas.lint import lint

__all__ = ["Breaks", "Incompatibility", "check", "compare", "not_avro"]


def check(
    name: str, new: AvroSchema, published: Sequence[AvroSchema], *, channel: bool | None = None
) -> list[Incompatibility]:
    """Everything against publishing ``new`` as the next version of ``name``; empty when it is safe.

    ``published``: the self-contained versions, version 1 first. ``channel``: whether it is an event of
    ``avro/channel`` (looked up when not given).
    """
    invalid = not_avro(new)
    if invalid is not None:
        fix = "write it as the Avro specification says"
        return [Incompatibility(name, f"{name}.avsc", "", Breaks.CONTRACT, f"not valid Avro: {invalid}", fix)]
    found = lint(name, new, name in channel_record_names() if channel is None else channel)
    against: dict[Incompatibility, tuple[int, ...]] = {}
    for version, old in enumerate(published, start=1):
        for finding in compare(name, new, old):
            against[finding] = (*against.get(finding, ()), version)
    return found + [replace(finding, versions=versions) for finding, versions in against.items()]


def not_avro(schema: Any) -> str | None:
    """Why ``schema`` is no self-contained Avro schema, or ``None``.

    Both libraries are asked: Apache's misses a default of the wrong type, fastavro a field named twice.
    """
    if not isinstance(schema, dict | str | list):
        return f"a schema is an object, not {type(schema).__name__}"
    try:
        avro.schema.parse(json.dumps(schema))
        fastavro.parse_schema(schema, named_schemas={})
    except (avro.errors.AvroException, fastavro.schema.SchemaParseException, fastavro.schema.UnknownType) as error:
        return str(error)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    return None
