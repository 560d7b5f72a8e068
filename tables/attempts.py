"""Attempts: what became of each action. Pure; the provider call itself happens outside, between two folds.

    SendMessage ──► STARTED ──delivered──► DELIVERED
                      │  ▲ ──rejected, expired, unknown──► FAILED
            retry after  │ due
                      ▼  │
                    WAITING

A STARTED row is committed before the provider is called. Found again after a crash it says that nobody knows yet.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from schemas.events import (
    AttemptOutcome,
    AttemptReported,
    Envelope,
    MessageDelivered,
    MessageFailed,
    OnUnknown,
    SendMessage,
)
from schemas.identifiers import derived_id
from schemas.rows import AttemptRow, AttemptState
from tables.view import Rows, Table, View

ATTEMPTS = Table("attempts", AttemptRow, due=lambda row: row.due_ms)

FIRST_BACKOFF_MS = 10_000
MAX_BACKOFF_MS = 300_000
KEEP_FINISHED_MS = 30 * 86_400_000
"""A finished action is remembered as long as its record is retained: read again, it is not sent again."""

Receipt = MessageDelivered | MessageFailed
FailureReason = Literal["EXPIRED", "UNKNOWN"]


def start(rows: Rows[AttemptRow], action: SendMessage, now_ms: int) -> Receipt | None:
    """A new action: start its first attempt, or fail it when it comes too late. Repeats change nothing."""
    if rows.get(action.action_id) is not None:
        return None
    if action.valid_until <= now_ms:
        return _fail(rows, action, 0, "EXPIRED", "valid until a time before it could be sent", now_ms)
    rows.put(AttemptRow(AttemptState.STARTED, 1, now_ms, None, action), action.action_id)
    return None


def report(rows: Rows[AttemptRow], reported: AttemptReported, now_ms: int) -> Receipt | None:
    """What a provider said. A report about another attempt than the one under way is late and changes nothing."""
    row = rows.get(reported.action_id)
    if row is None or row.action is None or row.state is not AttemptState.STARTED or row.attempt != reported.attempt:
        return None
    action = row.action
    match reported.outcome:
        case AttemptOutcome.DELIVERED:
            _finish(rows, action, AttemptState.DELIVERED, row.attempt, "", reported.provider_message_id, now_ms)
            return MessageDelivered(
                envelope=_envelope(action, "delivered", reported.reported_at),
                action_id=action.action_id,
                message_channel=action.channel,
                rule=action.rule,
                provider_message_id=reported.provider_message_id,
                attempts=row.attempt,
            )
        case AttemptOutcome.REJECTED:
            return _fail(rows, action, row.attempt, reported.reason, reported.detail, now_ms)
        case AttemptOutcome.EXPIRED:
            return _fail(rows, action, row.attempt, "EXPIRED", reported.detail, now_ms)
        case AttemptOutcome.UNKNOWN if action.on_unknown is OnUnknown.DROP:
            return _fail(rows, action, row.attempt, "UNKNOWN", reported.detail, now_ms)
        case AttemptOutcome.RETRY_AFTER | AttemptOutcome.UNKNOWN:
            return _retry(rows, row, action, reported, now_ms)


def _retry(
    rows: Rows[AttemptRow], row: AttemptRow, action: SendMessage, reported: AttemptReported, now_ms: int
) -> Receipt | None:
    due = max(now_ms + backoff_ms(action.action_id, row.attempt), reported.retry_at or 0)
    if due >= action.valid_until:
        # LINE recognises a repeat, so a lost answer is tried again; with no time left nobody can say any more.
        reason = "UNKNOWN" if reported.reason == "ANSWER_LOST" else reported.reason or "EXPIRED"
        return _fail(rows, action, row.attempt, reason, "no try left before valid-until", now_ms)
    waiting = replace(row, state=AttemptState.WAITING, due_ms=due, reason=reported.reason)
    rows.put(waiting, action.action_id)
    return None


def fire_due(view: View, up_to_ms: int, now_ms: int, limit: int) -> None:
    """Start the attempts whose wait is over; forget finished actions whose time is up."""
    for partition_key, row_key, row in view.due(ATTEMPTS, up_to_ms, limit):
        if row.state is AttemptState.WAITING:
            started = replace(
                row, state=AttemptState.STARTED, attempt=row.attempt + 1, started_at_ms=now_ms, due_ms=None
            )
            view.put(ATTEMPTS, partition_key, row_key, started)
        else:
            view.delete(ATTEMPTS, partition_key, row_key)


def backoff_ms(action_id: str, attempt: int) -> int:
    """10 s doubling to 300 s, with a jitter of up to a quarter that depends on the action: no thundering herd."""
    base = min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS << min(attempt - 1, 16))
    jitter = int(derived_id("jitter", action_id, str(attempt))[:8], 16) / 0xFFFFFFFF
    return base + int(base / 4 * jitter)


def _fail(
    rows: Rows[AttemptRow], action: SendMessage, attempt: int, reason: str, detail: str, now_ms: int
) -> MessageFailed:
    _finish(rows, action, AttemptState.FAILED, attempt, reason, None, now_ms)
    return MessageFailed(
        envelope=_envelope(action, "failed", now_ms),
        action_id=action.action_id,
        message_channel=action.channel,
        rule=action.rule,
        reason=reason,
        detail=detail,
    )


def _finish(
    rows: Rows[AttemptRow],
    action: SendMessage,
    state: AttemptState,
    attempt: int,
    reason: str,
    provider_message_id: str | None,
    now_ms: int,
) -> None:
    finished = AttemptRow(state, attempt, now_ms, now_ms + KEEP_FINISHED_MS, None, reason, provider_message_id)
    rows.put(finished, action.action_id)


def _envelope(action: SendMessage, what: str, at_ms: int) -> Envelope:
    return Envelope(
        event_id=derived_id("receipt", action.action_id, what),
        occurred_at=at_ms,
        channel=action.channel,
        source="delivery",
        brand=action.brand,
        received_at=at_ms,
        customer_id=action.customer_id,
    )
