"""``GET /v1/live``: the way of events as server-sent events, one JSON object a line.

First a little of the past, then a line of kind ``ready``, then what happens from now on. With ``?customer=<id>`` the
past of that customer comes first, as far as the log has it; a line can then come twice, and has the same ``id``.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from connectors.gateway.auth import READ
from connectors.gateway.problems import Problem, Reason
from connectors.gateway.reads import CUSTOMER_ID
from connectors.gateway.state import GATEWAY

_HEARTBEAT_SECONDS = 15.0
_HEARTBEAT = b": still here\n\n"
_STALLED_SECONDS = 30.0


async def live(request: web.Request) -> web.StreamResponse:
    """Streams until the reader leaves or the gateway stops; role read. See ``live_view`` for the lines."""
    gateway = request.app[GATEWAY]
    gateway.authorised(request, READ)
    if len(gateway.feed) >= gateway.settings.max_live_clients:
        raise Problem(Reason.LIVE_FULL, "Close another live view, or try again.", headers={"Retry-After": "10"})
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    customer_id = request.query.get("customer")
    if customer_id is not None and not CUSTOMER_ID.fullmatch(customer_id):
        raise Problem(Reason.INVALID, "customer is no customer id: it is a UUID.")
    # Joined first, so that nothing is missed between the past and now.
    watcher = gateway.feed.join()
    try:
        await response.prepare(request)
        if customer_id is not None:
            await response.write(b"".join(await gateway.feed.past_of(customer_id)))
        while True:
            try:
                chunk = await asyncio.wait_for(watcher.take(), _HEARTBEAT_SECONDS)
            except TimeoutError:
                chunk = _HEARTBEAT
            if not chunk:
                break
            # A reader that takes nothing for this long is gone, whatever TCP says.
            await asyncio.wait_for(response.write(chunk), _STALLED_SECONDS)
    except (ConnectionResetError, TimeoutError):
        pass
    finally:
        await gateway.feed.leave(watcher)
    return response
