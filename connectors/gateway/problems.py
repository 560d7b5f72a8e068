"""Every refusal as an RFC 9457 problem document, counted by a reason from a closed set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web

from connectors.sources.batch import MAX_ERRORS, InvalidEvents, LocatedError
from connectors.sources.request import MalformedBody, SignatureRefused
from schemas.errors import InvalidInput, Unavailable
from schemas.metrics import GatewayMetrics

log = structlog.get_logger(__name__)

KEY_ID = web.RequestKey("key_id", str)
"""Whose key a request came with, once it is known."""
TYPE_PREFIX = "urn:tsunagi:problem:"


class Reason(StrEnum):
    """Why a request was refused: the last part of the problem's ``type`` and the metric's label."""

    MALFORMED = "malformed"
    NO_KEY = "no-key"
    BAD_SIGNATURE = "bad-signature"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    METHOD = "method-not-allowed"
    TIMEOUT = "body-timeout"
    TOO_LARGE = "too-large"
    MEDIA_TYPE = "unsupported-media-type"
    INVALID = "invalid"
    BAD_REQUEST = "bad-request"
    INTERNAL = "internal"
    KAFKA_AWAY = "kafka-unavailable"
    OWNER_AWAY = "owner-unavailable"
    LIVE_FULL = "live-full"


_STATUS_AND_TITLE: Mapping[Reason, tuple[HTTPStatus, str]] = {
    Reason.MALFORMED: (HTTPStatus.BAD_REQUEST, "The body cannot be read"),
    Reason.NO_KEY: (HTTPStatus.UNAUTHORIZED, "A valid API key is needed"),
    Reason.BAD_SIGNATURE: (HTTPStatus.UNAUTHORIZED, "The signature does not prove the sender"),
    Reason.FORBIDDEN: (HTTPStatus.FORBIDDEN, "The key lacks a role"),
    Reason.NOT_FOUND: (HTTPStatus.NOT_FOUND, "There is no such thing"),
    Reason.METHOD: (HTTPStatus.METHOD_NOT_ALLOWED, "Not with this method"),
    Reason.TIMEOUT: (HTTPStatus.REQUEST_TIMEOUT, "The body took too long to arrive"),
    Reason.TOO_LARGE: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    Reason.MEDIA_TYPE: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not this kind of body"),
    Reason.INVALID: (HTTPStatus.UNPROCESSABLE_ENTITY, "The input breaks the contract"),
    Reason.BAD_REQUEST: (HTTPStatus.BAD_REQUEST, "The request is not HTTP as expected"),
    Reason.INTERNAL: (HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong here"),
    Reason.KAFKA_AWAY: (HTTPStatus.SERVICE_UNAVAILABLE, "Kafka is not reachable"),
    Reason.OWNER_AWAY: (HTTPStatus.SERVICE_UNAVAILABLE, "No worker can answer now"),
    Reason.LIVE_FULL: (HTTPStatus.SERVICE_UNAVAILABLE, "Too many are watching"),
}


class Problem(Exception):
    """A refusal, raised anywhere in a handler."""

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        errors: tuple[LocatedError, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status of the reason."""
        return _STATUS_AND_TITLE[self.reason][0]

    def response(self) -> web.Response:
        """The problem document."""
        status, title = _STATUS_AND_TITLE[self.reason]
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.reason,
            "title": title,
            "status": int(status),
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [
                {
                    "index": item.index,
                    "field": item.error.field,
                    "message": item.error.message,
                    "expected": item.error.expected,
                }
                for item in self.errors[:MAX_ERRORS]
            ]
        return web.json_response(
            body,
            status=status,
            content_type="application/problem+json",
            headers={"Cache-Control": "no-store"} | self.headers,
        )


def as_problem(error: Exception, retry_after_seconds: int) -> Problem:
    """The problem that an error of the tree, or of aiohttp, is to the sender."""
    match error:
        case Problem():
            return error
        case InvalidEvents():
            return Problem(Reason.INVALID, str(error), errors=error.located)
        case InvalidInput():
            return Problem(Reason.INVALID, str(error), errors=tuple(LocatedError(0, item) for item in error.errors))
        case MalformedBody():
            return Problem(Reason.MALFORMED, str(error))
        case SignatureRefused():
            return Problem(Reason.BAD_SIGNATURE, str(error))
        case Unavailable():
            return Problem(Reason.KAFKA_AWAY, str(error), headers={"Retry-After": str(retry_after_seconds)})
        case web.HTTPRequestEntityTooLarge():
            return Problem(Reason.TOO_LARGE, "The body is larger than this gateway takes.")
        case web.HTTPMethodNotAllowed():
            return Problem(
                Reason.METHOD, f"{error.method} is not offered here.", headers={"Allow": error.headers["Allow"]}
            )
        case web.HTTPNotFound():
            return Problem(Reason.NOT_FOUND, "There is nothing at this address.")
        case web.HTTPException():
            return Problem(Reason.BAD_REQUEST, error.reason)
    return Problem(Reason.INTERNAL, "The request failed here; it is in our log.")


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem_middleware(metrics: GatewayMetrics, retry_after_seconds: int) -> Any:
    """Turns what a handler raises into a problem document, counts it, and logs it without a word of the input."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Exception as error:
            problem = as_problem(error, retry_after_seconds)
            metrics.refused.labels(problem.reason).inc()
            bound = log.bind(
                reason=str(problem.reason),
                status=int(problem.status),
                method=request.method,
                key_id=request.get(KEY_ID),
            )
            if problem.reason is Reason.INTERNAL:
                # The traceback holds code and types; the message could hold input, so it is left out.
                bound.error("request failed", error=type(error).__name__, at=_where(error))
            else:
                bound.info("request refused", errors=len(problem.errors))
            return problem.response()

    return middleware


def _where(error: Exception) -> list[str]:
    frames, traceback = [], error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_qualname}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return frames[-5:]
