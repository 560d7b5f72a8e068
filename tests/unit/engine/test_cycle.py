"""A batch is folded as a whole, but what is wrong with one record stays with that record."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from schemas.errors import ConfigurationError, Unavailable
from schemas.events import ClockTick, DeadLetterReason, Record
from schemas.outgoing import Outgoing
from schemas.partitioning import partition_of
from schemas.rowcodec import ROW_VERSION, decode_row
from schemas.rows import PositionRow
from streams.engine import keys
from streams.engine.cycle import resume_offsets
from streams.engine.store import StoreDamaged
from tables.view import View
from tests.unit.engine.cycles import CODEC, NOW, PARTITION, Fetched, codec, desk, fetched, sold, step
from tests.unit.engine.rows import NOTES, PLAIN, NoteRow, full_key
from tests.unit.engine.stores import Opener, break_blocks


def notes(opened: Opener) -> dict[str, int]:
    return {partition_key: row.number for partition_key, _, row in opened.opened[-1].scan(NOTES)}


def test_rows_records_and_position_leave_in_one_transaction(opened: Opener) -> None:
    one = desk(opened())
    one.run(fetched(sold("a"), sold("b", 2), sold("a", 5)))
    (transaction,) = one.transactions.committed
    told = [CODEC.decode(each.value) for each in transaction if each.topic == "out"]
    assert told == [sold("a"), sold("b", 2), sold("a", 5)]
    assert [each.partition for each in transaction if each.topic == "out"] == [partition_of(k, 4) for k in "aba"]
    rows = {each.key: each.value for each in transaction if each.topic == "changelog.notes"}
    assert rows.keys() == {full_key(NOTES, "a"), full_key(NOTES, "b"), keys.POSITION}, "each row once, as it ends up"
    assert {each.partition for each in transaction if each.topic == "changelog.notes"} == {PARTITION}
    assert transaction[-1].key == keys.POSITION, "its offset is where the store stands"
    assert decode_row(PositionRow, rows[keys.POSITION] or b"") == PositionRow({"in": 3}, NOW)
    assert notes(opened) == {"a": 6, "b": 2}
    assert opened.opened[-1].changelog_position() == 6


def test_nothing_is_kept_before_the_commit(opened: Opener) -> None:
    one = desk(opened())
    one.cycle.fold(fetched(sold("a")))
    assert notes(opened) == {}
    assert one.cycle.position.offsets == {}
    one.run(fetched(sold("a")))
    assert notes(opened) == {"a": 1}


def test_records_below_the_position_are_dropped(opened: Opener) -> None:
    one = desk(opened())
    one.run(fetched(sold("a"), sold("a")))
    batch = one.run(fetched(sold("a"), sold("a"), sold("a"), sold("b")))
    assert batch.records == 2
    assert notes(opened) == {"a": 3, "b": 1}
    assert one.cycle.fold(fetched(sold("a"))).records == 0


def test_positions_of_inputs_are_their_own(opened: Opener) -> None:
    one = desk(opened())
    one.run(fetched(sold("a"), start=40))
    one.run(fetched(sold("a"), topic="other"))
    assert one.cycle.position.offsets == {"in": 41, "other": 1}
    assert notes(opened) == {"a": 2}


def test_the_position_goes_on_after_a_restart(opened: Opener) -> None:
    one = desk(opened())
    one.run(fetched(sold("a"), sold("a")))
    opened.opened[-1].close()
    again = desk(opened())
    again.run(fetched(sold("a"), sold("a"), sold("a")))
    assert notes(opened) == {"a": 3}


def test_now_is_the_latest_timestamp_and_never_goes_back(opened: Opener) -> None:
    seen: list[int] = []

    def watch(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        seen.append(now_ms)
        return []

    one = desk(opened(), step=watch)
    value = CODEC.encode(sold("a"))
    one.run([Fetched(0, value, timestamp=50), Fetched(1, value, timestamp=20), Fetched(2, value, timestamp=70)])
    one.run([Fetched(3, value, timestamp=60)])
    assert seen == [50, 50, 70, 70]


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (None, DeadLetterReason.UNDECODABLE),
        (b"", DeadLetterReason.UNDECODABLE),
        (b"\x00\x00\x00\x00\x01\xff", DeadLetterReason.UNDECODABLE),
        (CODEC.encode(sold("poison", location_id="too long to be put")), DeadLetterReason.FOLD_FAILED),
    ],
)
def test_a_poison_record_leaves_as_a_dead_letter_and_the_rest_goes_on(
    opened: Opener, poison: bytes | None, reason: DeadLetterReason
) -> None:
    def refuse(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        outgoing = step(view, record, now_ms)
        if getattr(record, "sku", "") == "poison":
            view.put(NOTES, "a", "", NoteRow("spoilt"))
            raise RuntimeError("the fold has a bug")
        return outgoing

    one = desk(opened(), step=refuse)
    one.run(fetched(sold("a"), poison, sold("a")))
    (letter,) = one.dead()
    assert (letter.topic, letter.partition, letter.offset, letter.value) == ("in", PARTITION, 1, poison)
    assert (letter.processor, letter.reason, letter.key) == ("notes", reason, b"k")
    assert notes(opened) == {"a": 2}, "what the poison record put is undone"
    (transaction,) = one.transactions.committed
    assert [each.topic for each in transaction].count("out") == 2
    assert one.registry.get_sample_value(
        "tsunagi_worker_dead_letters_total", {"processor": "notes", "reason": reason}
    ) == 1  # fmt: skip


def unfit(what: str) -> Any:
    """A step whose result for SKU "poison" cannot be written."""

    def spoil(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        outgoing = step(view, record, now_ms)
        if getattr(record, "sku", "") != "poison":
            return outgoing
        if what == "a row that cannot be encoded":
            view.put(NOTES, "spoilt", "", NoteRow("x", None, 2**70))
        elif what == "a row too large for the changelog":
            view.put(NOTES, "spoilt", "", NoteRow("x" * 1_100_000))
        elif what == "a record that does not fit its schema":
            return [*outgoing, Outgoing("out", "k", sold("a", 2**70))]
        elif what == "a record too large for its topic":
            return [*outgoing, Outgoing("out", "k", sold("a", location_id="x" * 1_100_000))]
        elif what == "a record for a topic that is not there":
            return [*outgoing, Outgoing("nowhere", "k", sold("a"))]
        return outgoing

    return spoil


@pytest.mark.parametrize(
    "what",
    [
        "a row that cannot be encoded",
        "a row too large for the changelog",
        "a record that does not fit its schema",
        "a record too large for its topic",
        "a record for a topic that is not there",
    ],
)
def test_what_cannot_be_written_is_the_fault_of_one_record(opened: Opener, what: str) -> None:
    """Found out only when the transaction is written, it would come back with every retry and stop the partition."""
    one = desk(opened(), step=unfit(what))
    one.run(fetched(sold("a"), sold("poison"), sold("b"), sold("a")))
    (letter,) = one.dead()
    assert (letter.offset, letter.reason) == (1, DeadLetterReason.FOLD_FAILED)
    assert notes(opened) == {"a": 2, "b": 1}
    (transaction,) = one.transactions.committed
    assert [each.topic for each in transaction].count("out") == 3
    assert one.cycle.position.offsets == {"in": 4}


def test_a_record_of_the_largest_size_still_fits_a_dead_letter(opened: Opener) -> None:
    one = desk(opened())
    one.run(fetched(b"\xff" * 1_048_000, sold("a")))
    (letter,) = one.dead()
    assert letter.value == b"\xff" * 1_048_000


def test_a_registry_that_is_away_kills_no_record(opened: Opener) -> None:
    """A record of a newer schema arrives while the registry is down: it waits, it is not dead."""

    def away(_: int) -> str:
        raise Unavailable("no schema registry answers")

    one = desk(opened(), codec=codec(away))
    with pytest.raises(Unavailable):
        one.cycle.fold(fetched(sold("a"), b"\x00\x00\x00\x03\xe7rest"))
    assert one.cycle.position.offsets == {}


def test_a_schema_that_the_registry_does_not_have_is_undecodable(opened: Opener) -> None:
    one = desk(opened(), codec=codec(lambda _: json.dumps({"type": "record", "name": "Foreign", "fields": []})))
    one.run(fetched(b"\x00\x00\x00\x03\xe7rest"))
    assert one.dead()[0].reason is DeadLetterReason.UNDECODABLE


def test_a_row_of_a_newer_release_stops_everything_and_skips_nothing(opened: Opener) -> None:
    store = opened()
    store.restore({full_key(PLAIN, "a"): bytes([ROW_VERSION + 1])}, 1)

    def look(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        view.get(PLAIN, getattr(record, "sku", ""))
        return []

    one = desk(store, step=look)
    with pytest.raises(ConfigurationError, match="start a release that knows it"):
        one.cycle.fold(fetched(sold("b"), sold("a")))
    assert one.cycle.position.offsets == {}


def test_a_broken_disk_kills_no_record(opened: Opener) -> None:
    break_blocks(opened(), opened.path)
    one = desk(opened(), step=lambda view, record, now_ms: list(view.range(NOTES, "p")) and [])
    with pytest.raises(StoreDamaged):
        one.cycle.fold(fetched(sold("a")))


def test_ticks_are_written_once_for_a_time_and_fire_until_nothing_is_due(opened: Opener) -> None:
    one = desk(opened())
    one.run(fetched(*(sold(sku, sold_at=NOW - 5) for sku in "abc"), sold("later", sold_at=NOW + 50)))
    assert one.cycle.due_ms() == NOW - 5
    one.cycle.tick(NOW)
    assert CODEC.decode(one.transactions.committed[-1][0].value) == ClockTick(up_to=NOW)
    assert one.transactions.committed[-1][0].partition == PARTITION
    assert one.cycle.due_ms() is None, "one is under way"
    one.run(fetched(ClockTick(up_to=NOW), start=4))
    assert one.cycle.due_ms() == NOW - 5, "a tick fires two here, the third needs another"
    one.cycle.tick(NOW + 1)
    one.run(fetched(ClockTick(up_to=NOW + 1), start=5))
    assert one.cycle.due_ms() == NOW + 50


def test_a_tick_that_cannot_be_folded_pauses_ticks_not_the_partition(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        if isinstance(record, ClockTick):
            raise RuntimeError("a rule has a bug")
        return step(view, record, now_ms)

    seconds = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    one = desk(opened(), step=refuse)
    one.run(fetched(sold("a", sold_at=NOW - 5)))
    one.cycle.tick(NOW)
    one.run(fetched(ClockTick(up_to=NOW), sold("b", sold_at=NOW - 5), start=1))
    assert len(one.dead()) == 1
    assert notes(opened) == {"a": 1, "b": 1}
    assert one.cycle.due_ms() is None, "it would be written and dead-lettered again at once, and again"
    seconds[0] += 31
    assert one.cycle.due_ms() == NOW - 5


@pytest.mark.parametrize(
    ("position", "bounds", "expected"),
    [
        ({}, (0, 0), 0),
        ({}, (7, 9), 7),
        ({"in": 7}, (0, 9), 7),
        ({"in": 7}, (7, 7), 7),
    ],
)
def test_inputs_go_on_where_they_were(position: dict[str, int], bounds: tuple[int, int], expected: int) -> None:
    assert resume_offsets(PositionRow(position, 0), ("in",), {"in": bounds}) == {"in": expected}


@pytest.mark.parametrize(
    ("bounds", "told"),
    [((8, 20), "in: offset 7 .* starts at 8: retention has deleted"), ((0, 6), "in: offset 7 .* ends at 6")],
)
def test_a_position_that_the_log_no_longer_has_is_the_operators(bounds: tuple[int, int], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        resume_offsets(PositionRow({"in": 7}, 0), ("in",), {"in": bounds})
