"""Check (b): the recorded partition, folded again over a plain dict, must give what the worker committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ops.checks.topic_reader import Recorded, read_topics
from schemas.catalogue import topics
from schemas.codec import Codec
from schemas.events import DeadLetter
from schemas.rowcodec import decode_row, encode_row
from schemas.rows import PositionRow
from streams.engine import keys
from streams.engine.processor import Processor
from streams.processors.topics import DEAD_LETTERS
from tables.view import DictView


@dataclass(slots=True)
class Replayed:
    """What the checker's fold of a processor came to, and how it differs from what is recorded."""

    records: int = 0
    rows: int = 0
    differences: list[str] = field(default_factory=list)


def replay(connection: Mapping[str, str], codec: Codec, processor: Processor, partitions: int) -> Replayed:
    """Fold every partition of a processor with one input and compare rows and outgoing records.

    The order in which several inputs were interleaved is not recorded, so processors with more than one are refused.
    Records behind the committed position are left out on both sides: the run may still be going on.
    """
    (topic,) = processor.inputs
    dead = _dead_letters(connection, codec, processor.name)
    result = Replayed()
    expected: Counter[tuple[str, bytes]] = Counter()
    for partition in range(partitions):
        rows, position = _changelog(connection, processor, partition)
        end = position.offsets.get(topic, 0)
        view = DictView()
        now_ms = 0
        for record in read_topics(connection, (topic,), partition):
            if record.offset >= end:
                break
            now_ms = max(now_ms, record.timestamp_ms)
            result.records += 1
            if (topic, partition, record.offset) not in dead:
                _fold(processor, codec, view, record, now_ms, expected, result)
        _compare_rows(processor, view, rows, partition, result)
    _compare_outgoing(connection, codec, processor, expected, result)
    return result


def _fold(
    processor: Processor,
    codec: Codec,
    view: DictView,
    record: Recorded,
    now_ms: int,
    expected: Counter[tuple[str, bytes]],
    result: Replayed,
) -> None:
    try:
        outgoing = processor.step(view, codec.decode(record.value), now_ms)
    except Exception as error:
        place = f"{record.topic}[{record.partition}]@{record.offset}"
        result.differences.append(f"{place} raises {type(error).__name__} here but is no dead letter")
        return
    expected.update((item.topic, codec.encode(item.record)) for item in outgoing)


def _compare_rows(
    processor: Processor, view: DictView, recorded: Mapping[bytes, bytes], partition: int, result: Replayed
) -> None:
    folded = {
        keys.group_key(table, partition_key) + keys.row_key_bytes(row_key): encode_row(row)
        for (table, partition_key, row_key), row in view.rows.items()
    }
    result.rows += len(folded)
    for key in folded.keys() | recorded.keys():
        if folded.get(key) != recorded.get(key):
            table, partition_key, row_key = keys.split(key)
            side = "missing" if key not in recorded else "unexpected" if key not in folded else "different"
            result.differences.append(f"{processor.name}[{partition}] {table}/{partition_key}/{row_key}: {side} row")


def _compare_outgoing(
    connection: Mapping[str, str],
    codec: Codec,
    processor: Processor,
    expected: Counter[tuple[str, bytes]],
    result: Replayed,
) -> None:
    """As multisets. In a topic that others write too, only the record types that this processor writes are compared."""
    written = {(topic, value[:5]) for topic, value in expected}
    found: Counter[tuple[str, bytes]] = Counter()
    for topic in processor.outputs:
        alone = topics()[topic].producers == (processor.name,)
        for record in read_topics(connection, (topic,)):
            value = record.value or b""
            if alone or (topic, value[:5]) in written:
                found[topic, value] += 1
    for (topic, value), count in (expected - found).items():
        result.differences.append(f"{topic}: {count} x {type(codec.decode(value)).__name__} was not written")
    for (topic, value), count in (found - expected).items():
        result.differences.append(f"{topic}: {count} x {type(codec.decode(value)).__name__} should not be there")


def _changelog(
    connection: Mapping[str, str], processor: Processor, partition: int
) -> tuple[dict[bytes, bytes], PositionRow]:
    rows: dict[bytes, bytes] = {}
    position = PositionRow({}, 0)
    for record in read_topics(connection, (processor.changelog,), partition):
        assert record.key is not None
        if not keys.is_row(record.key):
            assert record.value is not None
            position = decode_row(PositionRow, record.value)
        elif record.value is None:
            rows.pop(record.key, None)
        else:
            rows[record.key] = record.value
    return rows, position


def _dead_letters(connection: Mapping[str, str], codec: Codec, processor: str) -> set[tuple[str, int, int]]:
    found = set()
    for record in read_topics(connection, (DEAD_LETTERS,)):
        letter = codec.decode(record.value)
        assert isinstance(letter, DeadLetter)
        if letter.processor == processor:
            found.add((letter.topic, letter.partition, letter.offset))
    return found
