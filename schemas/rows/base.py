"""What every row is."""

from __future__ import annotations

from msgspec import Struct


class Row(Struct, frozen=True, array_like=True):
    """Base of all rows."""
