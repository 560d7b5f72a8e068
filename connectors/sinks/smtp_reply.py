"""What a refusing SMTP reply means: 4xx later, 5xx never (RFC 5321, 4.2.1).

The enhanced status code (RFC 3463, registry of RFC 5248) says why, where the server gives one; else the step of the
conversation does. The text of a reply quotes addresses, so of it only the codes are kept.
"""

from __future__ import annotations

import re
from enum import StrEnum

from connectors.sinks.model import Rejected, RejectionReason, RetryAfter, RetryReason, Unknown

_ENHANCED = re.compile(r"\s*[45]\.(\d{1,3})\.(\d{1,3})\b")

_BY_CODE = {
    (1, 7): RejectionReason.NOT_PERMITTED,  # our sender's address is malformed
    (1, 8): RejectionReason.NOT_PERMITTED,  # our sender's domain does not exist
    (2, 3): RejectionReason.CONTENT_REFUSED,  # longer than the mailbox takes
    (3, 4): RejectionReason.CONTENT_REFUSED,  # longer than the server takes
    (4, 5): RejectionReason.QUOTA_EXCEEDED,  # Gmail's daily sending limit
    (7, 0): RejectionReason.AUTHENTICATION,
    (7, 8): RejectionReason.AUTHENTICATION,
    (7, 9): RejectionReason.AUTHENTICATION,
}
_BY_SUBJECT = {
    1: RejectionReason.INVALID_ADDRESS,
    2: RejectionReason.UNREACHABLE,  # the mailbox is full, disabled, closed
    6: RejectionReason.CONTENT_REFUSED,
    7: RejectionReason.NOT_PERMITTED,  # policy
}


class Step(StrEnum):
    """How far the conversation has come."""

    CONNECT = "connect"  # greeting, STARTTLS, AUTH
    ENVELOPE = "envelope"  # MAIL and RCPT
    DATA = "data"  # from DATA on, responsibility may have passed


def refusal(step: Step, code: int, text: str) -> Rejected | RetryAfter | Unknown:
    """The outcome of a reply that is not the one hoped for."""
    enhanced = _ENHANCED.match(text)
    detail = f"SMTP {code}{' ' + enhanced.group().strip() if enhanced else ''} at {step}"
    if 400 <= code < 500:
        return RetryAfter(None, RetryReason.DEFERRED, detail)
    if 500 <= code < 600:
        subject = (int(enhanced.group(1)), int(enhanced.group(2))) if enhanced else None
        return Rejected(_reason(step, code, subject), detail)
    if step is Step.DATA:
        return Unknown(f"{detail}: neither accepted nor refused")
    return RetryAfter(None, RetryReason.PROVIDER_UNAVAILABLE, f"{detail}: not a reply for this step")


def _reason(step: Step, code: int, enhanced: tuple[int, int] | None) -> RejectionReason:
    if code in (530, 534, 535, 538):
        return RejectionReason.AUTHENTICATION
    if enhanced is not None:
        known = _BY_CODE.get(enhanced) or _BY_SUBJECT.get(enhanced[0])
        if known is not None:
            return known
    match step, code:
        case Step.CONNECT, _:
            return RejectionReason.NOT_PERMITTED
        case Step.ENVELOPE, 550 | 551 | 553:
            return RejectionReason.INVALID_ADDRESS
        case Step.ENVELOPE, 552:
            return RejectionReason.UNREACHABLE
        case Step.DATA, 552 | 554:
            return RejectionReason.CONTENT_REFUSED
        case _:
            return RejectionReason.REQUEST_REFUSED
