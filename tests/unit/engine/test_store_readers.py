"""The local store has one writer and many readers, who must not spoil anything for it."""

from __future__ import annotations

import threading
from typing import Any

from streams.engine.store import StoreClosed
from streams.engine.view import BatchView
from tests.unit.engine.rows import NOTES, NoteRow
from tests.unit.engine.stores import Opener, commit, rows_of


class _Overtaken:
    """A database whose ``get`` is slow: the row it has read is replaced before it returns."""

    def __init__(self, real: Any, meanwhile: Any) -> None:
        self._real = real
        self._meanwhile = meanwhile

    def get(self, key: bytes) -> Any:
        found = self._real.get(key)
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_reader_overtaken_by_a_commit_leaves_nothing_old_behind(opened: Opener) -> None:
    """A read view reads the old row; before it has done with it, a cycle commits the new one. The next fold must start
    from the new one, or an update is lost."""
    one = opened()
    commit(one, 1, ("a", NoteRow("old")))
    one.close()
    one = opened()
    slow: Any = _Overtaken(one._db, lambda: commit(one, 2, ("a", NoteRow("new"))))
    one._db = slow
    shown = BatchView(one).get(NOTES, "p", "a")
    assert shown in (NoteRow("old"), NoteRow("new"))
    assert BatchView(one, remember=True).get(NOTES, "p", "a") == NoteRow("new")


def test_reading_while_it_is_closed_ends_with_an_error_not_a_crash(opened: Opener) -> None:
    one = opened()
    view = BatchView(one)
    for number in range(2_000):
        view.put(NOTES, "p", f"{number:06}", NoteRow("x"))
    one.apply(view.changes(), b"", 1)
    reading, ended = threading.Event(), threading.Event()
    lengths: list[int] = []

    def read() -> None:
        try:
            while True:
                lengths.append(len(rows_of(one)))
                reading.set()
        except StoreClosed:
            ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    one.close()
    assert ended.wait(10)
    thread.join()
    assert set(lengths) == {2_000}, "a reader must see all rows of a closing store, or an error"
