"""Avro with Confluent framing: ``0x00``, schema id as int32 big-endian, Avro body.

Pure: ids come from a mapping resolved at start, an unknown writer schema through the given look-up.
Source of the frame: Confluent Schema Registry, "Wire format".
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from typing import Any

import fastavro
import msgspec

from schemas.catalogue import NAMESPACE, AvroSchema, record_names, resolve
from schemas.errors import TsunagiError, Undecodable, UnknownRecordType
from schemas.events import RECORD_TYPES, Record

_FRAME = struct.Struct(">bI")
MAGIC = 0


def _without_logical_types(node: Any) -> Any:
    """Times stay integers on the way in and out: a datetime per field would cost more than the fold."""
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node


def parse(schema: AvroSchema) -> Any:
    """fastavro's parsed form of a self-contained schema, times as integers."""
    return fastavro.parse_schema(_without_logical_types(schema), named_schemas={})


class Codec:
    """Encodes and decodes every record type of the contract.

    ``ids``: schema id by record name, as the registry gave them. ``fetch``: JSON text of a writer schema by id, called
    once per unknown id; whatever it raises becomes :class:`Undecodable`, except :class:`Unavailable`-like errors which
    it should raise itself and which pass through.
    """

    def __init__(self, ids: Mapping[str, int], fetch: Callable[[int], str]) -> None:
        missing = set(record_names()) - set(ids)
        if missing:
            raise UnknownRecordType(f"no schema id for {', '.join(sorted(missing))}: run `tsunagi schemas publish`")
        self._fetch = fetch
        self._current = {name: parse(resolve(name)) for name in record_names()}
        self._frames = {name: _FRAME.pack(MAGIC, ids[name]) for name in record_names()}
        self._readers: dict[int, tuple[Any, Any, type[Record]]] = {
            ids[name]: (self._current[name], None, RECORD_TYPES[name]) for name in record_names()
        }

    def encode(self, record: Record) -> bytes:
        """Framed bytes of one record; raises ``ValueError`` when a value does not fit its Avro type."""
        name = type(record).__name__
        buffer = io.BytesIO()
        buffer.write(self._frames[name])
        try:
            fastavro.schemaless_writer(buffer, self._current[name], msgspec.to_builtins(record, builtin_types=(bytes,)))
        except (TypeError, KeyError, OverflowError, struct.error) as error:
            raise ValueError(f"{name} does not fit its schema: {error}") from error
        return buffer.getvalue()

    def decode(self, data: bytes | None) -> Record:
        """The record in ``data``; raises :class:`Undecodable` for anything that is not one."""
        if data is None or len(data) < _FRAME.size:
            raise Undecodable("shorter than a Confluent frame (5 bytes)")
        magic, schema_id = _FRAME.unpack_from(data)
        if magic != MAGIC:
            raise Undecodable(f"first byte is {data[0]:#04x}, not 0x00: not Confluent-framed")
        writer, reader, record_type = self._reader(schema_id)
        body = io.BytesIO(data)
        body.seek(_FRAME.size)
        try:
            value = fastavro.schemaless_reader(body, writer, reader)
            record = msgspec.convert(value, record_type)
        except Exception as error:
            # fastavro raises whatever the broken bytes lead it to: EOFError, IndexError, UnicodeDecodeError, ...
            raise Undecodable(f"not a {record_type.__name__}: {type(error).__name__}: {error}") from error
        if body.tell() != len(data):
            raise Undecodable(f"{len(data) - body.tell()} bytes behind the {record_type.__name__}")
        return record

    def _reader(self, schema_id: int) -> tuple[Any, Any, type[Record]]:
        known = self._readers.get(schema_id)
        if known is None:
            try:
                schema = json.loads(self._fetch(schema_id))
                name = schema.get("name", "") if isinstance(schema, dict) else ""
                if name not in RECORD_TYPES or schema.get("namespace") != NAMESPACE:
                    raise Undecodable(f"schema id {schema_id} is {name!r}, which is not of this contract")
                known = (parse(schema), self._current[name], RECORD_TYPES[name])
            except TsunagiError:
                raise
            except Exception as error:
                raise Undecodable(f"schema id {schema_id}: {type(error).__name__}: {error}") from error
            self._readers[schema_id] = known
        return known
