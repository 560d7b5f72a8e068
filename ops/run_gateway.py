"""Starts the gateway from the settings."""

from __future__ import annotations

import asyncio
import signal

from connectors.gateway.app import serving
from ops.clock import clock_from
from ops.contracts import resolve_codec
from ops.settings import Settings


async def run_gateway(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; then requests under way end and what was accepted reaches Kafka."""
    codec = await asyncio.to_thread(resolve_codec, settings.registry)
    clock = clock_from(settings.clock)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings.gateway(), codec, clock.now_ms):
        await stop.wait()
