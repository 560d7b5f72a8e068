"""Sends a demo's events through the front door and keeps book of what was accepted, and when."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from ops.clock import SteeredClock
from ops.demo.timed import TimedEvent
from schemas.errors import InvalidInput, Unavailable

_LANES = 4
_ARRAY = 100
_STEP_SECONDS = 0.1
_RETRY_SECONDS = 30.0


class Player:
    """A channel's client: posts arrays, tries again on 503 with the same event ids, never reorders a customer."""

    def __init__(self, http: ClientSession, url: str, key: str) -> None:
        self.accepted_at_ms: dict[tuple[str, str], int] = {}
        """(source, event id) -> wall clock (epoch ms) of the 202."""
        self.resent: set[tuple[str, str]] = set()
        """Events that were sent again because the first answer was an outage or none at all."""
        self.first_sent: float | None = None
        self.last_accepted: float = 0.0
        self.paced_events = 0
        self._http = http
        self._url = f"{url}/v1/events"
        self._headers = {"Authorization": f"Bearer {key}"}

    async def send(self, raws: Sequence[Mapping[str, Any]]) -> None:
        """Post events in order; returns when all are accepted.

        Raises :class:`InvalidInput` when the gateway refuses them, :class:`Unavailable` when it stays away.
        """
        self.first_sent = self.first_sent or time.monotonic()
        for start in range(0, len(raws), _ARRAY):
            part = raws[start : start + _ARRAY]
            await self._post(part)
            now_ms = time.time_ns() // 1_000_000
            for raw in part:
                self.accepted_at_ms[raw["source"], raw["event_id"]] = now_ms
        self.last_accepted = time.monotonic()

    async def _post(self, raws: Sequence[Mapping[str, Any]]) -> None:
        deadline = time.monotonic() + _RETRY_SECONDS
        while True:
            try:
                async with self._http.post(
                    self._url, json=list(raws), headers=self._headers, timeout=ClientTimeout(total=15)
                ) as response:
                    if response.status == 202:
                        return
                    told = await response.text()
                    if response.status < 500:
                        raise InvalidInput(f"the gateway refused: {response.status} {told[:2_000]}")
            except (ClientError, TimeoutError) as error:
                told = type(error).__name__
            if time.monotonic() > deadline:
                raise Unavailable(f"the gateway did not accept for {_RETRY_SECONDS:.0f} s: {told[:500]}")
            self.resent.update((raw["source"], raw["event_id"]) for raw in raws)
            await asyncio.sleep(0.2)

    async def play(
        self, events: Sequence[TimedEvent], clock: SteeredClock, rate: float, on_sent: Callable[[int], None]
    ) -> None:
        """Send events at ``rate`` a second at the most; virtual time keeps step with them.

        Events of one customer go over one lane, in order; lanes go in parallel.
        """
        size = max(1, int(rate * _STEP_SECONDS))
        step = size / rate
        started = time.monotonic()
        clock.reach(events[min(size, len(events)) - 1].at_ms, step)
        for index in range(0, len(events), size):
            chunk = events[index : index + size]
            while clock.now_ms() < chunk[-1].at_ms:
                await asyncio.sleep(0.005)
            # The clock runs to the end of the next chunk while this one is sent: no event is ahead of it.
            clock.reach(events[min(index + 2 * size, len(events)) - 1].at_ms, step)
            lanes: list[list[Mapping[str, Any]]] = [[] for _ in range(_LANES)]
            for event in chunk:
                lanes[_lane(event.raw)].append(event.raw)
            await asyncio.gather(*(self.send(lane) for lane in lanes if lane))
            self.paced_events += len(chunk)
            on_sent(len(chunk))
            ahead = started + (index + len(chunk)) / rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)


def _lane(raw: Mapping[str, Any]) -> int:
    identifiers = raw["identifiers"]
    who = str(identifiers[0]["value"]) if identifiers else str(raw["event_id"])
    return zlib.crc32(who.encode()) % _LANES
