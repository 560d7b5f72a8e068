"""Row keys as bytes sort as (table, partition key, row key) does, and can be taken apart again."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from streams.engine import keys

# NUL is what keys are built with, FF what it is escaped by, the others lie around them in UTF-8.
PARTS = st.text(
    st.sampled_from("\x00\x01\xffab/é\U0001f381\ud7ff\ue000") | st.characters(exclude_categories=["Cs"]), max_size=6
)
TABLE_NAMES = st.from_regex(r"[a-z][a-z_]{0,5}", fullmatch=True)
ROWS = st.tuples(TABLE_NAMES, PARTS, PARTS)
DUES = st.integers(0, 2**63 - 1)


def full(row: tuple[str, str, str]) -> bytes:
    table, partition_key, row_key = row
    return keys.group_key(table, partition_key) + keys.row_key_bytes(row_key)


@given(ROWS, ROWS)
@example(("a", "x", "\x00"), ("a", "x\x00", ""))
@example(("a", "", "b"), ("a", "b", ""))
@example(("a", "x\x00\x00y", ""), ("a", "x", "\x00y"))
def test_bytes_compare_as_the_rows_do(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (full(one) < full(other)) == (one < other)
    assert (full(one) == full(other)) == (one == other)


@given(ROWS)
@example(("a", "\x00", "\x00"))
@example(("a", "x\x00\xff", "\x00\x00"))
def test_split_gives_back_what_was_put_together(row: tuple[str, str, str]) -> None:
    assert keys.split(full(row)) == row


@given(ROWS, ROWS)
def test_a_row_lies_in_its_own_group_and_table_alone(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert full(one).startswith(keys.group_key(*other[:2])) == (one[:2] == other[:2])
    assert full(one).startswith(keys.table_prefix(other[0])) == (one[0] == other[0])


@given(ROWS)
def test_rows_are_told_from_what_is_about_the_partition(row: tuple[str, str, str]) -> None:
    assert keys.is_row(full(row))
    assert not keys.is_row(keys.POSITION)
    assert not keys.is_row(keys.local("identity"))
    assert full(row) < keys.POSITION < keys.TIMERS_START, "a table could run into what lies behind the tables"


@given(DUES, ROWS, DUES, ROWS)
def test_timers_sort_by_due_then_row(
    due: int, row: tuple[str, str, str], other_due: int, other: tuple[str, str, str]
) -> None:
    entry, other_entry = keys.timer_key(due, full(row)), keys.timer_key(other_due, full(other))
    assert (entry < other_entry) == ((due, row) < (other_due, other))
    assert keys.split_timer(entry) == (due, full(row))


@given(st.integers(-(2**63), 2**64), ROWS)
def test_any_due_makes_an_entry(due: int, row: tuple[str, str, str]) -> None:
    """An entry that could not be written would fail after the cycle was committed, on this worker and any other."""
    shown, key = keys.split_timer(keys.timer_key(due, full(row)))
    assert shown == min(max(due, 0), 2**63 - 1)
    assert key == full(row)
