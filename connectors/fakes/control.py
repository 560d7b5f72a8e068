"""The control path beside the fake providers: what has arrived, and what shall go wrong. JSON over HTTP, so that a demo
in another process can use it."""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.fakes.faults import Fault, Faults
from connectors.fakes.inbox import Inbox


class FaultRequest(BaseModel):
    """Body of POST /faults."""

    model_config = ConfigDict(extra="forbid")

    channel: Literal["line", "sms", "email"]
    to: str = Field(min_length=1, description="destination, or * for any")
    fault: Fault
    times: int = Field(default=1, ge=1, le=1_000_000)
    retry_after_seconds: int | None = Field(default=None, ge=0)


def control_app(inbox: Inbox, faults: Faults) -> web.Application:
    """GET and DELETE /inbox (GET narrowed by ?channel= and ?to=); GET, POST and DELETE /faults."""

    async def show_inbox(request: web.Request) -> web.Response:
        messages = inbox.messages(request.query.get("channel"), request.query.get("to"))
        return web.json_response({"count": len(messages), "messages": [message.as_json() for message in messages]})

    async def clear_inbox(request: web.Request) -> web.Response:
        return web.json_response({"deleted": inbox.clear()})

    async def show_faults(request: web.Request) -> web.Response:
        return web.json_response({"faults": faults.waiting()})

    async def add_fault(request: web.Request) -> web.Response:
        try:
            wanted = FaultRequest.model_validate_json(await request.read())
        except ValidationError as error:
            errors = error.errors(include_url=False, include_context=False, include_input=False)
            return web.json_response({"errors": errors}, status=400)
        faults.add(
            wanted.channel,
            wanted.to,
            wanted.fault,
            times=wanted.times,
            retry_after_seconds=wanted.retry_after_seconds,
        )
        return web.json_response({"faults": faults.waiting()}, status=201)

    async def clear_faults(request: web.Request) -> web.Response:
        faults.clear()
        return web.json_response({"faults": []})

    app = web.Application()
    app.router.add_get("/inbox", show_inbox)
    app.router.add_delete("/inbox", clear_inbox)
    app.router.add_get("/faults", show_faults)
    app.router.add_post("/faults", add_fault)
    app.router.add_delete("/faults", clear_faults)
    return app
