"""The whole stack with real ends, as the end-to-end tests run it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession

from connectors.fakes.faults import Faults
from connectors.fakes.providers import ProviderFakes
from ops.clock import SteeredClock
from ops.contracts import resolve_codec
from ops.demo.observer import Observer
from ops.demo.player import Player
from ops.demo.results import TimedInbox
from ops.demo.run import environment_of
from ops.stack import Stack, StackSettings
from schemas.codec import Codec

PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A running stack and everything a test looks at it with."""

    stack: Stack
    clock: SteeredClock
    codec: Codec
    player: Player
    observer: Observer
    inbox: TimedInbox
    faults: Faults
    http: ClientSession

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fails naming it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS:.0f} s: {what}"
            await asyncio.sleep(0.05)

    async def settle(self) -> None:
        """Everything accepted is processed, every action has an outcome, nothing new is committed."""
        await self.until(
            lambda: self.observer.seen_all(self.player.accepted_at_ms), "all accepted events are processed"
        )
        # Retries and look-ups wait for the clock: ten of its minutes a second.
        self.clock.steer(600.0)
        await self.until(lambda: self.observer.unsettled() == 0, "every action has an outcome")
        self.clock.steer(0.0)
        await asyncio.to_thread(self.observer.wait_quiet)


@asynccontextmanager
async def running(folder: Path, start_ms: int, workers: int = 1) -> AsyncIterator[Pipeline]:
    """Kafka, registry, gateway, workers and providers; the clock stands at ``start_ms``."""
    clock = SteeredClock.create(folder / "clock", start_ms)
    inbox = TimedInbox()
    async with ProviderFakes(clock.now_ms, inbox=inbox) as fakes:
        settings = StackSettings(
            data_dir=folder,
            port=0,
            workers=workers,
            clock=clock,
            environment={
                "TSUNAGI_CLOCK": f"file:{folder / 'clock'}",
                **environment_of("TSUNAGI_LINE", fakes.line_settings),
                **environment_of("TSUNAGI_SMS", fakes.twilio_settings),
                **environment_of("TSUNAGI_EMAIL", fakes.smtp_settings),
            },
        )
        async with Stack(settings) as stack, ClientSession() as http:
            codec = await asyncio.to_thread(resolve_codec, stack.registry_url)
            observer = Observer(stack.connection, codec)
            player = Player(http, stack.gateway_url, stack.keys["channels"])
            try:
                yield Pipeline(stack, clock, codec, player, observer, inbox, fakes.faults, http)
            finally:
                await asyncio.to_thread(observer.close)
