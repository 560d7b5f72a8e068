"""The messages that were decided for a customer, by time: caps count them."""

from __future__ import annotations

from schemas.rows import SendRow
from tables.view import Table

SENDS = Table("sends", SendRow)
