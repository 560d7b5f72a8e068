"""``POST /v1/events`` and ``POST /v1/webhooks/{source}``: accepted means in the log, acknowledged by Kafka.

Statuses: 202 accepted; 200 a genuine webhook that leads to no event; 400 the body cannot be read (not UTF-8, not JSON,
a name twice); 422 it can be read but breaks the contract; 401, 403, 408, 413, 415; 503 Kafka is away, send it again.
An array is taken whole or not at all: when one event is wrong, nothing of it is in the log.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence

from aiohttp import web

from connectors.gateway.auth import authenticate, produce, require
from connectors.gateway.body import media_type, read_raw
from connectors.gateway.problems import Problem, Reason
from connectors.gateway.publisher import Message
from connectors.gateway.state import GATEWAY, Gateway
from connectors.sources import FORMATS, WEBHOOKS
from connectors.sources.batch import InvalidEvents, LocatedError
from connectors.sources.request import Ignored
from schemas.catalogue import NAMESPACE
from schemas.errors import InvalidInput
from schemas.events import ChannelEvent

# Source: W3C Trace Context, section 3.2; anything else is not passed on.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


async def post_events(request: web.Request) -> web.Response:
    """Takes native JSON or structured CloudEvents from a channel team."""
    started = time.perf_counter()
    gateway = request.app[GATEWAY]
    key = authenticate(request, gateway.keys)
    parse = FORMATS.get(media_type(request))
    if parse is None:
        raise Problem(Reason.MEDIA_TYPE, f"Send one of {', '.join(FORMATS)}.", headers={"Accept": ", ".join(FORMATS)})
    raw = await read_raw(request, gateway.settings)
    now_ms = gateway.clock()
    events = parse(raw, now_ms)
    for channel in {event.envelope.channel for event in events}:
        require(key, produce(channel))
    return await _accept(gateway, request, events, now_ms, started)


async def post_webhook(request: web.Request) -> web.Response:
    """Takes a vendor's webhook, proven by its signature."""
    started = time.perf_counter()
    gateway = request.app[GATEWAY]
    source = request.match_info["source"]
    webhook, settings = WEBHOOKS.get(source), gateway.settings.webhooks.get(source)
    if webhook is None or settings is None:
        raise Problem(Reason.NOT_FOUND, "No webhook of this name is switched on.")
    raw = await read_raw(request, gateway.settings)
    webhook.verify(raw, settings)
    now_ms = gateway.clock()
    try:
        events = webhook.parse(raw, settings, now_ms)
    except Ignored as ignored:
        gateway.metrics.ignored.labels(source, ignored.reason).inc()
        return web.json_response({"accepted": [], "ignored": ignored.reason})
    return await _accept(gateway, request, events, now_ms, started)


async def _accept(
    gateway: Gateway, request: web.Request, events: Sequence[ChannelEvent], now_ms: int, started: float
) -> web.Response:
    messages = _messages(gateway, request, events, now_ms)
    await gateway.publisher.publish(messages, now_ms)
    for (channel, name), count in Counter((e.envelope.channel, type(e).__name__) for e in events).items():
        gateway.metrics.accepted.labels(channel, name).inc(count)
    gateway.metrics.accept_seconds.observe(time.perf_counter() - started)
    return web.json_response({"accepted": [event.envelope.event_id for event in events]}, status=202)


def _messages(gateway: Gateway, request: web.Request, events: Sequence[ChannelEvent], now_ms: int) -> list[Message]:
    traceparent = request.headers.get("traceparent", "")
    trace = (("traceparent", traceparent.encode()),) if _TRACEPARENT.fullmatch(traceparent) else ()
    messages: list[Message] = []
    located: list[LocatedError] = []
    for index, event in enumerate(events):
        try:
            routed = gateway.router.route(event, now_ms)
        except InvalidInput as error:
            located.extend(LocatedError(index, item) for item in error.errors)
            continue
        ce_type = f"{NAMESPACE}.{type(event).__name__}".encode()
        value = gateway.codec.encode(routed.event)
        messages.append(Message(routed.topic, routed.key, value, (("ce_type", ce_type), *trace)))
    if located:
        raise InvalidEvents(f"{len(located)} of {len(events)} events cannot be routed; none was taken", tuple(located))
    return messages
