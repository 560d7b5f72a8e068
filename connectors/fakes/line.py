"""LINE's push endpoint. Bodies and wording follow LINE Developers: Messaging API reference, "Send push message", "Error
responses"; Messaging API docs, "Retry failed API requests"."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from connectors.fakes.faults import Fault, Faults, Programmed
from connectors.fakes.http_fault import cut
from connectors.fakes.inbox import Inbox, Received

RETRY_KEY_VALID_MS = 24 * 3600 * 1000
_RECIPIENT = re.compile(r"[UCR][0-9a-f]{32}")
_LONGEST_TEXT_UTF16 = 5000
_FIRST_MESSAGE_ID = 461_230_966_842_064_897
_REFUSED = {
    Fault.RATE_LIMITED: (429, "The API rate limit has been exceeded. Try again later."),
    Fault.QUOTA_EXCEEDED: (429, "You have reached your monthly limit."),
    Fault.SERVER_ERROR: (500, "Internal server error"),
    Fault.SERVER_ERROR_AFTER_ACCEPT: (500, "Internal server error"),
    Fault.UNKNOWN_RECIPIENT: (400, "Failed to send messages"),
}


@dataclass(frozen=True, slots=True)
class _Accepted:
    request_id: str
    sent_messages: list[dict[str, str]]
    at_ms: int


class LineFake:
    """Stateful: remembers retry keys for 24 hours, as LINE does."""

    def __init__(self, inbox: Inbox, faults: Faults, channel_access_token: str, clock: Callable[[], int]) -> None:
        self._inbox = inbox
        self._faults = faults
        self._token = channel_access_token
        self._clock = clock
        self._accepted: dict[str, _Accepted] = {}
        self._requests = 0
        self._messages = 0

    def app(self) -> web.Application:
        """The application, one endpoint and LINE's 404 for all else."""
        app = web.Application(client_max_size=2 * 1024 * 1024)
        app.router.add_post("/v2/bot/message/push", self._push)
        app.router.add_route("*", "/{anything:.*}", self._not_found)
        return app

    async def _not_found(self, request: web.Request) -> web.Response:
        return self._answer(404, {"message": "Not found"})

    async def _push(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            reason = "invalid token. Confirm that the access token in the authorization header is valid."
            return self._answer(401, {"message": f"Authentication failed due to the following reason: {reason}"})
        if request.content_type != "application/json":
            return self._answer(415, {"message": f"The content type, {request.content_type}, is not supported"})
        try:
            body = await request.json()
        except ValueError:
            return self._answer(400, {"message": "The request body could not be parsed as JSON (line: 1, column: 1)"})
        retry_key = request.headers.get("X-Line-Retry-Key")
        refusal = _refusal(body, retry_key)
        if refusal is not None:
            return self._answer(400, refusal)
        return await self._attempt(request, body["to"], body["messages"], retry_key)

    async def _attempt(
        self, request: web.Request, to: str, messages: list[dict[str, str]], retry_key: str | None
    ) -> web.StreamResponse:
        programmed = self._faults.take("line", to)
        if programmed is None:
            return self._accept(to, messages, retry_key)
        if programmed.fault.accepts:
            self._accept(to, messages, retry_key)
        if programmed.fault.hangs:
            await self._faults.hang()
        if programmed.fault.hangs or programmed.fault.drops:
            return cut(request)
        return self._refuse(programmed)

    def _accept(self, to: str, messages: list[dict[str, str]], retry_key: str | None) -> web.Response:
        now_ms = self._clock()
        earlier = self._accepted.get(retry_key) if retry_key is not None else None
        if earlier is not None and now_ms - earlier.at_ms < RETRY_KEY_VALID_MS:
            return self._answer(
                409,
                {"message": "The retry key is already accepted", "sentMessages": earlier.sent_messages},
                {"x-line-accepted-request-id": earlier.request_id},
            )
        sent: list[dict[str, str]] = []
        for message in messages:
            message_id = str(_FIRST_MESSAGE_ID + self._messages)
            self._messages += 1
            sent.append({"id": message_id, "quoteToken": f"quote-{message_id}"})
            text = message.get("text", "")
            self._inbox.add(Received("line", to, text, None, message_id, retry_key, now_ms))
        answer = self._answer(200, {"sentMessages": sent})
        if retry_key is not None:
            self._forget_old_keys(now_ms)
            self._accepted[retry_key] = _Accepted(answer.headers["x-line-request-id"], sent, now_ms)
        return answer

    def _forget_old_keys(self, now_ms: int) -> None:
        """Keys are in order of acceptance: the first one still valid ends the search."""
        while self._accepted:
            oldest = next(iter(self._accepted))
            if now_ms - self._accepted[oldest].at_ms < RETRY_KEY_VALID_MS:
                return
            del self._accepted[oldest]

    def _refuse(self, programmed: Programmed) -> web.Response:
        status, message = _REFUSED[programmed.fault]
        return self._answer(status, {"message": message}, programmed.headers)

    def _answer(self, status: int, body: dict[str, object], headers: dict[str, str] | None = None) -> web.Response:
        self._requests += 1
        request_id = str(uuid.UUID(int=self._requests))
        return web.json_response(body, status=status, headers={"x-line-request-id": request_id, **(headers or {})})


def _refusal(body: object, retry_key: str | None) -> dict[str, object] | None:
    """LINE's error body for an invalid request, None for a valid one."""
    if retry_key is not None:
        try:
            uuid.UUID(retry_key)
        except ValueError:
            return {"message": "The value of X-Line-Retry-Key is invalid"}  # LINE does not document its wording
    if not isinstance(body, dict):
        return {"message": "The request body could not be parsed as JSON (line: 1, column: 1)"}
    to, messages = body.get("to"), body.get("messages")
    if not isinstance(to, str) or _RECIPIENT.fullmatch(to) is None:
        return {"message": "The property, 'to', in the request body is invalid (line: -, column: -)"}
    if not isinstance(messages, list) or not 1 <= len(messages) <= 5:
        return _errors([("Size must be between 1 and 5", "messages")])
    errors: list[tuple[str, str]] = []
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or "type" not in message:
            errors.append(("Must be specified", f"messages[{index}].type"))
        elif message["type"] == "text":
            text = message.get("text")
            if not isinstance(text, str) or not text:
                errors.append(("May not be empty", f"messages[{index}].text"))
            elif len(text.encode("utf-16-le")) // 2 > _LONGEST_TEXT_UTF16:
                errors.append((f"Length must be between 0 and {_LONGEST_TEXT_UTF16}", f"messages[{index}].text"))
    return _errors(errors) if errors else None


def _errors(errors: list[tuple[str, str]]) -> dict[str, object]:
    return {
        "message": f"The request body has {len(errors)} error(s)",
        "details": [{"message": message, "property": name} for message, name in errors],
    }
