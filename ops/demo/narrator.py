"""Tells the story: brings the clock to each scene, sends its events, and waits until what must follow can be seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession

from ops.clock import SteeredClock
from ops.demo.cast import MEMBER
from ops.demo.observer import Observer
from ops.demo.player import Player
from ops.demo.scenes import CREEP, DecisionMade, Expectation, MessageSent, NothingSent, Scene, StockIs
from ops.demo.screen import Screen
from ops.demo.story import Story

_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.03


@dataclass(slots=True)
class Narrator:
    """Plays one story; ``unmet`` names what did not come true in time."""

    story: Story
    clock: SteeredClock
    player: Player
    observer: Observer
    http: ClientSession
    url: str
    key: str
    screen: Screen
    speed: float
    unmet: list[str]

    async def tell(self) -> None:
        """All scenes, in order."""
        open_expectations: list[tuple[int, Scene, Expectation]] = []
        for index, scene in enumerate(self.story.scenes):
            await self._travel(scene, self.story.scenes[index - 1].travel_seconds if index else 0.5)
            # What a scene promises must have come true before the scene after next begins.
            due = [entry for entry in open_expectations if entry[0] <= index - 2]
            open_expectations = [entry for entry in open_expectations if entry[0] > index - 2]
            await self._await_all(due)
            await self._play(scene)
            promised = [(index, scene, wanted) for wanted in scene.expect if not isinstance(wanted, NothingSent)]
            open_expectations += await self._met_while_it_stays(scene, promised)
            self._check_silence(scene)
        await self._await_all(open_expectations)

    async def _travel(self, scene: Scene, seconds: float) -> None:
        self.clock.reach(scene.at_ms, seconds / self.speed)
        while self.clock.now_ms() < scene.at_ms:
            await asyncio.sleep(0.02)
        self.clock.steer(CREEP * self.speed)

    async def _play(self, scene: Scene) -> None:
        self.screen.scene(scene)
        for event in scene.events:
            while self.clock.now_ms() < event.at_ms:
                await asyncio.sleep(0.01)
            await self.player.send([event.raw])

    async def _met_while_it_stays(
        self, scene: Scene, promised: Sequence[tuple[int, Scene, Expectation]]
    ) -> list[tuple[int, Scene, Expectation]]:
        """Look until the scene's stay is over; what is still open then is returned."""
        waiting = list(promised)
        while self.clock.now_ms() < scene.stays_until_ms:
            for entry in list(waiting):
                if await self._holds(entry[2]):
                    self._show(entry[2])
                    waiting.remove(entry)
            await asyncio.sleep(_LOOK_SECONDS)
        return waiting

    async def _await_all(self, expectations: Sequence[tuple[int, Scene, Expectation]]) -> None:
        for _, scene, wanted in expectations:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not await self._holds(wanted):
                if time.monotonic() > deadline:
                    self.unmet.append(f"{scene.key}: {wanted}")
                    break
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                self._show(wanted)

    def _show(self, wanted: Expectation) -> None:
        if isinstance(wanted, MessageSent):
            self.screen.message(next(action for action in list(self.observer.actions) if wanted.matches(action)))
        self.screen.seen(wanted)

    def _check_silence(self, scene: Scene) -> None:
        for wanted in scene.expect:
            if isinstance(wanted, NothingSent):
                if any(wanted.matches(action) for action in list(self.observer.actions)):
                    self.unmet.append(f"{scene.key}: {wanted}")
                else:
                    self.screen.seen(wanted)

    async def _holds(self, wanted: Expectation) -> bool:
        match wanted:
            case MessageSent():
                sent = [action for action in list(self.observer.actions) if wanted.matches(action)]
                return any(action.action_id in self.observer.settled for action in sent)
            case DecisionMade():
                return any(wanted.matches(decision) for decision in list(self.observer.decisions))
            case NothingSent():
                return True
            case StockIs():
                view = await self._get(f"/v1/inventory/{wanted.sku}")
                return view is not None and wanted.holds(view)
            case _:
                view = await self._customer()
                return view is not None and wanted.holds(view)

    async def _customer(self) -> Mapping[str, Any] | None:
        kind, value = self.story.cast.ids(MEMBER)[0]
        async with self.http.post(
            f"{self.url}/v1/customers/lookup", json={"type": kind, "value": value}, headers=self._auth
        ) as response:
            if response.status != 200:
                return None
            found = await response.json()
        return await self._get(f"/v1/customers/{found['customer_id']}")

    async def _get(self, path: str) -> Mapping[str, Any] | None:
        async with self.http.get(self.url + path, headers=self._auth) as response:
            view: Mapping[str, Any] | None = await response.json() if response.status == 200 else None
            return view

    @property
    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}
