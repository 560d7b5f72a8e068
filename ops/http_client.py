"""The command line's way to a gateway: one request, problem details as readable errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Annotated, Any

import typer

from schemas.errors import InvalidInput, Unavailable

UrlOption = Annotated[str, typer.Option("--url", envvar="TSUNAGI_URL", help="Base address of the gateway.")]
KeyOption = Annotated[str, typer.Option("--key", envvar="TSUNAGI_KEY", help="API key, see `tsunagi keys`.")]
DEFAULT_URL = "http://127.0.0.1:8080"
_TIMEOUT_SECONDS = 15


def call(method: str, url: str, key: str, body: Any = None) -> Any:
    """The JSON answer. Raises :class:`InvalidInput` for a 4xx with what the gateway says, :class:`Unavailable` else."""
    if not url.startswith(("http://", "https://")):
        raise InvalidInput(f"--url is {url!r}: give http://host:port")
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - scheme checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
            return json.load(response)
    except urllib.error.HTTPError as error:
        told = _problem(error)
        raise (InvalidInput if error.code < 500 else Unavailable)(f"{error.code}: {told}") from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise Unavailable(f"no gateway answers at {url}: {error}; start one with `tsunagi up`") from error


def _problem(error: urllib.error.HTTPError) -> str:
    try:
        body = json.load(error)
    except ValueError:
        return error.reason
    lines = [str(body.get("detail") or body.get("title") or error.reason)]
    for wrong in body.get("errors", []):
        lines.append(f"  {wrong.get('field', '')}: {wrong.get('message', '')}")
    return "\n".join(lines)
