"""The local store: what cannot be trusted is rebuilt, what is only in the way is not."""

from __future__ import annotations

import os
from typing import Any

import pytest

from schemas.errors import Unavailable
from streams.engine import keys, store
from streams.engine.store import StoreDamaged
from tests.unit.engine.rows import NOTES, NoteRow, full_key
from tests.unit.engine.stores import Opener, break_blocks, commit, rows_of, timers_of


@pytest.mark.parametrize("identity", ["another-cluster/notes/topology-1/4", "cluster/notes/topology-1/8"])
def test_a_store_of_another_cluster_or_count_is_rebuilt(opened: Opener, identity: str) -> None:
    one = opened()
    commit(one, 3, ("a", NoteRow("x", 1)))
    one.close()
    other = opened(identity)
    assert rows_of(other) == {}
    assert timers_of(other) == []
    assert other.changelog_position() == 0
    other.close()
    assert opened(identity).changelog_position() == 0, "the rebuilt store must be trusted next time"


def test_a_store_that_missed_tombstones_is_rebuilt(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    one = opened()
    commit(one, 3, ("a", NoteRow("x")))
    one.close()
    real = store._wall_ms
    monkeypatch.setattr(store, "_wall_ms", lambda: real() + store.MAX_AGE_MS - 60_000)
    young = opened()
    assert rows_of(young) == {"a": NoteRow("x")}
    young.close()
    monkeypatch.setattr(store, "_wall_ms", lambda: real() + store.MAX_AGE_MS + 60_000)
    assert rows_of(opened()) == {}


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*", "*.sst"])
@pytest.mark.parametrize("harm", ["garbage", "truncated", "deleted"])
def test_damaged_files_are_rebuilt(opened: Opener, pattern: str, harm: str) -> None:
    one = opened()
    for number in range(300):
        commit(one, number, ("a", NoteRow("x" * 1_000, 1, number)))
    one._db.flush()
    one.close()
    for file in opened.path.glob(pattern):
        if harm == "garbage":
            file.write_bytes(os.urandom(len(file.read_bytes())))
        elif harm == "truncated":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        else:
            file.unlink()
    again = opened()
    assert again.changelog_position() == 0
    assert rows_of(again) == {}
    commit(again, 1, ("b", NoteRow("y")))
    assert rows_of(again) == {"b": NoteRow("y")}


def test_a_directory_of_something_else_is_rebuilt(opened: Opener) -> None:
    opened.path.mkdir()
    (opened.path / "CURRENT").write_text("hello")
    assert opened().changelog_position() == 0


def test_a_broken_block_is_told_never_taken_for_the_end_of_the_rows(opened: Opener) -> None:
    break_blocks(opened(), opened.path)
    broken = opened()
    readers: list[Any] = [
        lambda: list(broken.range(NOTES, keys.group_key(NOTES.name, "p"), "", None)),
        lambda: list(broken.scan(NOTES)),
        lambda: [broken.get(NOTES, full_key(NOTES, "p", f"{number:06}")) for number in range(3_000)],
    ]
    for read in readers:
        with pytest.raises(StoreDamaged, match="checksum"):
            read()


def test_a_damaged_store_can_be_wiped_and_opened_again(opened: Opener) -> None:
    break_blocks(opened(), opened.path)
    broken = opened()
    with pytest.raises(StoreDamaged):
        rows_of(broken)
    broken.wipe()
    assert opened().changelog_position() == 0


def test_a_store_in_use_is_left_alone(opened: Opener) -> None:
    """The last owner of the partition is still closing, or two workers were given one directory."""
    one = opened()
    commit(one, 7, ("a", NoteRow("x")))
    with pytest.raises(Unavailable, match="cannot be opened now"):
        opened()
    assert rows_of(one) == {"a": NoteRow("x")}
    one.close()
    assert opened().changelog_position() == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_store_that_may_not_be_read_is_left_alone(opened: Opener) -> None:
    opened().close()
    opened.path.chmod(0)
    try:
        with pytest.raises(Unavailable):
            opened()
    finally:
        opened.path.chmod(0o700)
