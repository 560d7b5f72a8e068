"""The codec against Apache's implementation, against bytes written earlier, and against bytes that are nothing."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.catalogue import AvroSchema, record_names, resolve
from schemas.codec import Codec
from schemas.errors import Unavailable, Undecodable, UnknownRecordType
from schemas.events import RECORD_TYPES, ClockTick, OrderPlaced, Record
from schemas.history import PUBLISHED, published, schema_id

GOLDEN = Path(__file__).parent / "golden" / "avro"
VERSIONS = sorted((path.parent.name, int(path.stem)) for path in PUBLISHED.glob("*/*.avsc"))
_BY_ID = {schema_id(schema): schema for name in record_names() for schema in published(name)}


def _fetch(identifier: int) -> str:
    if identifier not in _BY_ID:
        raise Undecodable(f"no schema {identifier}")
    return json.dumps(_BY_ID[identifier])


@cache
def _codec() -> Codec:
    return Codec({name: schema_id(published(name)[-1]) for name in record_names()}, _fetch)


def _golden(name: str, version: int) -> tuple[bytes, Record]:
    stem = GOLDEN / f"{name}.{version}"
    record = msgspec.json.decode(stem.with_suffix(f".{version}.json").read_bytes(), type=RECORD_TYPES[name])
    return bytes.fromhex(stem.with_suffix(f".{version}.hex").read_text()), record


def _values(node: Any) -> st.SearchStrategy[Any]:
    if isinstance(node, list):
        return st.one_of([_values(branch) for branch in node])
    if isinstance(node, dict):
        match node["type"]:
            case "record":
                return st.fixed_dictionaries({field["name"]: _values(field["type"]) for field in node["fields"]})
            case "enum":
                return st.sampled_from(node["symbols"])
            case "array":
                return st.lists(_values(node["items"]), max_size=3)
        return _values(node["type"])
    if node in _COMMON:
        return _values(_COMMON[node])
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "string": st.text(max_size=12),
        "bytes": st.binary(max_size=12),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
    }
    return by_type[node]


_COMMON = {f"tsunagi.{name}": resolve(name) for name in ("Envelope", "Identifier", "OrderLine", "ProductRef")}


@pytest.mark.parametrize("name", record_names())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_record_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    record = msgspec.convert(data.draw(_values(resolve(name))), RECORD_TYPES[name])
    assert _codec().decode(_codec().encode(record)) == record


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_bytes_of_every_published_version_stay_readable(name: str, version: int) -> None:
    data, record = _golden(name, version)
    assert _codec().decode(data) == record


@pytest.mark.parametrize("name", record_names())
def test_the_latest_version_is_written_byte_for_byte_as_golden(name: str) -> None:
    data, record = _golden(name, len(published(name)))
    assert _codec().encode(record) == data


@pytest.mark.parametrize(("name", "version"), VERSIONS)
def test_apache_avro_reads_the_same_record(name: str, version: int) -> None:
    data, record = _golden(name, version)
    schema = avro.schema.parse(json.dumps(_plain(published(name)[version - 1])))
    value = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(io.BytesIO(data[5:])))
    assert msgspec.convert(value, RECORD_TYPES[name]) == record


def test_golden_files_and_published_versions_are_the_same_set() -> None:
    stems = {f"{name}.{version}" for name, version in VERSIONS}
    assert {path.name.removesuffix(".hex") for path in GOLDEN.glob("*.hex")} == stems
    assert {path.name.removesuffix(".json") for path in GOLDEN.glob("*.json")} == stems


@pytest.mark.parametrize("name", record_names())
def test_cut_short_bytes_are_undecodable_at_every_length(name: str) -> None:
    data, _ = _golden(name, len(published(name)))
    for length in range(len(data)):
        with pytest.raises(Undecodable):
            _codec().decode(data[:length])
    with pytest.raises(Undecodable, match="1 bytes behind"):
        _codec().decode(data + b"\x00")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=64), st.sampled_from(sorted(_BY_ID)))
def test_garbage_is_undecodable_or_a_record_but_never_another_error(body: bytes, identifier: int) -> None:
    for data in (body, struct.pack(">bI", 0, identifier) + body):
        try:
            record = _codec().decode(data)
        except Undecodable:
            continue
        assert type(record) in RECORD_TYPES.values()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VERSIONS), st.data())
def test_flipped_bytes_are_undecodable_or_a_record(which: tuple[str, int], data: st.DataObject) -> None:
    golden, _ = _golden(*which)
    position = data.draw(st.integers(0, len(golden) - 1))
    broken = bytearray(golden)
    broken[position] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(Undecodable):
        assert type(_codec().decode(bytes(broken))) in RECORD_TYPES.values()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "shorter than"),
        (b"", "shorter than"),
        (b"\x00\x00\x00\x00", "shorter than"),
        (b"\x01\x00\x00\x00\x07", "0x01"),
    ],
)
def test_what_is_no_frame_is_said(data: bytes | None, why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        _codec().decode(data)


def _with_fetch(answer: str | Exception) -> tuple[Codec, list[int]]:
    asked: list[int] = []

    def fetch(identifier: int) -> str:
        asked.append(identifier)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Codec({name: number for number, name in enumerate(record_names(), 1)}, fetch), asked


def test_an_older_writer_schema_is_fetched_once_and_its_missing_fields_take_their_defaults() -> None:
    _, record = _golden("OrderPlaced", 1)
    assert isinstance(record, OrderPlaced)
    assert record.cart_id == "cart-77"
    older: AvroSchema = copy.deepcopy(resolve("OrderPlaced"))
    older["fields"] = [field for field in older["fields"] if field["name"] != "cart_id"]
    schema = avro.schema.parse(json.dumps(_plain(older)))
    buffer = io.BytesIO(struct.pack(">bI", 0, 4711))
    buffer.seek(5)
    value = json.loads(msgspec.json.encode(record))
    del value["cart_id"]
    avro.io.DatumWriter(schema).write(value, avro.io.BinaryEncoder(buffer))
    codec, asked = _with_fetch(json.dumps(older))
    for _ in range(3):
        assert codec.decode(buffer.getvalue()) == msgspec.structs.replace(record, cart_id=None)
    assert asked == [4711]


def test_a_newer_writers_unknown_symbol_is_read_as_the_default() -> None:
    _, record = _golden("OrderPlaced", 1)
    newer: AvroSchema = copy.deepcopy(resolve("OrderPlaced"))
    fulfilment = next(field for field in newer["fields"] if field["name"] == "fulfilment")
    fulfilment["type"]["symbols"].append("LOCKER")
    buffer = io.BytesIO(struct.pack(">bI", 0, 4712))
    buffer.seek(5)
    value = json.loads(msgspec.json.encode(record)) | {"fulfilment": "LOCKER"}
    avro.io.DatumWriter(avro.schema.parse(json.dumps(_plain(newer)))).write(value, avro.io.BinaryEncoder(buffer))
    codec, _ = _with_fetch(json.dumps(newer))
    decoded = codec.decode(buffer.getvalue())
    assert isinstance(decoded, OrderPlaced)
    assert decoded.fulfilment == "HOME_DELIVERY"


@pytest.mark.parametrize(
    "answer",
    [
        "not json",
        "[]",
        '{"type": "record", "name": "OrderPlaced", "namespace": "someone.else", "fields": []}',
        '{"type": "record", "name": "Stranger", "namespace": "tsunagi", "fields": []}',
        '{"type": "record", "name": "OrderPlaced", "namespace": "tsunagi"}',
        '{"type": "record", "name": "OrderPlaced", "namespace": "tsunagi", "fields": []}',
        KeyError("a broken client"),
        Undecodable("unknown id"),
    ],
)
def test_a_writer_schema_that_is_not_ours_is_undecodable(answer: str | Exception) -> None:
    codec, _ = _with_fetch(answer)
    with pytest.raises(Undecodable):
        codec.decode(struct.pack(">bI", 0, 4711) + b"\x02\x02a")


def test_a_registry_that_is_away_is_not_the_records_fault() -> None:
    codec, _ = _with_fetch(Unavailable("registry"))
    with pytest.raises(Unavailable):
        codec.decode(struct.pack(">bI", 0, 4711))


@pytest.mark.parametrize(
    "record",
    [ClockTick(up_to=2**63), ClockTick(up_to="now"), ClockTick(up_to=None)],  # type: ignore[arg-type]
)
def test_a_value_that_does_not_fit_is_refused_on_writing(record: Record) -> None:
    with pytest.raises(ValueError, match="ClockTick"):
        _codec().encode(record)


def test_a_codec_without_an_id_for_each_record_type_says_which() -> None:
    with pytest.raises(UnknownRecordType, match=r"StoreCheckedIn.*tsunagi schemas publish"):
        Codec({name: 1 for name in record_names() if name != "StoreCheckedIn"}, _fetch)


def _plain(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items() if key != "logicalType"}
    return [_plain(item) for item in node] if isinstance(node, list) else node
