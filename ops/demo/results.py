"""The demo's result: counts, times, and the three checks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import ClientSession

from connectors.fakes.inbox import Inbox, Received
from ops.checks.accounted import Accounted, account
from ops.checks.replay import replay
from ops.checks.topic_reader import read_topics
from ops.demo.expected import Totals, expected_on_hand, expected_totals
from ops.demo.player import Player
from ops.demo.tpcds import Dataset
from ops.stack import Stack
from schemas.codec import Codec
from schemas.events import Decision, DecisionOutcome, SendMessage
from streams.processors.customer import CUSTOMER
from streams.processors.inventory import INVENTORY
from streams.processors.topics import DECISIONS

_CONCURRENT_READS = 16


class TimedInbox(Inbox):
    """An inbox that also knows the wall's time of each arrival: the providers' clock is the demo's."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived_at_ms: dict[str, int] = {}
        """Provider's message id -> wall clock (epoch ms)."""

    def add(self, message: Received) -> None:
        """See :class:`Inbox`."""
        self.arrived_at_ms[message.provider_message_id] = time.time_ns() // 1_000_000
        super().add(message)


@dataclass(slots=True)
class DemoResult:
    """The object of ``demo --json``. Milliseconds are the wall's, from HTTP accept to the provider's inbox."""

    accepted: int
    processed: int
    actions: int
    suppressed: int
    delivered: int
    failed: int
    events_per_second: float
    p50_ms: float
    p99_ms: float
    lost: int
    duplicated: int
    wrong: int
    delivered_twice: int
    unknown: int
    rss_mb: float
    worker_rss_mb: float
    replayed_records: int
    customers_compared: int
    untold: int
    suppressed_by_reason: dict[str, int]
    failed_by_reason: dict[str, int]
    findings: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing lost, duplicated, wrong or untold."""
        return not (self.lost or self.duplicated or self.wrong or self.delivered_twice or self.untold)

    def as_dict(self) -> dict[str, object]:
        """The settled keys and a few more."""
        found = asdict(self)
        del found["findings"]
        return found


async def conclude(
    stack: Stack,
    codec: Codec,
    player: Player,
    inbox: TimedInbox,
    dataset: Dataset | None,
    http: ClientSession,
    unmet: list[str],
) -> DemoResult:
    """Run the checks over what is recorded now; call it when nothing is under way."""
    rss = stack.rss_mb()
    worker_rss = max(stack.worker_rss_mb())
    accounted = await asyncio.to_thread(account, stack.connection, codec, player.accepted_at_ms, player.resent)
    partitions = stack.partitions
    replays = [
        await asyncio.to_thread(replay, stack.connection, codec, processor, partitions)
        for processor in (CUSTOMER, INVENTORY)
    ]
    wrong = [difference for replayed in replays for difference in replayed.differences]
    compared = 0
    if dataset is not None:
        differences, compared = await _compare_with_sql(dataset, stack, http)
        wrong += differences
    decisions = await asyncio.to_thread(_decisions, stack, codec)
    suppressed = [decision for decision in decisions if decision.outcome is DecisionOutcome.SUPPRESSED]
    waited = {
        (decision.rule, decision.trigger_event_id)
        for decision in decisions
        if decision.outcome in (DecisionOutcome.WAITING, DecisionOutcome.HELD, DecisionOutcome.RESTARTED)
    }
    latencies = _latencies(accounted, inbox, player, waited)
    seconds = player.last_accepted - (player.first_sent or player.last_accepted)
    twice = _delivered_twice(accounted, inbox)
    return DemoResult(
        accepted=len(player.accepted_at_ms),
        processed=len(player.accepted_at_ms) - len(accounted.lost_events),
        actions=len(accounted.actions),
        suppressed=len(suppressed),
        delivered=len(accounted.delivered),
        failed=len(accounted.failed),
        events_per_second=round(player.paced_events / seconds, 1) if seconds > 0 else 0.0,
        p50_ms=_percentile(latencies, 0.50),
        p99_ms=_percentile(latencies, 0.99),
        lost=accounted.lost + max(0, len(accounted.delivered) - len(inbox.messages())),
        duplicated=accounted.duplicated,
        wrong=len(wrong),
        delivered_twice=len(twice),
        unknown=sum(receipt.reason == "UNKNOWN" for receipt in accounted.failed.values()),
        rss_mb=round(rss, 1),
        worker_rss_mb=round(worker_rss, 1),
        replayed_records=sum(replayed.records for replayed in replays),
        customers_compared=compared,
        untold=len(unmet),
        suppressed_by_reason=dict(Counter(decision.reason for decision in suppressed)),
        failed_by_reason=dict(Counter(receipt.reason for receipt in accounted.failed.values())),
        findings=[
            *(f"not told: {entry}" for entry in unmet),
            *(f"lost event {key}" for key in accounted.lost_events),
            *(f"event twice {key}" for key in accounted.duplicated_events),
            *(f"action without outcome {action}" for action in accounted.unsettled_actions),
            *(f"action twice {action}" for action in accounted.duplicated_actions),
            *(f"delivered twice: {action}" for action in twice),
            *wrong,
        ],
    )


def _decisions(stack: Stack, codec: Codec) -> list[Decision]:
    found = []
    for recorded in read_topics(stack.connection, (DECISIONS,)):
        record = codec.decode(recorded.value)
        assert isinstance(record, Decision)
        found.append(record)
    return found


def _latencies(accounted: Accounted, inbox: TimedInbox, player: Player, waited: set[tuple[str, str]]) -> list[float]:
    """From a 202 to the provider's inbox, of actions that no rule made wait. Both ends by the wall's clock."""
    arrived = inbox.arrived_at_ms
    accepted = {event_id: at_ms for (_, event_id), at_ms in player.accepted_at_ms.items()}
    latencies = []
    for action_id, receipt in accounted.delivered.items():
        action = accounted.actions.get(action_id)
        at_ms = arrived.get(receipt.provider_message_id or "")
        if action is None or at_ms is None or (action.rule, action.trigger_event_id) in waited:
            continue
        if action.trigger_event_id in accepted:
            latencies.append(float(at_ms - accepted[action.trigger_event_id]))
    return sorted(latencies)


def _delivered_twice(accounted: Accounted, inbox: Inbox) -> list[str]:
    """Messages that providers have more often than they were decided, by destination and text."""

    def place(action: SendMessage) -> tuple[str, str, str]:
        return action.channel, action.to, action.text.strip()

    decided = Counter(place(action) for action in accounted.actions.values())
    received = Counter((message.channel, message.to, message.text.strip()) for message in inbox.messages())
    return [f"{channel} message" for (channel, _, _), count in (received - decided).items() for _ in range(count)]


async def _compare_with_sql(dataset: Dataset, stack: Stack, http: ClientSession) -> tuple[list[str], int]:
    """Check (c): each customer's orders and spend, and each shelf, as the gateway shows them."""
    reads = _Reads(http, stack.gateway_url, stack.keys["console"])
    totals = expected_totals(dataset)
    shelves = expected_on_hand(dataset)
    found = await asyncio.gather(*(reads.totals(member) for member in totals))
    differences = [
        f"member {member}: {shown} instead of {totals[member]}"
        for member, shown in zip(totals, found, strict=True)
        if shown != totals[member]
    ]
    skus = sorted({sku for sku, _ in shelves})
    on_hand: dict[tuple[str, str], int] = {}
    for sku, shown in zip(skus, await asyncio.gather(*(reads.on_hand(sku) for sku in skus)), strict=True):
        on_hand |= {(sku, location): units for location, units in shown.items()}
    differences += [
        f"{sku} in {location}: {on_hand.get((sku, location))} on hand instead of {units}"
        for (sku, location), units in shelves.items()
        if on_hand.get((sku, location)) != units
    ]
    return differences, len(totals)


class _Reads:
    """The gateway's read views, a few at a time."""

    def __init__(self, http: ClientSession, url: str, key: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._slots = asyncio.Semaphore(_CONCURRENT_READS)

    async def totals(self, member: str) -> Totals | None:
        """Orders and spend of a member; ``None`` when unknown."""
        async with self._slots:
            body = {"type": "member_id", "value": member}
            async with self._http.post(
                f"{self._url}/v1/customers/lookup", json=body, headers=self._headers
            ) as response:
                if response.status != 200:
                    return None
                customer = (await response.json())["customer_id"]
            shown = await self._get(f"/v1/customers/{customer}")
            return None if shown is None else Totals(shown["totals"]["orders"], shown["totals"]["spent_minor"])

    async def on_hand(self, sku: str) -> Mapping[str, int]:
        """Units on hand by location."""
        async with self._slots:
            shown = await self._get(f"/v1/inventory/{sku}")
            return {} if shown is None else {place["location_id"]: place["on_hand"] for place in shown["locations"]}

    async def _get(self, path: str) -> Mapping[str, Any] | None:
        async with self._http.get(self._url + path, headers=self._headers) as response:
            found: Mapping[str, Any] | None = await response.json() if response.status == 200 else None
            return found


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
