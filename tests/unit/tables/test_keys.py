"""Row keys sort as the times do."""

from __future__ import annotations

from tables.keys import children, time_key


def test_time_keys_sort_as_the_times_do() -> None:
    times = [-5, 0, 1, 999, 1_000, 1_700_000_000_000, 10**13 - 1, 2**62]
    keys = [time_key(at) for at in times]
    assert keys == sorted(keys)
    assert {len(key) for key in keys} == {13}
    assert time_key(-5) == time_key(0)
    assert time_key(2**62) == time_key(10**13 - 1)


def test_children_are_the_keys_below_a_parent_and_no_others() -> None:
    start, stop = children("a")
    keys = ["a", "a-b", "a/", "a/b", "a/\U0010ffff", "a0", "ab", "b"]
    assert [key for key in keys if start <= key < stop] == ["a/", "a/b", "a/\U0010ffff"]
