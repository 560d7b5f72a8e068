"""``GET /``: the console, one static file. It holds no data; what it shows it asks for with the key of its user."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web


def content_security_policy(page: str) -> str:
    """A policy that lets exactly the page's own script and style run, and lets it talk to this gateway only."""
    script, style = (
        " ".join(f"'sha256-{_digest(block)}'" for block in re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL))
        for tag in ("script", "style")
    )
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _digest(block: str) -> str:
    return base64.b64encode(hashlib.sha256(block.encode()).digest()).decode()


def console_page() -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler, with the page read once."""
    page = files("connectors.gateway").joinpath("console/index.html").read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": content_security_policy(page),
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    async def console(_request: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers=headers)

    return console
