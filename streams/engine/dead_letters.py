"""Records that cannot be processed leave with their reason and bytes, in the same transaction; the rest goes on."""

from __future__ import annotations

import traceback
from typing import Any

from schemas.errors import InvalidInput, Undecodable
from schemas.events import DeadLetter, DeadLetterReason

TOPIC = "dead-letters"
_MAX_TRACEBACK = 8_000


def dead_letter(processor: str, record: Any, error: Exception, failed_at: int) -> DeadLetter:
    """The dead letter of a Kafka record. The error's text names types and fields; values stay in the bytes alone."""
    if isinstance(error, Undecodable):
        reason = DeadLetterReason.UNDECODABLE
    elif isinstance(error, InvalidInput):
        reason = DeadLetterReason.INVALID
    else:
        reason = DeadLetterReason.FOLD_FAILED
    # Only our own errors are known to carry no personal data; of any other the type alone is told.
    told = str(error) if isinstance(error, Undecodable | InvalidInput) else type(error).__name__
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        processor=processor,
        reason=reason,
        error=told[:1_000].encode(errors="replace").decode(),
        traceback=frames(error) if reason is DeadLetterReason.FOLD_FAILED else "",
        key=record.key,
        value=record.value,
        failed_at=failed_at,
    )


def frames(error: BaseException) -> str:
    """Where an error was raised: files and lines of code, without its text and the values, which may be personal."""
    return "".join(traceback.format_tb(error.__traceback__))[-_MAX_TRACEBACK:]
