"""The batch's view over a real store answers as the plain dict of the checker does, whatever is done to both."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.rowcodec import encode_row
from streams.engine.store import PartitionStore
from streams.engine.view import BatchView
from tables.view import DictView, Table
from tests.unit.engine.rows import NOTES, OTHERS, PLAIN, TABLES, NoteRow, full_key
from tests.unit.engine.stores import IDENTITY, Opener

# Few, so that the same row is met again and again.
PARTITION_KEYS = st.sampled_from(["p", "p\x00"])
ROW_KEYS = st.sampled_from(["", "a", "a\x00", "é"])
TABLE = st.sampled_from([NOTES, NOTES, OTHERS, PLAIN])
TIMED = st.sampled_from([NOTES, OTHERS])
ROW = st.builds(NoteRow, st.sampled_from(["x", "y"]), st.none() | st.integers(0, 9), st.integers(0, 3))


Place = tuple[Table[NoteRow], str, str]


def dict_view(rows: Mapping[Place, NoteRow]) -> DictView:
    view = DictView()
    for place, row in rows.items():
        view.put(*place, row)
    return view


class Views(RuleBasedStateMachine):
    """Every rule does the same to both views; ``due``, ``range`` and ``get`` must answer alike at any time.

    Commits, losses of the store with a restore from the changelog, and records that are undone come in between.
    """

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="tsunagi-view-"))
        self.changelog: list[tuple[bytes, bytes | None]] = []
        self.committed: dict[Place, NoteRow] = {}
        self.stores = 1
        self.open()
        self.next_batch()

    def open(self) -> None:
        self.store = PartitionStore(self.directory / f"{self.stores}", TABLES, IDENTITY)

    def next_batch(self) -> None:
        self.view = BatchView(self.store, remember=True)
        self.plain = dict_view(self.committed)
        self.marked: dict[Place, NoteRow] | None = None

    def contents(self) -> dict[Place, NoteRow]:
        named = {table.name: table for table in TABLES}
        return {(named[table], p, r): row for (table, p, r), row in self.plain.rows.items() if isinstance(row, NoteRow)}

    @rule(table=TABLE, partition_key=PARTITION_KEYS, row_key=ROW_KEYS, row=ROW)
    def put(self, table: Table[NoteRow], partition_key: str, row_key: str, row: NoteRow) -> None:
        for view in (self.view, self.plain):
            view.put(table, partition_key, row_key, row)

    @rule(table=TABLE, partition_key=PARTITION_KEYS, row_key=ROW_KEYS)
    def delete(self, table: Table[NoteRow], partition_key: str, row_key: str) -> None:
        for view in (self.view, self.plain):
            view.delete(table, partition_key, row_key)

    @rule(table=TABLE, partition_key=PARTITION_KEYS, row_key=ROW_KEYS)
    def get(self, table: Table[NoteRow], partition_key: str, row_key: str) -> None:
        assert self.view.get(table, partition_key, row_key) == self.plain.get(table, partition_key, row_key)

    @rule(table=TABLE, partition_key=PARTITION_KEYS, start=ROW_KEYS, stop=ROW_KEYS | st.none())
    def range(self, table: Table[NoteRow], partition_key: str, start: str, stop: str | None) -> None:
        expected = list(self.plain.range(table, partition_key, start, stop))
        assert list(self.view.range(table, partition_key, start, stop)) == expected

    @rule(table=TIMED, up_to=st.integers(-1, 10), limit=st.integers(1, 5))
    def due(self, table: Table[NoteRow], up_to: int, limit: int) -> None:
        assert self.view.due(table, up_to, limit) == self.plain.due(table, up_to, limit)

    @rule()
    def mark(self) -> None:
        self.view.mark()
        self.marked = self.contents()

    @precondition(lambda self: self.marked is not None)
    @rule()
    def undo(self) -> None:
        assert self.marked is not None
        self.view.undo()
        self.plain = dict_view(self.marked)

    @rule()
    def commit(self) -> None:
        changes = self.view.changes()
        self.changelog += [(change.key, change.value) for change in changes]
        self.store.apply(changes, b"position", len(self.changelog))
        self.committed = self.contents()
        self.next_batch()

    @rule()
    def give_up(self) -> None:
        """The transaction was aborted: the batch leaves no trace."""
        self.next_batch()

    @rule(pieces=st.integers(1, 4))
    def lose_the_store(self, pieces: int) -> None:
        """Another worker restores from the changelog, in pieces."""
        self.store.close()
        self.stores += 1
        self.open()
        size = -(-len(self.changelog) // pieces) or 1
        for start in range(0, len(self.changelog), size):
            self.store.restore(dict(self.changelog[start : start + size]), start + size)
        self.next_batch()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.open()
        self.next_batch()

    @invariant()
    def changes_are_what_was_changed(self) -> None:
        if not hasattr(self, "view"):
            return
        after = self.contents()
        changed = {full_key(*key): encode_row(row) for key, row in after.items()}
        for change in self.view.changes():
            assert change.value == changed.get(change.key)
            changed.pop(change.key, None)
        untouched = {full_key(*key): encode_row(row) for key, row in self.committed.items()}
        assert changed.items() <= untouched.items()

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.directory)


Views.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestViews = Views.TestCase


@pytest.fixture
def view(opened: Opener) -> BatchView:
    store = opened()
    first = BatchView(store)
    for number in range(5):
        first.put(NOTES, "p", f"{number}", NoteRow("committed", number, number))
    store.apply(first.changes(), b"", 1)
    return BatchView(store)


def test_changes_made_while_iterating_are_not_seen(view: BatchView) -> None:
    seen = []
    for row_key, row in view.range(NOTES, "p"):
        seen.append((row_key, row.text))
        view.put(NOTES, "p", f"{row_key}0", NoteRow("mine"))
        view.delete(NOTES, "p", "4")
    assert seen == [(f"{number}", "committed") for number in range(5)]


def test_every_row_is_encoded_once_a_batch(view: BatchView) -> None:
    for number in range(10):
        view.put(NOTES, "p", "1", NoteRow("mine", None, number))
    assert [change.value for change in view.changes()] == [encode_row(NoteRow("mine", None, 9))]


def test_what_one_record_changed_is_known(view: BatchView) -> None:
    view.put(NOTES, "p", "1", NoteRow("first record"))
    view.mark()
    view.put(NOTES, "p", "2", NoteRow("x"))
    view.put(NOTES, "p", "2", NoteRow("second record"))
    view.delete(NOTES, "p", "3")
    assert [(change.row_key, change.row) for change in view.marked_changes()] == [
        ("2", NoteRow("second record")),
        ("3", None),
    ]


def test_a_row_that_cannot_be_encoded_is_found_when_the_batch_is_asked_for_its_changes(view: BatchView) -> None:
    view.put(NOTES, "p", "1", NoteRow("x", None, 2**70))
    with pytest.raises(OverflowError):
        view.changes()


def test_tables_without_timers_are_not_asked_for_due_rows(view: BatchView) -> None:
    with pytest.raises(AssertionError):
        view.due(PLAIN, 5, 5)
