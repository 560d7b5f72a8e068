"""Cutting an HTTP connection in the middle of an exchange."""

from __future__ import annotations

from aiohttp import web


def cut(request: web.Request) -> web.Response:
    """Reset the client's connection. The response only ends the handler: nobody is left to read it."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
