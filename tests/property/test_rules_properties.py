"""Whatever happens to a customer, in whatever order: replay decides the same, caps hold, nothing is sent after an exit,
nothing at night, nothing without consent, and no row stays for ever.

What must hold is computed here from the log alone, by code that shares nothing with the engine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration_rules.loader import load
from orchestration_rules.ruleset import RuleSet
from schemas.events import DecisionOutcome
from tests.rulekit import BRAND, LINE, MARKETING, World, rule, ruleset

MINUTE, DAY = 60_000, 86_400_000
ZONES = ["Asia/Tokyo", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu"]
# Around changes of the clock in those zones, and a plain day.
STARTS = [f"2026-{day}" for day in ["03-07", "03-28", "04-04", "06-10", "09-05", "10-03", "10-24", "10-31"]]
SKUS = ["A", "B"]
CAPS = {
    "shared": [{"limit": 1, "calendar": "day"}, {"limit": 3, "rolling": "P3D"}],
    "rolling": [{"limit": 2, "rolling": "PT36H"}],
}
CART_RULE = {
    **MARKETING,
    "trigger": {"event": ["CartLineAdded", "CartLineChanged", "CartLineRemoved"]},
    "when": "cart.units > 0",
    "wait": {"for": "PT1H", "restart": True},
    "exit": [{"event": ["OrderPlaced", "SaleAtTill", "CartLineRemoved"], "when": "cart.units == 0"}],
    "valid_for": "P1D",
}
RULES = ruleset(
    rule("cart", **CART_RULE, cap="shared"),
    # no exit: only the check after the wait keeps it silent
    rule("cart-drop", **{**CART_RULE, "quiet": "drop", "wait": {"for": "PT5H"}, "exit": []}, cap="rolling"),
    rule(
        "call", **MARKETING, trigger={"event": "CallEnded"}, correlation="event.call_id", cap="shared", re_entry="never"
    ),
    rule("view", **MARKETING, cap="rolling", re_entry="PT6H"),
    rule(
        "pickup",
        trigger={"event": "PickupReady"},
        correlation="event.order_id",
        exit=[{"event": ["PickupCollected", "OrderCancelled"]}],
        re_entry="never",
    ),
    rule("code", trigger={"event": "StoreCheckedIn"}, quiet="ignore"),
    caps=CAPS,
)

ANYTHING: dict[str, list[str]] = {
    "add": SKUS,
    "change": SKUS,
    "remove": SKUS,
    "order": SKUS,
    "till": SKUS,
    "consent": ["", "", "line", "sms"],
    "withdraw": ["", "line", "sms", "email"],
    "zone": ZONES,
    "call": ["1", "2", "3"],
    "view": [""],
    "ready": ["O1", "O2"],
    "collected": ["O1", "O2"],
    "cancelled": ["O1", "O2"],
    "check-in": [""],
    "tick": [""],
}
# What begins and ends journeys, so that many of them end in every log.
ENDINGS = {
    "ready": [f"O{number}" for number in range(9)],
    "collected": [f"O{number}" for number in range(9)],
    "cancelled": [f"O{number}" for number in range(9)],
    "add": SKUS,
    "order": SKUS,
    "till": SKUS,
    "consent": [""],
    "withdraw": ["", "line"],
}
Log = list[tuple[int, tuple[str, str]]]


@st.composite
def logs(draw: st.DrawFn, kinds: dict[str, list[str]]) -> Log:
    """(pause in minutes, step): mostly short pauses, some across a night or days.

    Hypothesis draws the length and a seed: drawn step by step, its logs are too much alike for journeys to meet.
    """
    chance = random.Random(draw(st.integers(0, 2**32)))
    log: Log = []
    for _ in range(draw(st.integers(1, 60))):
        pause = chance.choice(
            [chance.randint(0, 60)] * 6 + [chance.randint(60, 700)] * 3 + [chance.randint(700, 5_000)]
        )
        kind = chance.choice(list(kinds))
        log.append((pause, (kind, chance.choice(kinds[kind]))))
    return log


@dataclass
class Life:
    """A world that also keeps, in its own way, what its log says at each message."""

    world: World
    cart: dict[str, int] = field(default_factory=dict)
    consent: dict[str, bool] = field(default_factory=dict)
    zone: str = "Asia/Tokyo"
    seen: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)

    def note(self) -> None:
        """Messages since the last look, with the state of the log when they were decided."""
        for message in self.world.messages[self.seen :]:
            self.sent.append(
                {"message": message, "zone": self.zone, "units": sum(self.cart.values()), "consent": dict(self.consent)}
            )
        self.seen = len(self.world.messages)

    def pass_time(self, to_ms: int) -> None:
        """Timers fire before anything else changes."""
        self.world.pass_time(to_ms)
        self.note()

    def act(self, what: str, which: str) -> None:
        """One step of a log, now."""
        match what:
            case "add":
                self.cart[which] = self.cart.get(which, 0) + 1
            case "change":
                self.cart[which] = 2
            case "remove" | "order" | "till":
                self.cart[which] = 0
            case "consent" | "withdraw":
                self.consent |= dict.fromkeys([which] if which else ["line", "sms", "email"], what == "consent")
            case "zone":
                self.zone = which
        if what != "tick":
            kind, fields = event(what, which, self.world.now_ms)
            self.world.send(kind, self.world.now_ms, **fields)
        self.note()


def event(what: str, which: str, now_ms: int) -> tuple[str, dict[str, Any]]:
    """Type and fields of the event of a step."""
    line = {**LINE, "sku": which}
    sold = {"lines": [line], "total_minor": 1_000, "currency": "JPY"}
    told = {"purpose": "marketing", "channels": [which] if which else []}
    events: dict[str, tuple[str, dict[str, Any]]] = {
        "add": ("CartLineAdded", {"cart_id": "c", "line": line}),
        "change": ("CartLineChanged", {"cart_id": "c", "line": {**line, "quantity": 2}}),
        "remove": ("CartLineRemoved", {"cart_id": "c", "sku": which}),
        "order": ("OrderPlaced", {"order_id": f"order-{now_ms}", **sold}),
        "till": ("SaleAtTill", {"receipt_id": f"receipt-{now_ms}", "store_id": "s", **sold}),
        "consent": ("ConsentGiven", told),
        "withdraw": ("ConsentWithdrawn", told),
        "zone": ("ProfileUpdated", {"time_zone": which}),
        "call": (
            "CallEnded",
            {"call_id": which, "duration_seconds": 60, "products": [{"sku": "A", "url": "https://x"}]},
        ),
        "view": ("ProductViewed", {"sku": "A"}),
        "ready": ("PickupReady", {"order_id": which, "store_id": "s"}),
        "collected": ("PickupCollected", {"order_id": which, "store_id": "s"}),
        "cancelled": ("OrderCancelled", {"order_id": which}),
        "check-in": ("StoreCheckedIn", {"store_id": "s", "channel": "store", "source": "store-gate"}),
    }
    return events[what]


def live(start: str, log: Log, rules: RuleSet = RULES) -> Life:
    begin = int(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp()) * 1000
    life = Life(World(rules, begin))
    # One millisecond apart at least: what happens at the very same time is tested by the tables.
    for pause, (what, which) in log:
        life.pass_time(life.world.now_ms + pause * MINUTE + 1)
        life.act(what, which)
    life.pass_time(life.world.now_ms + 5 * DAY)
    return life


def wall(at_ms: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone))


@given(st.sampled_from(STARTS), logs(ANYTHING))
@settings(max_examples=120, deadline=None)
def test_promises_hold_whatever_happens(start: str, log: Log) -> None:
    life = live(start, log)
    counted: dict[str, list[tuple[int, str]]] = {name: [] for name in CAPS}
    for entry in life.sent:
        message, zone = entry["message"], entry["zone"]
        compiled = RULES.rules[message.rule].rule
        now = message.decided_at
        # quiet hours, by the wall clock of where the customer was
        if message.rule != "code":
            assert time(9) <= wall(now, zone).time() < time(21), (message.rule, wall(now, zone))
        # consent at that moment
        if compiled.needs_consent:
            assert entry["consent"].get(message.channel) is True, (message.rule, message.channel)
        # what the message is about is still so
        if message.rule.startswith("cart"):
            assert entry["units"] > 0
        assert now <= message.valid_until
        if compiled.cap:
            counted[compiled.cap].append((now, zone))
    for group, limits in CAPS.items():
        for now, zone in counted[group]:
            for limit in limits:
                before = [at for at, _ in counted[group] if at <= now]
                if "rolling" in limit:
                    hours = {"P3D": 72, "PT36H": 36}[str(limit["rolling"])]
                    within = [at for at in before if at > now - hours * 3_600_000]
                else:
                    within = [at for at in before if wall(at, zone).date() == wall(now, zone).date()]
                assert len(within) <= int(str(limit["limit"])), (group, limit)


@given(st.sampled_from(STARTS), logs(ANYTHING) | logs(ENDINGS))
@settings(max_examples=120, deadline=None)
def test_nothing_is_sent_after_an_exit_and_nothing_twice(start: str, log: Log) -> None:
    life = live(start, log)
    over: set[tuple[str, str, str]] = set()
    for decision in life.world.decisions:
        journey = (decision.rule, decision.correlation, decision.trigger_event_id)
        if decision.outcome is DecisionOutcome.EXITED:
            over.add(journey)
        if decision.outcome is DecisionOutcome.FIRED:
            assert journey not in over, decision
            over.add(journey)
    actions = [message.action_id for message in life.world.messages]
    assert len(set(actions)) == len(actions)
    fired = [entry.action_id for entry in life.world.decisions if entry.outcome is DecisionOutcome.FIRED]
    assert fired == actions, "every message has its decision, every FIRED its message"
    never = [
        (entry.rule, entry.correlation) for entry in life.world.decisions if entry.outcome is DecisionOutcome.FIRED
    ]
    for name in ("call", "pickup"):
        assert len({pair for pair in never if pair[0] == name}) == sum(pair[0] == name for pair in never)


@given(st.sampled_from(STARTS), logs(ANYTHING))
@settings(max_examples=40, deadline=None)
def test_replay_decides_the_same_byte_for_byte(start: str, log: Log) -> None:
    first = live(start, log)
    again = live(start, log, RuleSet.from_contents(bytes(bytearray(RULES.contents()))))
    encoder = msgspec.msgpack.Encoder(order="deterministic")
    for one, other in ((first.world.decisions, again.world.decisions), (first.world.messages, again.world.messages)):
        assert encoder.encode(one) == encoder.encode(other)
    assert first.world.view.rows == again.world.view.rows


@given(st.sampled_from(STARTS), logs(ANYTHING))
@settings(max_examples=40, deadline=None)
def test_no_row_stays_for_ever(start: str, log: Log) -> None:
    life = live(start, log)
    correlations = {(entry.rule, entry.correlation) for entry in life.world.decisions}
    assert len(life.world.journeys) <= len(correlations)
    assert all(row.due_ms is not None for row in life.world.journeys), "each has a timer that fires or sweeps it"
    newest = max((message.decided_at for message in life.world.messages), default=0)
    kept = [message for message in life.world.messages if message.decided_at >= newest - 3 * DAY]
    assert life.world.sends <= len(kept)
    life.pass_time(life.world.now_ms + 366 * DAY)
    assert life.world.journeys == []


SHIPPED = load().ruleset


@given(st.sampled_from(STARTS), logs(ANYTHING))
@settings(max_examples=40, deadline=None)
def test_the_shipped_rules_never_fail(start: str, log: Log) -> None:
    assert SHIPPED is not None
    life = live(start, log, SHIPPED)
    assert not {entry.reason for entry in life.world.decisions} & {"RULE_FAILED", "TEMPLATE_FAILED", "MISSING_FIELD"}
    for entry in life.sent:
        assert time(9) <= wall(entry["message"].decided_at, entry["zone"]).time() < time(21)


def test_the_brand_of_these_tests_is_quiet_at_night() -> None:
    assert BRAND["quiet_hours"] == {"from": "21:00", "to": "09:00"}
