"""The ruleset that a partition decides by."""

from __future__ import annotations

from schemas.events import RulesetActivated
from schemas.rows import RulesetRow
from tables.view import Table

RULESET = Table("ruleset", RulesetRow)


def activated(event: RulesetActivated) -> RulesetRow:
    """The row from this offset on: later ticks and events of the partition are decided by its contents."""
    return RulesetRow(event.ruleset_hash, event.contents, event.activated_at)
