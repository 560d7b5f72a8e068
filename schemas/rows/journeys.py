"""Rows of the customer processor that belong to the rules: journeys, sends, the active ruleset."""

from __future__ import annotations

from enum import StrEnum

from schemas.rows.base import Row


class JourneyState(StrEnum):
    """Where a rule instance is."""

    WAITING = "WAITING"
    HELD = "HELD"
    DONE = "DONE"
    EXITED = "EXITED"


class JourneyRow(Row, frozen=True, array_like=True):
    """customer.journeys, row key = rule/correlation: one open instance per rule and correlation key."""

    rule: str
    correlation: str
    state: JourneyState
    trigger_event_id: str
    trigger_type: str
    trigger_received_ms: int
    triggered_at_ms: int
    brand: str
    due_ms: int | None
    """When the timer fires; ``None`` when nothing is waited for."""
    valid_until_ms: int
    changed_at_ms: int
    ruleset_hash: str
    context: dict[str, str] = {}
    """Values of the trigger that the send step still needs after a wait (JSON text per name)."""


class SendRow(Row, frozen=True, array_like=True):
    """customer.sends, row key = time/action id: a message that was decided; caps count these."""

    at_ms: int
    rule: str
    cap_group: str
    channel: str
    correlation: str


class RulesetRow(Row, frozen=True, array_like=True):
    """customer.ruleset, partition key ``""``: the ruleset this partition decides by."""

    ruleset_hash: str
    contents: bytes
    activated_at_ms: int
