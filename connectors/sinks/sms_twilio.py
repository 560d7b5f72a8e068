"""SMS through Twilio's Programmable Messaging.

Sources (Twilio Docs): "Messages resource", "Error and Warning Dictionary", "Retrieve and Modify Message History",
"20429: Too many requests" (a 429 was never processed), "90007: Invalid validity period value" (1 to 36,000 seconds),
"Message Redaction for Programmable Messaging".

Twilio has no idempotency key: the same request sent twice is two messages. So only an answer settles an attempt. A
lost answer and every 5xx are Unknown, and `reconcile` looks the message up (sms_twilio_lookup.py).
"""

from __future__ import annotations

import base64

from aiohttp import ClientSession
from pydantic import AnyHttpUrl, Field, SecretStr

from connectors.sinks.http_call import Answer, AnswerLost, Api, HttpSettings, NotSent
from connectors.sinks.model import (
    Delivered,
    Message,
    Outcome,
    Rejected,
    RejectionReason,
    RetryAfter,
    RetryReason,
    Unknown,
    expired_outcome,
)
from connectors.sinks.sms_twilio_lookup import Found, NotFound, Undecided, search

_LONGEST_VALIDITY_SECONDS = 36_000

# Error and Warning Dictionary. Codes of 2xxxx answer the request; of 3xxxx stand on a message that failed afterwards.
_REJECTED: dict[int, RejectionReason] = {
    20003: RejectionReason.AUTHENTICATION,
    20005: RejectionReason.NOT_PERMITTED,  # account not active
    20404: RejectionReason.AUTHENTICATION,  # no such account
    21211: RejectionReason.INVALID_ADDRESS,
    21212: RejectionReason.NOT_PERMITTED,  # our From is invalid
    21408: RejectionReason.NOT_PERMITTED,  # region not enabled
    21602: RejectionReason.CONTENT_REFUSED,  # body missing
    21604: RejectionReason.INVALID_ADDRESS,  # To missing
    21606: RejectionReason.NOT_PERMITTED,  # our From cannot send SMS
    21608: RejectionReason.NOT_PERMITTED,  # trial account, number not verified
    21610: RejectionReason.BLOCKED,  # the person replied STOP
    21612: RejectionReason.UNREACHABLE,  # no route from this From to this To
    21614: RejectionReason.INVALID_ADDRESS,  # not a mobile number
    21617: RejectionReason.CONTENT_REFUSED,  # longer than 1,600 characters
    21635: RejectionReason.UNREACHABLE,  # landline
    21659: RejectionReason.NOT_PERMITTED,  # our From is not a Twilio number
    30002: RejectionReason.NOT_PERMITTED,  # account suspended
    30003: RejectionReason.UNREACHABLE,
    30004: RejectionReason.BLOCKED,
    30005: RejectionReason.INVALID_ADDRESS,
    30006: RejectionReason.UNREACHABLE,  # landline or unreachable carrier
    30007: RejectionReason.CONTENT_REFUSED,  # filtered
    30036: RejectionReason.EXPIRED,  # ValidityPeriod elapsed in Twilio's queue
    63038: RejectionReason.QUOTA_EXCEEDED,  # daily limit of the account
}
_RETRIED = frozenset({14107, 20429, 21611})  # too fast to one number, too fast at all, From's queue is full


class TwilioSettings(HttpSettings):
    """One Twilio account and the number it sends from."""

    base_url: AnyHttpUrl = AnyHttpUrl("https://api.twilio.com")
    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="AC and 32 hexadecimal characters")
    auth_token: SecretStr
    from_number: str = Field(
        min_length=1, max_length=34, description="E.164 number, short code or alphanumeric sender id"
    )
    status_callback: AnyHttpUrl | None = Field(default=None, description="where Twilio posts what became of a message")
    settle_seconds: float = Field(
        default=60.0,
        ge=0,
        description="how long after an attempt a message that is not listed counts as never accepted",
    )
    messages_are_redacted: bool = Field(
        default=False,
        description="the account redacts numbers or bodies: attempts cannot be looked up and stay Unknown",
    )

    def messages_url(self) -> str:
        """The account's Messages list resource."""
        return self.url(f"/2010-04-01/Accounts/{self.account_sid}/Messages.json")

    def headers(self) -> dict[str, str]:
        """HTTP basic authentication with the account's own credentials."""
        pair = f"{self.account_sid}:{self.auth_token.get_secret_value()}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}


