"""Rows of the delivery processor."""

from __future__ import annotations

from enum import StrEnum

from schemas.events import SendMessage
from schemas.rows.base import Row


class AttemptState(StrEnum):
    """State of a delivery."""

    STARTED = "STARTED"
    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class AttemptRow(Row, frozen=True, array_like=True):
    """delivery.attempts, partition key = customer id, row key = action id.

    STARTED is committed before the provider is called: found again after a crash, its outcome is unknown.
    """

    state: AttemptState
    attempt: int
    started_at_ms: int
    due_ms: int | None
    """When the next try is due, or when a finished row is swept."""
    action: SendMessage | None
    """The message, until it is finished."""
    reason: str = ""
    provider_message_id: str | None = None
