"""``tsunagi demo``: fakes for the providers, the whole stack, the inputs, then the checks and the summary."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, TCPConnector
from pydantic import BaseModel, SecretBytes, SecretStr

from connectors.fakes.providers import ProviderFakes
from ops.clock import SteeredClock, WallClock
from ops.contracts import resolve_codec
from ops.demo.cast import latest_week_ms
from ops.demo.narrator import Narrator
from ops.demo.observer import Observer
from ops.demo.player import Player
from ops.demo.results import DemoResult, TimedInbox, conclude
from ops.demo.screen import Screen, live_counts
from ops.demo.story import Story, story
from ops.demo.tpcds import Dataset, load
from ops.stack import Stack, StackSettings
from ops.up import refuse_taken_port

_WEEK_MS = 7 * 86_400_000
_SETTLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """As the command line gives them."""

    input: str
    customers: int
    rate: int
    seed: int
    port: int
    workers: int
    speed: float
    exit: bool
    as_json: bool


async def run_demo(options: DemoOptions) -> int:
    """Play, check, and stay until Ctrl-C unless told to end; the exit code (1: lost, duplicated, wrong or untold)."""
    refuse_taken_port(options.port)
    screen = Screen(quiet=False)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        stop.set()
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    try:
        with tempfile.TemporaryDirectory(prefix="tsunagi-demo-", ignore_cleanup_errors=True) as folder:
            return await _in(Path(folder), options, screen)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        screen.note("ended; nothing is left running")
        return 0 if options.exit is False else 1


async def _in(folder: Path, options: DemoOptions, screen: Screen) -> int:
    started = time.monotonic()
    wall_ms = WallClock().now_ms()
    told = story(latest_week_ms(wall_ms - _WEEK_MS)) if options.input in ("story", "all") else None
    loading = (
        asyncio.create_task(asyncio.to_thread(load, options.customers, options.seed, end_ms=wall_ms))
        if options.input in ("tpcds", "all")
        else None
    )
    start_ms = told.scenes[0].at_ms - 1_000 if told else wall_ms - _WEEK_MS
    clock = SteeredClock.create(folder / "clock", start_ms)
    inbox = TimedInbox()
    async with ProviderFakes(clock.now_ms, inbox=inbox) as fakes:
        settings = StackSettings(
            data_dir=folder,
            port=options.port,
            workers=options.workers,
            clock=clock,
            environment={
                "TSUNAGI_CLOCK": f"file:{folder / 'clock'}",
                **environment_of("TSUNAGI_LINE", fakes.line_settings),
                **environment_of("TSUNAGI_SMS", fakes.twilio_settings),
                **environment_of("TSUNAGI_EMAIL", fakes.smtp_settings),
            },
        )
        async with Stack(settings, screen.note) as stack:
            screen.note(f"ready after {time.monotonic() - started:.1f} s; console {console_url(stack)}")
            codec = await asyncio.to_thread(resolve_codec, stack.registry_url)
            async with ClientSession(connector=TCPConnector(limit=32)) as http:
                observer = Observer(stack.connection, codec)
                played = _Played(stack, clock, observer, http, screen, options)
                try:
                    unmet = await played.tell(told) if told else []
                    dataset = await loading if loading else None
                    if dataset is not None:
                        await played.crowd(dataset)
                    await played.settle()
                finally:
                    await asyncio.to_thread(observer.close)
                screen.note("checking: lost, duplicated, wrong")
                result = await conclude(stack, codec, played.player, inbox, dataset, http, unmet)
            _report(result, options, screen)
            if not options.exit:
                screen.note(f"everything keeps running: {console_url(stack)}  (Ctrl-C ends it)")
                clock.steer(1.0)
                await asyncio.Event().wait()
            return 0 if result.good else 1


class _Played:
    """The inputs, one after the other, through one front door."""

    def __init__(
        self,
        stack: Stack,
        clock: SteeredClock,
        observer: Observer,
        http: ClientSession,
        screen: Screen,
        options: DemoOptions,
    ) -> None:
        self._stack = stack
        self._clock = clock
        self._observer = observer
        self._http = http
        self._screen = screen
        self._options = options
        self.player = Player(http, stack.gateway_url, stack.keys["channels"])

    async def tell(self, told: Story) -> list[str]:
        """The story; what did not come true."""
        self._screen.heading("One customer's week")
        narrator = Narrator(
            story=told,
            clock=self._clock,
            player=self.player,
            observer=self._observer,
            http=self._http,
            url=self._stack.gateway_url,
            key=self._stack.keys["console"],
            screen=self._screen,
            speed=self._options.speed,
            unmet=[],
        )
        await narrator.tell()
        return narrator.unmet

    async def crowd(self, dataset: Dataset) -> None:
        """TPC-DS customers: sign-ups first, and what needs their identifiers once those are linked."""
        events = dataset.events
        self._screen.heading(f"{len(dataset.people)} TPC-DS customers, {len(events)} events")
        first = [event for event in events if event.at_ms < dataset.settled_ms]
        self._clock.reach(events[0].at_ms, 0.5)
        while self._clock.now_ms() < events[0].at_ms:
            await asyncio.sleep(0.02)
        with self._screen.progress() as progress:
            bar = progress.add_task("events accepted", total=len(events), live="")

            def sent(count: int) -> None:
                progress.update(bar, advance=count, live=live_counts(self._observer))

            self.player.first_sent = None
            await self.player.play(first, self._clock, self._options.rate, sent)
            await self._wait_until(self._all_processed, "the sign-ups are processed")
            await self.player.play(events[len(first) :], self._clock, self._options.rate, sent)
        self._clock.steer(0.0)

    async def settle(self) -> None:
        """Let what is under way end: every accepted event processed, every action with an outcome."""
        await self._wait_until(self._all_processed, "every accepted event is processed")
        await self._wait_until(lambda: self._observer.unsettled() == 0, "every action has an outcome")
        self._clock.steer(0.0)
        await self._wait_until(self._all_processed, "what the clock still brought is processed")
        await asyncio.to_thread(self._observer.wait_quiet)

    def _all_processed(self) -> bool:
        return self._observer.seen_all(self.player.accepted_at_ms)

    async def _wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                self._screen.note(f"gave up waiting after {_SETTLE_SECONDS:.0f} s until {what}")
                return
            await asyncio.sleep(0.05)


def _report(result: DemoResult, options: DemoOptions, screen: Screen) -> None:
    screen.heading("Result")
    screen.summary(result.as_dict())
    for line in result.findings[:20]:
        screen.console.print(f"[red]{line}[/red]")
    if options.as_json:
        sys.stdout.write(json.dumps(result.as_dict()) + "\n")


def console_url(stack: Stack) -> str:
    """The console with a key that may read; the fragment is never sent to a server."""
    return f"{stack.gateway_url}/#key={stack.keys['console']}"


def environment_of(prefix: str, block: BaseModel) -> dict[str, str]:
    """A settings block as the environment variables that read back as the same block."""
    found = {}
    for name in type(block).model_fields:
        value = getattr(block, name)
        if value is None:
            continue
        if isinstance(value, SecretStr | SecretBytes):
            value = value.get_secret_value()
        found[f"{prefix}__{name.upper()}"] = value.value if hasattr(value, "value") else str(value)
    return found
