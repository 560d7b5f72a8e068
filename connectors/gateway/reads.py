"""Reads: forwarded to the worker that owns the answer. The gateway keeps no state of its own."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

import structlog
from aiohttp import ClientError, web
from yarl import URL

from connectors.gateway.auth import READ
from connectors.gateway.body import media_type, read_raw
from connectors.gateway.problems import Problem, Reason
from connectors.gateway.state import GATEWAY, Gateway
from connectors.sources.strict_json import decode
from schemas.errors import FieldError, InvalidInput
from schemas.events import Identifier
from schemas.identifiers import IdentifierType, hash_identifiers

log = structlog.get_logger(__name__)

CUSTOMER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STALE_ROUTE = 421
_NO_ANSWER = 0
# Time for the new owner's entry to arrive here after a stale route was noticed.
_RETRY_SECONDS = 0.2
_LONGEST_KEY = 512


async def lookup(request: web.Request) -> web.Response:
    """``POST /v1/customers/lookup`` {type, value} -> {customer_id}; identifiers never stand in a URL."""
    gateway = request.app[GATEWAY]
    gateway.authorised(request, READ)
    if media_type(request) != "application/json":
        raise Problem(Reason.MEDIA_TYPE, "Send application/json.")
    body = decode((await read_raw(request, gateway.settings)).body)
    identifier = _identifier(body)
    router = gateway.router
    hashed = hash_identifiers((identifier,), router.pepper, router.realm, router.default_region)
    if not hashed:
        message = f"is no usable {identifier.type}"
        raise InvalidInput(f"value {message}", (FieldError("value", message),))
    return await _from_owner(gateway, "identity", hashed[0].key, "/v1/identifiers/")


async def customer(request: web.Request) -> web.Response:
    """``GET /v1/customers/{id}``; ``?after=<event id>`` waits up to a second for that event of the customer."""
    gateway = request.app[GATEWAY]
    gateway.authorised(request, READ)
    key = request.match_info["id"]
    if not CUSTOMER_ID.fullmatch(key):
        raise Problem(Reason.NOT_FOUND, "A customer id is a UUID; find it by POST /v1/customers/lookup.")
    after = request.query.get("after", "")
    query = f"?after={quote(_bounded(after), safe='')}" if after else ""
    return await _from_owner(gateway, "customer", key, "/v1/customers/", query)


async def inventory(request: web.Request) -> web.Response:
    """``GET /v1/inventory/{sku}``."""
    gateway = request.app[GATEWAY]
    gateway.authorised(request, READ)
    return await _from_owner(gateway, "inventory", _bounded(request.match_info["sku"]), "/v1/inventory/")


async def inquiry(request: web.Request) -> web.Response:
    """``GET /v1/inquiries/{id}``: a thread lives with its customer, so every customer worker is asked at once."""
    gateway = request.app[GATEWAY]
    gateway.authorised(request, READ)
    path = "/v1/inquiries/" + quote(_bounded(request.match_info["id"]), safe="")
    urls = gateway.directory.workers("customer")
    if not urls:
        raise _nobody()
    asked = [asyncio.ensure_future(_ask(gateway, url + path)) for url in urls]
    try:
        statuses = set()
        for answer in asyncio.as_completed(asked):
            status, body = await answer
            if status == web.HTTPOk.status_code:
                return _json(body)
            statuses.add(status)
    finally:
        for task in asked:
            task.cancel()
    if statuses == {web.HTTPNotFound.status_code}:
        raise Problem(Reason.NOT_FOUND, "No such inquiry.")
    raise _nobody()


async def _from_owner(gateway: Gateway, processor: str, key: str, prefix: str, query: str = "") -> web.Response:
    """The answer of the owner of ``key``; a stale route or a dead worker is tried once more."""
    path = prefix + quote(key, safe="") + query
    for retried in (False, True):
        url = gateway.directory.owner(processor, key)
        if url is None:
            raise _nobody()
        status, body = await _ask(gateway, url + path)
        if status == web.HTTPOk.status_code:
            return _json(body)
        if status == web.HTTPNotFound.status_code:
            raise Problem(Reason.NOT_FOUND, "Nothing is known under this id.")
        if status not in (_STALE_ROUTE, _NO_ANSWER):
            log.warning("worker refuses a read", processor=processor, status=status)
            break
        if not retried:
            await asyncio.sleep(_RETRY_SECONDS)
    raise _nobody()


async def _ask(gateway: Gateway, url: str) -> tuple[int, bytes]:
    """Status and body of one worker's answer; ``_NO_ANSWER`` when it gives none in time."""
    try:
        async with gateway.workers.get(URL(url, encoded=True), allow_redirects=False) as answer:
            return answer.status, await answer.read()
    except (ClientError, TimeoutError) as error:
        log.info("worker does not answer", error=type(error).__name__)
        return _NO_ANSWER, b""


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def _nobody() -> Problem:
    detail = "No worker owns this now (one is starting, or none runs). Try again."
    return Problem(Reason.OWNER_AWAY, detail, headers={"Retry-After": "1"})


def _bounded(key: str) -> str:
    if len(key) > _LONGEST_KEY:
        raise Problem(Reason.NOT_FOUND, "No id is that long.")
    return key


def _identifier(body: object) -> Identifier:
    if not isinstance(body, dict):
        raise InvalidInput("the body is an object with type and value")
    errors = tuple(
        FieldError(name, "must be a non-empty string")
        for name in ("type", "value")
        if not isinstance(body.get(name), str) or not body[name]
    )
    if not errors and body["type"] not in list(IdentifierType):
        errors = (FieldError("type", f"must be one of {', '.join(IdentifierType)}"),)
    if errors:
        raise InvalidInput("not an identifier", errors)
    return Identifier(type=body["type"], value=body["value"])
