"""The parts that the handlers of one gateway share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import ClientSession, web

from connectors.gateway.auth import ApiKey, KeyRing, authenticate, require
from connectors.gateway.directory import Directory
from connectors.gateway.live_feed import LiveFeed
from connectors.gateway.publisher import Publisher
from connectors.gateway.routing import Router
from connectors.gateway.settings import GatewaySettings
from schemas.codec import Codec
from schemas.metrics import GatewayMetrics


@dataclass(frozen=True, slots=True)
class Gateway:
    """One running gateway. ``clock``: epoch milliseconds UTC of the edge clock."""

    settings: GatewaySettings
    codec: Codec
    clock: Callable[[], int]
    metrics: GatewayMetrics
    keys: KeyRing
    router: Router
    publisher: Publisher
    directory: Directory
    feed: LiveFeed
    workers: ClientSession

    def authorised(self, request: web.Request, role: str) -> ApiKey:
        """The caller's key, which has ``role``; raises a 401 or 403 problem."""
        key = authenticate(request, self.keys)
        require(key, role)
        return key


GATEWAY = web.AppKey("gateway", Gateway)
