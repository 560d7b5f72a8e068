"""What a told story is made of: scenes, and what must be seen after each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ops.demo.timed import TimedEvent
from schemas.events import Decision, DecisionOutcome, SendMessage

CREEP = 60
"""While a scene stays on the screen, a second of the watcher is a minute of the story."""


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A message of ``rule`` goes out on ``channel`` and its text has all of ``contains``."""

    rule: str
    channel: str
    contains: tuple[str, ...]
    since_ms: int

    def matches(self, action: SendMessage) -> bool:
        return (
            (action.rule, action.channel) == (self.rule, self.channel)
            and action.decided_at >= self.since_ms
            and all(part in action.text for part in self.contains)
        )


@dataclass(frozen=True, slots=True)
class NothingSent:
    """At the end of the scene ``rule`` has sent nothing since ``since_ms``: no ``action`` may match."""

    rule: str
    since_ms: int

    def matches(self, action: SendMessage) -> bool:
        """True for the message that must not be there."""
        return action.rule == self.rule and action.decided_at >= self.since_ms


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """``rule`` decides ``outcome`` for ``reason``; ``until_ms`` is when a held message goes out."""

    rule: str
    outcome: DecisionOutcome
    reason: str
    since_ms: int
    until_ms: int | None = None

    def matches(self, decision: Decision) -> bool:
        return (
            (decision.rule, decision.outcome, decision.reason) == (self.rule, self.outcome, self.reason)
            and decision.decided_at >= self.since_ms
            and self.until_ms in (None, decision.until)
        )


@dataclass(frozen=True, slots=True)
class StockIs:
    """``GET /v1/inventory/{sku}`` shows these units at the location."""

    sku: str
    location_id: str
    on_hand: int
    reserved: int
    available_to_promise: int

    def holds(self, view: Mapping[str, Any]) -> bool:
        return any(
            place["location_id"] == self.location_id
            and place["on_hand"] == self.on_hand
            and place["reserved"] == self.reserved
            and place["available_to_promise"] == self.available_to_promise
            for place in view["locations"]
        )


@dataclass(frozen=True, slots=True)
class ProfileIs:
    """``GET /v1/customers/{id}`` knows the name and the preferred channel."""

    name: str
    preferred_channel: str

    def holds(self, view: Mapping[str, Any]) -> bool:
        profile = view["profile"]
        return bool(profile and (profile["name"], profile["preferred_channel"]) == (self.name, self.preferred_channel))


@dataclass(frozen=True, slots=True)
class CartIs:
    """``GET /v1/customers/{id}`` shows one unit of each of these SKUs in the cart and nothing else."""

    skus: tuple[str, ...]

    def holds(self, view: Mapping[str, Any]) -> bool:
        return {line["sku"]: line["quantity"] for line in view["cart"] if line["quantity"]} == dict.fromkeys(
            self.skus, 1
        )


@dataclass(frozen=True, slots=True)
class OrderIs:
    """``GET /v1/customers/{id}`` shows the order in this status."""

    order_id: str
    status: str

    def holds(self, view: Mapping[str, Any]) -> bool:
        return any((order["order_id"], order["status"]) == (self.order_id, self.status) for order in view["orders"])


@dataclass(frozen=True, slots=True)
class InquiryShows:
    """``GET /v1/customers/{id}`` (the agent's screen) shows *one* thread of the topic.

    It has exactly these channels, this state and messages with these texts, in this order.
    """

    topic: str
    state: str
    channels: tuple[str, ...]
    texts: tuple[str, ...]

    def holds(self, view: Mapping[str, Any]) -> bool:
        threads = [inquiry for inquiry in view["inquiries"] if inquiry["topic"] == self.topic]
        if len(threads) != 1:
            return False
        thread = threads[0]
        said = tuple(message["text"] for message in thread["messages"])
        return (
            thread["state"] == self.state and sorted(thread["channels"]) == sorted(self.channels) and said == self.texts
        )


CustomerExpectation: TypeAlias = ProfileIs | CartIs | OrderIs | InquiryShows
"""Asked of the story's customer."""
Expectation: TypeAlias = MessageSent | NothingSent | DecisionMade | StockIs | CustomerExpectation


@dataclass(frozen=True, slots=True)
class Scene:
    """One thing that happens, told to the watcher.

    ``at_ms`` is virtual time; the events lie in [at_ms, at_ms + stay_seconds * 60 s), sorted. A scene without events is
    time passing. ``expect`` must hold before the scene after next begins; ``NothingSent`` is asked once, when the
    scene's stay is over. ``travel_seconds`` is how long the watcher sees the clock run on to the next scene.
    """

    key: str
    at_ms: int
    narration: str
    events: tuple[TimedEvent, ...]
    expect: tuple[Expectation, ...]
    stay_seconds: float = 1.8
    travel_seconds: float = 0.7

    @property
    def stays_until_ms(self) -> int:
        """Virtual time at which the clock starts to run on."""
        return self.at_ms + round(self.stay_seconds * CREEP * 1000)
