"""LINE push messages.

Sources (LINE Developers): Messaging API reference, "Send push message", "Status codes", "Error responses"; Messaging
API docs, "Retry failed API requests"; FAQ, "Why do I get a 429 Too Many Requests error (You have reached your monthly
limit.) even though I still have messages available to send for the current month?".

- X-Line-Retry-Key makes a repeat safe for 24 hours after the first request: LINE answers 409 with
  x-line-accepted-request-id and the ids of the messages it sent the first time.
- 429 has two meanings. The monthly limit is not over in minutes, so it is a rejection (it can also show up briefly
  while another delivery has reserved the remaining messages; the next channel is the better answer then, too).
- A person who blocked the account is answered with 200: LINE does not tell, so BLOCKED never comes from here.
"""

from __future__ import annotations

import uuid

from aiohttp import ClientSession
from pydantic import AnyHttpUrl, Field, SecretStr, field_validator

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

RETRY_KEY_VALID_MS = 24 * 3600 * 1000
_PUSH = "/v2/bot/message/push"
_ADDRESS_REFUSALS = ("the property, 'to',", "failed to send messages")


class LineSettings(HttpSettings):
    """One LINE Official Account."""

    base_url: AnyHttpUrl = AnyHttpUrl("https://api.line.me")
    channel_access_token: SecretStr = Field(description="issued in the LINE Developers console, sent as a bearer token")

    @field_validator("channel_access_token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr) -> SecretStr:
        value = token.get_secret_value()
        if not (value.isascii() and value.isprintable()) or not value or " " in value:
            raise ValueError(
                "expected printable ASCII without spaces: copy the token again from the LINE Developers console"
            )
        return token


def retry_key(action_id: str) -> str:
    """X-Line-Retry-Key of an action: its 32 hexadecimal characters written as a UUID, so that either can be found by
    the other."""
    return str(uuid.UUID(hex=action_id))


def outcome_of(answer: Answer, now_ms: int) -> Outcome:
    """What LINE's answer to a push means."""
    body = answer.json()
    said = body.get("message")
    lowered = said.lower() if isinstance(said, str) else ""
    detail = f"HTTP {answer.status}, request {answer.headers.get('x-line-request-id', 'unnamed')}"
    match answer.status:
        case status if 200 <= status < 300:
            return Delivered(_sent_message_id(body))
        case 409:
            if answer.headers.get("x-line-accepted-request-id"):
                return Delivered(_sent_message_id(body))
            return Unknown(f"{detail}: a conflict that names no accepted request")
        case 429:
            if "monthly limit" in lowered:
                return Rejected(RejectionReason.QUOTA_EXCEEDED, f"{detail}: monthly message limit of the account")
            return RetryAfter(answer.retry_after_ms(now_ms), RetryReason.RATE_LIMITED, f"{detail}: rate limit")
        case 400:
            refused = _refused_properties(body)
            if lowered.startswith(_ADDRESS_REFUSALS) or "to" in refused:
                return Rejected(RejectionReason.INVALID_ADDRESS, f"{detail}: no such LINE user for this account")
            return Rejected(
                RejectionReason.CONTENT_REFUSED, f"{detail}: refused properties: {', '.join(refused) or 'unnamed'}"
            )
        case 401:
            return Rejected(RejectionReason.AUTHENTICATION, f"{detail}: check channel_access_token")
        case 403:
            return Rejected(RejectionReason.NOT_PERMITTED, f"{detail}: the account's plan does not allow this")
        case 413:
            return Rejected(RejectionReason.CONTENT_REFUSED, f"{detail}: the request is too large")
        case status if status >= 500 or status == 408:
            return RetryAfter(answer.retry_after_ms(now_ms), RetryReason.PROVIDER_UNAVAILABLE, detail)
        case _:
            return Rejected(RejectionReason.REQUEST_REFUSED, f"{detail}: check base_url")


class LineSink:
    """Pushes text messages to one account's users. The session stays the caller's to close."""

    channel: str = "line"
    settle_seconds: float = 0.0

    def __init__(self, http: ClientSession, settings: LineSettings) -> None:
        bearer = {"Authorization": f"Bearer {settings.channel_access_token.get_secret_value()}"}
        self._api = Api(http, bearer, settings.limits())
        self._url = settings.url(_PUSH)

    async def deliver(self, message: Message, now_ms: int) -> Outcome:
        """Push once. A lost answer is RetryAfter, because the repeat carries the same retry key; the caller keeps its
        repeats within RETRY_KEY_VALID_MS of the first."""
        if message.expired(now_ms):
            return expired_outcome()
        answer = await self._api.call(
            "POST",
            self._url,
            headers={"X-Line-Retry-Key": retry_key(message.action_id)},
            json_body={"to": message.to, "messages": [{"type": "text", "text": message.text}]},
        )
        match answer:
            case NotSent(detail):
                return RetryAfter(None, RetryReason.CONNECTION_FAILED, detail)
            case AnswerLost(detail):
                return RetryAfter(None, RetryReason.ANSWER_LOST, detail)
            case Answer():
                return outcome_of(answer, now_ms)

    async def reconcile(self, message: Message, now_ms: int, started_ms: int) -> Outcome:
        """Push again with the same key: accepted before, LINE says so; not accepted, it goes out now.

        Unknown once the key has run out (a repeat could be a second message) or the message has expired (LINE can
        only be asked by sending, and it would go out late).
        """
        if now_ms - started_ms >= RETRY_KEY_VALID_MS:
            return Unknown("the retry key of the attempt has run out (24 hours)")
        if message.expired(now_ms):
            return Unknown("valid_until has passed, and LINE can only be asked by sending")
        return await self.deliver(message, now_ms)


def _sent_message_id(body: dict[str, object]) -> str | None:
    match body.get("sentMessages"):
        case [{"id": str(message_id)}, *_]:
            return message_id
        case _:
            return None


def _refused_properties(body: dict[str, object]) -> list[str]:
    """Names of the refused properties. LINE's own sentences stay out of the detail: they may quote the text."""
    details = body.get("details")
    if not isinstance(details, list):
        return []
    return [str(item["property"]) for item in details if isinstance(item, dict) and "property" in item]
