"""Decimal amounts as vendors write them -> minor units, without a float on the way."""

from __future__ import annotations

import re
from decimal import Decimal

# Source: ISO 4217, list one: every currency whose minor unit is not a hundredth.
_NONE = (
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "UYI",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
)
_THOUSANDTHS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
_DIGITS = dict.fromkeys(_NONE, 0) | dict.fromkeys(_THOUSANDTHS, 3)
_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,6})?", re.ASCII)


def minor_units(amount: str, currency: str) -> int:
    """``"1234.50"``, ``"USD"`` -> 123450; ``"1980.00"``, ``"JPY"`` -> 1980.

    Raises ``ValueError`` when the amount is not a plain decimal or is finer than the currency's minor unit.
    """
    if not _AMOUNT.fullmatch(amount):
        raise ValueError("must be a decimal number such as 1234.50")
    scaled = Decimal(amount).scaleb(_DIGITS.get(currency, 2))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"is finer than the minor unit of {currency}")
    return int(scaled)
