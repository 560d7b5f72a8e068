"""Amounts become minor units exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.money import minor_units


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1980", "JPY", 1980),
        ("1980.00", "JPY", 1980),
        ("369.97", "USD", 36997),
        ("0.29", "USD", 29),  # 0.29 * 100 is 28.999999999999996 in floats
        ("1.005", "KWD", 1005),
        ("-5.50", "EUR", -550),
        ("999999999999999.99", "USD", 99999999999999999),
    ],
)
def test_known_amounts(amount: str, currency: str, minor: int) -> None:
    assert minor_units(amount, currency) == minor


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_cents_survive_the_way_there_and_back(cents: int) -> None:
    assert minor_units(f"{Decimal(cents) / 100:.2f}", "USD") == cents


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("0.5", "JPY"),
        ("1.001", "USD"),
        ("", "USD"),
        ("1e3", "USD"),
        ("NaN", "USD"),
        ("1,000", "USD"),
        ("\uff11\uff12", "JPY"),
    ],
)
def test_what_is_no_amount_of_the_currency_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"decimal number|minor unit"):
        minor_units(amount, currency)
