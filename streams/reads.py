"""Read views of a worker: committed rows as JSON, for the gateway. Bound to loopback unless told otherwise.

A partition that is not on this worker is answered with 421 (Misdirected Request). During a rebalance it shows its last
committed state with ``stale: true``; while it is being restored, or for what it does not know then, the answer is 503.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from schemas.partitioning import partition_of
from streams.engine.group import PartitionGroup
from streams.engine.store import StoreClosed, StoreDamaged
from streams.engine.task import PartitionTask, TaskState
from streams.engine.view import BatchView
from streams.processors.customer import CUSTOMER
from streams.read_models import customer_view, event_seen, identifier_view, inquiry_view, sku_view
from tables.view import View

_AFTER_SECONDS = 1.0
_AFTER_POLL_SECONDS = 0.01
Show = Callable[[View, str], dict[str, Any] | None]


class Reads:
    """Handlers over the groups of one worker, by processor name."""

    def __init__(self, groups: Mapping[str, PartitionGroup], token: str) -> None:
        self._groups = groups
        self._token = token

    def routes(self) -> list[web.RouteDef]:
        """The read views."""
        return [
            web.get("/v1/customers/{id}", self._customer),
            web.get("/v1/inventory/{sku}", self._sku),
            web.get("/v1/inquiries/{id}", self._inquiry),
            web.get("/v1/identifiers/{key}", self._identifier),
        ]

    async def _customer(self, request: web.Request) -> web.Response:
        return await self._show(request, "customer", request.match_info["id"], customer_view)

    async def _sku(self, request: web.Request) -> web.Response:
        return await self._show(request, "inventory", request.match_info["sku"], sku_view)

    async def _identifier(self, request: web.Request) -> web.Response:
        return await self._show(request, "identity", request.match_info["key"], identifier_view)

    async def _inquiry(self, request: web.Request) -> web.Response:
        """Nothing in an inquiry id says whose it is, so every partition here is asked."""
        self._authorise(request)
        group = self._groups.get(CUSTOMER.name)
        unsure = None
        for task in list(group.tasks.values()) if group else []:
            try:
                found = self._read(task, inquiry_view, request.match_info["id"])
            except web.HTTPServiceUnavailable as error:
                unsure = error
                continue
            if found is not None:
                return web.json_response(found)
        raise unsure or web.HTTPNotFound

    async def _show(self, request: web.Request, processor: str, key: str, show: Show) -> web.Response:
        self._authorise(request)
        group = self._groups.get(processor)
        if group is None:
            raise web.HTTPMisdirectedRequest
        partition = partition_of(key, group.surroundings.partitions_of(group.inputs[0]))
        task = group.tasks.get(partition)
        if task is None:
            raise web.HTTPMisdirectedRequest
        if "after" in request.query:
            await self._wait_for(task, key, request.query["after"])
        found = self._read(task, show, key)
        if found is None:
            raise web.HTTPNotFound
        return web.json_response(found)

    def _read(self, task: PartitionTask, show: Show, key: str) -> dict[str, Any] | None:
        """``None`` is a statement about committed rows; a partition that is not running cannot make it: 503."""
        store = task.store
        try:
            found = None if store is None else show(BatchView(store), key)
        except (StoreClosed, StoreDamaged) as error:
            raise _try_again() from error
        if found is None:
            if store is None or task.state is not TaskState.RUNNING:
                raise _try_again()
            return None
        return {**found, "as_of_ms": task.as_of_ms, "stale": task.state is not TaskState.RUNNING}

    async def _wait_for(self, task: PartitionTask, customer: str, event_id: str) -> None:
        """``?after=<event id>``: wait up to a second for that event of this customer."""
        deadline = time.monotonic() + _AFTER_SECONDS
        while time.monotonic() < deadline:
            store = task.store
            with contextlib.suppress(StoreClosed, StoreDamaged):
                if store is not None and event_seen(BatchView(store), customer, event_id):
                    return
            await asyncio.sleep(_AFTER_POLL_SECONDS)

    def _authorise(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})


def _try_again() -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(headers={"Retry-After": "1"})
