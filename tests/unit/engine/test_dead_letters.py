"""A dead letter tells what was wrong and where in the code, and nothing about the person but the record's own bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import Struct, ValidationError, convert

from schemas.errors import InvalidInput, Undecodable, UnknownRecordType
from schemas.events import DeadLetterReason
from schemas.rows import Row
from streams.engine.dead_letters import dead_letter, frames
from tests.unit.engine.cycles import CODEC, Fetched, sold

NAME, ADDRESS = "山田太郎", "taro.yamada@example.jp"
RECORD = Fetched(7, b"bytes with 42", key=b"c-1")


class Person(Row, frozen=True, array_like=True):
    name: str
    age: int


def raised(action: Callable[[], object]) -> Exception:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def by_key() -> None:
    people: dict[str, int] = {}
    people[ADDRESS] += 1


def by_value() -> None:
    int(ADDRESS)


def by_chain() -> None:
    try:
        by_value()
    except ValueError as error:
        raise RuntimeError(f"{NAME} cannot be counted") from error


def by_decoding() -> None:
    class Shape(Struct):
        name: int

    try:
        convert({"name": NAME}, Shape)
    except ValidationError as error:
        raise TypeError(str(error), NAME) from error


def by_notes() -> None:
    error = ValueError("x")
    error.add_note(f"while folding {ADDRESS}")
    raise error


@pytest.mark.parametrize("fault", [by_key, by_value, by_chain, by_decoding, by_notes])
def test_a_fold_that_raises_tells_type_and_place_not_values(fault: Callable[[], None]) -> None:
    error = raised(fault)
    letter = dead_letter("customer", RECORD, error, 5)
    assert letter.reason is DeadLetterReason.FOLD_FAILED
    assert letter.error == type(error).__name__
    assert fault.__name__ in letter.traceback
    told = letter.error + letter.traceback
    assert ADDRESS not in told
    assert NAME not in told
    assert "taro" not in told


def test_the_place_is_where_it_was_raised_even_far_down() -> None:
    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        by_key()

    told = frames(raised(lambda: deep(500)))
    assert len(told) <= 8_000
    assert "by_key" in told


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Undecodable("3 bytes behind the StockSold"), DeadLetterReason.UNDECODABLE),
        (InvalidInput("StockSold does not belong into customer-events"), DeadLetterReason.INVALID),
        (UnknownRecordType("no such type"), DeadLetterReason.INVALID),
    ],
)
def test_our_own_errors_are_told_in_their_words(error: Exception, reason: DeadLetterReason) -> None:
    letter = dead_letter("customer", RECORD, error, 5)
    assert (letter.reason, letter.error, letter.traceback) == (reason, str(error), "")


def test_what_an_undecodable_record_holds_is_not_told() -> None:
    """The body is cut at every length: whatever the decoder says about it must not quote it."""
    value = CODEC.encode(sold(ADDRESS, location_id=NAME))
    for length in range(len(value)):
        letter = dead_letter("customer", RECORD, raised(lambda cut=value[:length]: CODEC.decode(cut)), 5)  # type: ignore[misc]
        assert letter.reason is DeadLetterReason.UNDECODABLE
        assert "taro" not in letter.error
        assert "山" not in letter.error


def test_the_record_is_kept_with_its_place() -> None:
    letter = dead_letter("customer", RECORD, InvalidInput("x"), 5)
    assert (letter.topic, letter.partition, letter.offset) == (RECORD.topic, RECORD.partition, 7)
    assert (letter.key, letter.value, letter.failed_at) == (b"c-1", b"bytes with 42", 5)


@pytest.mark.parametrize("text", ["x" * 100_000, "\ud800 half a character"])
def test_any_error_text_fits_a_dead_letter(text: str) -> None:
    letter = dead_letter("customer", RECORD, Undecodable(text), 5)
    assert len(letter.error) <= 1_000
    assert CODEC.decode(CODEC.encode(letter)) == letter
