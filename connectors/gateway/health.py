"""``/healthz`` (the process lives), ``/readyz`` (it can do its work) and ``/metrics``."""

from __future__ import annotations

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from connectors.gateway.state import GATEWAY


async def healthz(_request: web.Request) -> web.Response:
    """200 while the process serves requests."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """200 when Kafka answers with all topics and the worker directory is read; else 503 saying what is missing."""
    gateway = request.app[GATEWAY]
    checks = {"kafka": await gateway.publisher.reachable(), "directory": gateway.directory.loaded}
    ready = all(checks.values())
    return web.json_response({"ready": ready, "checks": checks}, status=200 if ready else 503)


async def metrics(request: web.Request) -> web.Response:
    """The metrics in Prometheus' text format."""
    body = generate_latest(request.app[GATEWAY].metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
