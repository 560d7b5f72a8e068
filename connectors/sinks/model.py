"""What a sink is asked to send and what it may answer.

One message in, one outcome out. The outcome alone says what may follow:

| outcome    | the provider                                        | what may follow                           |
|------------|-----------------------------------------------------|-------------------------------------------|
| Delivered  | accepted the message                                | nothing; its own receipts come separately |
| Rejected   | will not accept it, now or later                    | the next channel                          |
| RetryAfter | did not accept it, or a repeat is recognised as one | `deliver` again with the same message     |
| Unknown    | may have accepted it, a repeat might be a second    | `reconcile`, or the rule's `on_unknown`   |

Details are for operators: they carry codes and causes, never an address or a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

_ACTION_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Message:
    """One rendered message for one person.

    `to` is a LINE user id, an E.164 phone number or an e-mail address. Address and content stay out of `repr`, so
    that a stray log line shows nobody. `unsubscribe_url` is for e-mail alone.

    Raises ValueError when `action_id` is not 32 lower-case hexadecimal characters (every idempotency key comes from
    it), or when a text holds a lone surrogate, which can be sent to nobody.
    """

    action_id: str
    channel: str
    to: str = field(repr=False)
    text: str = field(repr=False)
    subject: str | None = field(repr=False)
    brand: str
    valid_until_ms: int
    unsubscribe_url: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if _ACTION_ID.fullmatch(self.action_id) is None:
            raise ValueError(f"action_id: expected 32 lower-case hexadecimal characters, got {self.action_id!r}")
        for name, value in (("to", self.to), ("text", self.text), ("subject", self.subject or "")):
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"{name}: not Unicode text at character {error.start}") from None

    def expired(self, now_ms: int) -> bool:
        """Whether the message is no longer worth sending; valid in [.., valid_until_ms)."""
        return now_ms >= self.valid_until_ms


class RejectionReason(StrEnum):
    """Why a provider will never take this message. Closed: a receipt and a dashboard list them all."""

    INVALID_ADDRESS = "invalid_address"  # no such user, number or mailbox
    UNREACHABLE = "unreachable"  # exists, but nothing can be brought there (landline, full or disabled mailbox)
    BLOCKED = "blocked"  # the person has opted out with the provider
    NOT_PERMITTED = "not_permitted"  # our account may not send this there (region, sender, plan, policy)
    QUOTA_EXCEEDED = "quota_exceeded"  # the allowance of a day or month is used up; waiting minutes does not help
    AUTHENTICATION = "authentication"  # our credentials are wrong, revoked or missing
    CONTENT_REFUSED = "content_refused"  # too long, empty, malformed, filtered
    EXPIRED = "expired"  # valid_until passed before it went out
    REQUEST_REFUSED = "request_refused"  # any other final refusal; the detail names the code


class RetryReason(StrEnum):
    """Why a later try is worth it."""

    RATE_LIMITED = "rate_limited"
    PROVIDER_UNAVAILABLE = "provider_unavailable"  # answered that it cannot take messages now
    CONNECTION_FAILED = "connection_failed"  # nothing of the message left this machine
    NOT_ACCEPTED = "not_accepted"  # an earlier attempt was looked up and never arrived
    DEFERRED = "deferred"  # the mail server said "later" (busy, greylisting, mailbox in use)
    ANSWER_LOST = "answer_lost"  # perhaps accepted; only where the idempotency key makes the repeat safe


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider has taken the message over. `provider_message_id` is None when its answer did not name one."""

    provider_message_id: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider refused for good."""

    reason: RejectionReason
    detail: str


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try `deliver` again, not before `at_ms` (epoch millis; None: the caller's own backoff decides)."""

    at_ms: int | None
    reason: RetryReason
    detail: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody here can say whether the message went out."""

    detail: str


Outcome: TypeAlias = Delivered | Rejected | RetryAfter | Unknown


def expired_outcome() -> Rejected:
    """The answer of every sink to a message that is past its validity: not sent by this call."""
    return Rejected(RejectionReason.EXPIRED, "valid_until had passed before the call")


class Sink(Protocol):
    """A way out of the pipeline. Both methods return an outcome for every answer and every network fault; the only
    exception that leaves them is cancellation, after which the attempt is one to reconcile."""

    channel: str
    settle_seconds: float
    """How long after its start an attempt may still turn up at the provider; 0: `reconcile` knows at once or never."""

    async def deliver(self, message: Message, now_ms: int) -> Outcome:
        """Send the message once. `now_ms` is the wall clock in epoch millis."""
        ...

    async def reconcile(self, message: Message, now_ms: int, started_ms: int) -> Outcome:
        """Settle the attempt begun at `started_ms` (epoch millis) whose outcome was lost or Unknown.

        Unknown means that it is still unsettled: ask again later with the same `started_ms`, or let the rule's
        `on_unknown` decide. RetryAfter means that it is settled and the next attempt may begin.
        """
        ...
