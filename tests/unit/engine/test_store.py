"""The local store: what was committed is there after any end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.errors import ConfigurationError
from schemas.rowcodec import ROW_VERSION, encode_row
from streams.engine import keys
from streams.engine.store import PartitionStore
from streams.engine.view import BatchView
from tests.unit.engine.rows import NOTES, OTHERS, PLAIN, TABLES, NoteRow, full_key
from tests.unit.engine.stores import IDENTITY, Opener, commit, rows_of, timers_of


def test_a_new_store_is_empty(opened: Opener) -> None:
    fresh = opened()
    assert fresh.position_bytes() is None
    assert fresh.changelog_position() == 0
    assert fresh.next_due_ms() is None
    assert rows_of(fresh) == {}


def test_a_cycle_is_there_after_closing_and_opening(opened: Opener) -> None:
    first = opened()
    commit(first, 3, ("a", NoteRow("one", 50)), ("b", NoteRow("two")))
    commit(first, 5, ("a", NoteRow("three", 20)), ("b", None))
    first.close()
    again = opened()
    assert rows_of(again) == {"a": NoteRow("three", 20)}
    assert timers_of(again) == [(20, "a")]
    assert again.position_bytes() == b"position 5"
    assert again.changelog_position() == 5
    assert [(*key, row) for *key, row in again.scan(NOTES)] == [("p", "a", NoteRow("three", 20))]


def test_a_store_of_a_killed_process_has_all_of_every_cycle(tmp_path: Path) -> None:
    """The process dies by kill -9 in the middle of its cycles; rows, timers and position are of one cycle."""
    script = (
        "import os, pathlib, sys\n"
        "from streams.engine.store import PartitionStore\n"
        "from tests.unit.engine.rows import TABLES, NoteRow\n"
        "from tests.unit.engine.stores import IDENTITY, commit\n"
        "store = PartitionStore(pathlib.Path(sys.argv[1]), TABLES, IDENTITY)\n"
        "for n in range(1, 400):\n"
        "    commit(store, n, *((f'{k}', NoteRow('x', n, n)) for k in range(5)))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "store"
    died = subprocess.run([sys.executable, "-c", script, str(path)], check=False, cwd=Path(__file__).parents[3])
    assert died.returncode == -9
    found = PartitionStore(path, TABLES, IDENTITY)
    assert found.changelog_position() == 399
    assert rows_of(found) == {f"{k}": NoteRow("x", 399, 399) for k in range(5)}
    assert timers_of(found) == [(399, f"{k}") for k in range(5)]
    found.close()


def test_timers_follow_their_rows(opened: Opener) -> None:
    one = opened()
    commit(one, 1, ("a", NoteRow("", 50)), ("b", NoteRow("", 40)), ("c", NoteRow("")))
    assert timers_of(one) == [(40, "b"), (50, "a")]
    commit(one, 2, ("a", NoteRow("", 30)), ("b", NoteRow("")), ("c", NoteRow("", 30)))
    assert timers_of(one) == [(30, "a"), (30, "c")]
    commit(one, 3, ("a", None), ("c", NoteRow("", -5)))
    assert timers_of(one) == [(0, "c")]
    commit(one, 4, ("c", None))
    assert one.next_due_ms() is None


def test_a_restored_store_has_the_same_rows_and_timers(opened: Opener, tmp_path: Path) -> None:
    """Pieces of a changelog as compaction may leave them: old values, deletions, keys of tables that are gone."""
    target = opened()
    a, b, c = (full_key(NOTES, "p", row_key) for row_key in "abc")
    gone = keys.group_key("a table of an older release", "p") + b"x"
    target.restore(
        {
            a: encode_row(NoteRow("old", 10)),
            b: encode_row(NoteRow("old", 20)),
            c: None,
            gone: b"\x63",
            keys.POSITION: b"one",
        },
        6,
    )
    target.restore({a: encode_row(NoteRow("new", 30)), b: None, keys.POSITION: b"two"}, 9)
    assert rows_of(target) == {"a": NoteRow("new", 30)}
    assert timers_of(target) == [(30, "a")]
    assert target.position_bytes() == b"two"
    assert target.changelog_position() == 9


def test_a_restore_replaces_what_was_remembered(opened: Opener) -> None:
    one = opened()
    commit(one, 1, ("a", NoteRow("old")))
    one.restore({full_key(NOTES, "p", "a"): encode_row(NoteRow("new"))}, 2)
    assert one.get(NOTES, full_key(NOTES, "p", "a")) == NoteRow("new")


def test_rebuild_starts_over_and_keeps_the_identity(opened: Opener) -> None:
    one = opened()
    commit(one, 7, ("a", NoteRow("x", 1)))
    one.rebuild("the changelog ends before")
    assert (rows_of(one), timers_of(one), one.changelog_position()) == ({}, [], 0)
    assert one.get(NOTES, full_key(NOTES, "p", "a")) is None
    commit(one, 2, ("b", NoteRow("y")))
    one.close()
    assert rows_of(opened()) == {"b": NoteRow("y")}


def test_a_row_of_a_newer_release_is_not_guessed_at(opened: Opener) -> None:
    one = opened()
    one.restore({full_key(PLAIN, "p"): bytes([ROW_VERSION + 1]) + b"?"}, 1)
    with pytest.raises(ConfigurationError, match="start a release that knows it"):
        one.get(PLAIN, full_key(PLAIN, "p"))


def test_a_row_that_no_release_can_read_is_the_operators_to_mend(opened: Opener) -> None:
    """As an error of the record that touches it, it would make every event of that person a dead letter."""
    one = opened()
    one.restore({full_key(PLAIN, "p"): bytes([ROW_VERSION]) + b"\xc1"}, 1)
    with pytest.raises(ConfigurationError, match="NoteRow of plain cannot be read"):
        one.get(PLAIN, full_key(PLAIN, "p"))


def test_tables_do_not_see_each_others_rows(opened: Opener) -> None:
    one = opened()
    view = BatchView(one)
    view.put(NOTES, "p", "", NoteRow("notes"))
    view.put(OTHERS, "p", "", NoteRow("others"))
    one.apply(view.changes(), b"", 1)
    assert one.get(NOTES, full_key(NOTES, "p")) == NoteRow("notes")
    assert [row for *_, row in one.scan(OTHERS)] == [NoteRow("others")]
    assert one.get(PLAIN, full_key(PLAIN, "p")) is None