def outcome_of(answer: Answer, now_ms: int) -> Outcome:
    """What Twilio's answer to a new message means. Its sentences quote the number, so the detail keeps to the code."""
    body = answer.json()
    if 200 <= answer.status < 300:
        sid = body.get("sid")
        return Delivered(sid if isinstance(sid, str) else None)
    said = body.get("code")
    code = said if isinstance(said, int) else 0
    detail = f"HTTP {answer.status}" + (f", {_error_page(code)}" if code else "")
    if answer.status >= 500 or answer.status == 408:
        return Unknown(f"{detail}: the message may have been accepted")
    if code in _REJECTED:
        return Rejected(_REJECTED[code], detail)
    if answer.status == 429 or code in _RETRIED:
        return RetryAfter(answer.retry_after_ms(now_ms), RetryReason.RATE_LIMITED, detail)
    if answer.status == 401:
        return Rejected(RejectionReason.AUTHENTICATION, f"{detail}: check account_sid and auth_token")
    if answer.status == 403:
        return Rejected(RejectionReason.NOT_PERMITTED, detail)
    return Rejected(RejectionReason.REQUEST_REFUSED, detail)


def _outcome_of_found(found: Found) -> Outcome:
    if not found.failed:
        return Delivered(found.sid)
    if found.error_code is None:
        return Rejected(RejectionReason.REQUEST_REFUSED, f"message {found.sid} failed")
    reason = _REJECTED.get(found.error_code, RejectionReason.REQUEST_REFUSED)
    return Rejected(reason, f"message {found.sid} failed, {_error_page(found.error_code)}")


def _error_page(code: int) -> str:
    return f"https://www.twilio.com/docs/errors/{code}"


class TwilioSink:
    """Sends SMS from one number. The session stays the caller's to close."""

    channel: str = "sms"

    def __init__(self, http: ClientSession, settings: TwilioSettings) -> None:
        self._api = Api(http, settings.headers(), settings.limits())
        self._settings = settings
        self.settle_seconds = settings.settle_seconds

    async def deliver(self, message: Message, now_ms: int) -> Outcome:
        """Create the message once. Twilio drops it by itself when it is still queued at `valid_until_ms`."""
        if message.expired(now_ms):
            return expired_outcome()
        validity_seconds = (message.valid_until_ms - now_ms) // 1000
        form = {
            "To": message.to,
            "From": self._settings.from_number,
            "Body": message.text,
            "ValidityPeriod": str(max(1, min(validity_seconds, _LONGEST_VALIDITY_SECONDS))),
        }
        if self._settings.status_callback is not None:
            form["StatusCallback"] = str(self._settings.status_callback)
        answer = await self._api.call("POST", self._settings.messages_url(), form=form)
        match answer:
            case NotSent(detail):
                return RetryAfter(None, RetryReason.CONNECTION_FAILED, detail)
            case AnswerLost(detail):
                return Unknown(f"{detail}: the message may have been accepted")
            case Answer():
                return outcome_of(answer, now_ms)

    async def find_delivered(self, message: Message, now_ms: int, started_ms: int) -> Found | NotFound | Undecided:
        """Look for the message among those Twilio has sent to this number since `started_ms`."""
        if self._settings.messages_are_redacted:
            return Undecided("the account redacts its messages, so they cannot be looked up")
        messages_url = self._settings.messages_url()
        return await search(
            self._api, messages_url, to=message.to, text=message.text, from_ms=started_ms, until_ms=now_ms
        )

    async def reconcile(self, message: Message, now_ms: int, started_ms: int) -> Outcome:
        """Look the attempt up. Never sends: a new send is a new attempt, to be recorded before it starts like any
        other, or a crash in it would be looked for in the wrong window.

        Listed and alive: Delivered. Listed and failed: Rejected with the reason Twilio recorded. Not listed: within
        `settle_seconds` of the attempt Unknown (the request may still be on its way, and a list need not show a
        message at once; ask again then), afterwards RetryAfter now, or Rejected when it has expired meanwhile.
        Anything that keeps the list from being read to its end is Unknown as well.
        """
        match await self.find_delivered(message, now_ms, started_ms):
            case Found() as found:
                return _outcome_of_found(found)
            case Undecided(detail):
                return Unknown(detail)
            case NotFound():
                if now_ms < started_ms + self._settings.settle_seconds * 1000:
                    return Unknown(f"not listed yet; conclusive {self._settings.settle_seconds:g} s after the attempt")
                if message.expired(now_ms):
                    return expired_outcome()
                return RetryAfter(now_ms, RetryReason.NOT_ACCEPTED, "the attempt is not among the account's messages")
