"""Where each rule instance of a customer is; its timer fires at ``due_ms``."""

from __future__ import annotations

from schemas.rows import JourneyRow
from tables.view import Table

JOURNEYS = Table("journeys", JourneyRow, due=lambda row: row.due_ms)
