"""Writes the golden bytes that are missing: ``python tests/contract/golden/make_avro.py``, once after a publication.

One pair a published version: ``<Record>.<version>.json`` (the record) and ``.hex`` (its frame and Avro body). The bytes
come from Apache's own implementation, not from ours, and files that exist are never written again: what is in a log
stays as it is.
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import msgspec

from schemas.catalogue import AvroSchema, channel_record_names, record_names
from schemas.event_models import event_models
from schemas.events import RECORD_TYPES, Record
from schemas.history import example, published, schema_id

FOLDER = Path(__file__).parent / "avro"


def plain(node: Any) -> Any:
    """The schema with times as plain longs: the same bytes, without a datetime per field."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != "logicalType"}
    return [plain(item) for item in node] if isinstance(node, list) else node


def sample(name: str) -> Any:
    """The example of a channel event as Tsunagi would have it after identity, or a made-up internal record."""
    if name in channel_record_names():
        model = event_models()[name].model_validate(example(name))
        record: Any = msgspec.convert({"envelope": model, **model.__dict__}, RECORD_TYPES[name], from_attributes=True)
        envelope = msgspec.structs.replace(
            record.envelope,
            received_at=record.envelope.occurred_at + 40,
            customer_id="7c0e9a52-1111-5d0b-9a4b-000000000001",
        )
        return msgspec.structs.replace(record, envelope=envelope)
    return msgspec.convert(_made_up(published(name)[-1], name), RECORD_TYPES[name])


def _made_up(node: Any, name: str) -> Any:
    if isinstance(node, list):
        return _made_up(node[-1], name)
    if isinstance(node, dict):
        match node["type"]:
            case "record":
                return {field["name"]: _made_up(field["type"], field["name"]) for field in node["fields"]}
            case "enum":
                return node["symbols"][-1]
            case "array":
                return [_made_up(node["items"], name)]
        if "logicalType" in node:
            return 1_795_310_100_000
        return _made_up(node["type"], name)
    return {"string": f"{name}-値", "int": -7, "long": 2**40, "boolean": True, "bytes": b"\x00\xff\x80"}[node]


def frame_of(schema: AvroSchema) -> bytes:
    """Confluent's frame with the id of the embedded registry."""
    return struct.pack(">bI", 0, schema_id(schema))


def apache_body(schema: AvroSchema, record: Record) -> bytes:
    """The record's Avro body as Apache's implementation writes it."""
    buffer = io.BytesIO()
    writer = avro.io.DatumWriter(avro.schema.parse(json.dumps(plain(schema))))
    writer.write(_lists(msgspec.to_builtins(record, builtin_types=(bytes,))), avro.io.BinaryEncoder(buffer))
    return buffer.getvalue()


def _lists(value: Any) -> Any:
    """Tuples as lists: Apache's writer knows no other array."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value


def main() -> None:
    """Write what is missing for the latest version of each record type."""
    for name in record_names():
        schema = published(name)[-1]
        target = FOLDER / f"{name}.{len(published(name))}.hex"
        if target.exists():
            continue
        record = sample(name)
        target.write_text((frame_of(schema) + apache_body(schema, record)).hex() + "\n")
        pretty = msgspec.json.format(msgspec.json.encode(record), indent=1)
        target.with_suffix(".json").write_text(pretty.decode() + "\n")


if __name__ == "__main__":
    main()
