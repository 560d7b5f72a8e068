"""Who the customer is: what they told us, where they were seen."""

from __future__ import annotations

from schemas.rows import ProfileRow
from tables.view import Table

PROFILE = Table("profile", ProfileRow)
