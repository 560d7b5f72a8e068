"""Consent: the latest word by event time, on a channel or on all."""

from __future__ import annotations

import pytest

from schemas.events import ConsentGiven, ConsentWithdrawn
from schemas.rows import ConsentRow
from tables import consent
from tables.consent import Word
from tables.view import DictView, Rows
from tests.builders import envelope


@pytest.fixture
def rows() -> Rows[ConsentRow]:
    return Rows(DictView(), consent.CONSENT, "c-1")


def give(rows: Rows[ConsentRow], at: int, *channels: str, purpose: str = "marketing") -> None:
    event = ConsentGiven(envelope=envelope(at), purpose=purpose, channels=channels, evidence="form-3")
    consent.fold(rows, event, at)


def withdraw(rows: Rows[ConsentRow], at: int, *channels: str) -> None:
    consent.fold(rows, ConsentWithdrawn(envelope=envelope(at), purpose="marketing", channels=channels), at)


def test_no_word_means_no(rows: Rows[ConsentRow]) -> None:
    give(rows, 1, "sms")
    assert consent.allowed(rows, "marketing", "sms")
    assert not consent.allowed(rows, "marketing", "line")
    assert not consent.allowed(rows, "survey", "sms")


def test_no_channels_means_all_of_them(rows: Rows[ConsentRow]) -> None:
    give(rows, 1)
    assert consent.allowed(rows, "marketing", "line")
    withdraw(rows, 2, "line")
    assert not consent.allowed(rows, "marketing", "line")
    assert consent.allowed(rows, "marketing", "sms")


def test_a_later_word_on_all_channels_outweighs_one_on_a_channel(rows: Rows[ConsentRow]) -> None:
    give(rows, 1, "line")
    withdraw(rows, 2)
    assert not consent.allowed(rows, "marketing", "line")
    give(rows, 3, "line")
    assert consent.allowed(rows, "marketing", "line")
    assert not consent.allowed(rows, "marketing", "sms")


def test_a_late_consent_does_not_undo_the_withdrawal(rows: Rows[ConsentRow]) -> None:
    withdraw(rows, 20, "line")
    give(rows, 10, "line")
    assert not consent.allowed(rows, "marketing", "line")


@pytest.mark.parametrize("withdrawal_first", [True, False])
@pytest.mark.parametrize(("given_on", "withdrawn_on"), [("line", "line"), ("", "line"), ("line", "")])
def test_at_the_same_millisecond_the_withdrawal_stands(
    rows: Rows[ConsentRow], withdrawal_first: bool, given_on: str, withdrawn_on: str
) -> None:
    steps = [(give, given_on), (withdraw, withdrawn_on)]
    for say, channel in reversed(steps) if withdrawal_first else steps:
        say(rows, 5, *([channel] if channel else []))
    assert not consent.allowed(rows, "marketing", "line")


def test_the_listing_names_every_latest_word(rows: Rows[ConsentRow]) -> None:
    give(rows, 1, "sms", "line")
    give(rows, 2, purpose="a/b")
    withdraw(rows, 3, "sms")
    assert consent.listing(rows) == [
        Word("a/b", "*", True, 2),
        Word("marketing", "line", True, 1),
        Word("marketing", "sms", False, 3),
    ]
    assert rows.get("marketing/line") == ConsentRow(True, 1, "shop-app", "form-3")
