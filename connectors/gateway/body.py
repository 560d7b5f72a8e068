"""The body of a request, read within bounds of size and time."""

from __future__ import annotations

import asyncio

from aiohttp import web

from connectors.gateway.problems import Problem, Reason
from connectors.gateway.settings import GatewaySettings
from connectors.sources.request import RawRequest


async def read_raw(request: web.Request, settings: GatewaySettings) -> RawRequest:
    """The request as a source takes it; raises a 408, 413 or 415 problem."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(Reason.MEDIA_TYPE, "Send the body uncompressed: Content-Encoding is not accepted.")
    if (request.content_length or 0) > settings.max_body_bytes:
        raise _too_large(settings)
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            body = await request.read()
    except TimeoutError as error:
        raise Problem(Reason.TIMEOUT, f"Send the body within {settings.body_timeout_seconds:g} s.") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise _too_large(settings) from error
    headers = {name.lower(): value for name, value in request.headers.items()}
    return RawRequest(body=body, headers=headers, url=str(request.url))


def _too_large(settings: GatewaySettings) -> Problem:
    return Problem(
        Reason.TOO_LARGE, f"A body has at most {settings.max_body_bytes} bytes: send fewer events at a time."
    )


def media_type(request: web.Request) -> str:
    """The content type without parameters, lower case; raises a 415 problem for a charset other than UTF-8."""
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(Reason.MEDIA_TYPE, "Send JSON as UTF-8.")
    return request.content_type.lower()
