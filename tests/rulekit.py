"""Small rulesets written in a test, and one customer to try them on, through the customer processor's own step."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from orchestration_rules.model import Brand, CapLimit, Rule, Template
from orchestration_rules.ruleset import Contents, RuleSet
from schemas.events import ClockTick, Decision, RulesetActivated, SendMessage
from schemas.rows import JourneyRow
from schemas.validation import parse_event
from streams.processors.customer import step
from tables.journeys import JOURNEYS
from tables.sends import SENDS
from tables.view import DictView

CUSTOMER = "customer-1"
TOKYO = ZoneInfo("Asia/Tokyo")
IDENTIFIERS = [
    {"type": "member_id", "value": "M-1"},
    {"type": "line_user_id", "value": "U1"},
    {"type": "phone", "value": "+819012345678"},
    {"type": "email", "value": "a@example.com"},
]
HOUR = 3_600_000
MARKETING: dict[str, Any] = {"purpose": "marketing"}
BRAND: dict[str, Any] = {
    "title": {"ja": "青葉", "en": "Aoba"},
    "time_zone": "Asia/Tokyo",
    "quiet_hours": {"from": "21:00", "to": "09:00"},
    "locales": ["ja", "en"],
    "default_locale": "ja",
}
LINE = {"sku": "SKU-1", "quantity": 1, "unit_price_minor": 1_000, "currency": "JPY"}
_CHANNELS = {
    "CallEnded": ("phone", "cti"),
    "SaleAtTill": ("store", "pos"),
    "PickupReady": ("store", "staff-terminal"),
    "PickupCollected": ("store", "staff-terminal"),
}


def at(clock: str, day: int = 24) -> int:
    """Epoch milliseconds of HH:MM in Tokyo on a day of November 2026."""
    hour, minute = clock.split(":")
    return int(datetime(2026, 11, day, int(hour), int(minute), tzinfo=TOKYO).timestamp()) * 1000


def order(order_id: str, sku: str) -> dict[str, Any]:
    """Fields of an OrderPlaced of one unit."""
    return {"order_id": order_id, "lines": [{**LINE, "sku": sku}], "total_minor": 1_000, "currency": "JPY"}


def rule(name: str = "hello", **changes: Any) -> Rule:
    """A service rule on ProductViewed; ``changes`` replace fields, ``None`` removes one."""
    fields: dict[str, Any] = {
        "rule": name,
        "title": "A rule",
        "version": 1,
        "purpose": "service",
        "trigger": {"event": "ProductViewed"},
        "send": {"template": "hello", "channels": ["line", "sms", "email"]},
        "quiet": "hold",
        "valid_for": "P2D",
        "re_entry": "always",
        **changes,
    }
    return Rule.model_validate({key: value for key, value in fields.items() if value is not None})


def ruleset(
    *rules: Rule,
    templates: dict[str, dict[str, Any]] | None = None,
    caps: dict[str, list[dict[str, Any]]] | None = None,
    brands: dict[str, dict[str, Any]] | None = None,
) -> RuleSet:
    """A ruleset of these rules; every template has a Japanese and an English text unless given (name -> locale)."""
    given = templates or {}
    names = {entry.send.template for entry in rules}
    texts = {
        name: given.get(name) or {"ja": {"subject": "件", "text": f"{name}です"}, "en": {"subject": "s", "text": name}}
        for name in names
    }
    return RuleSet(
        Contents(
            rules=rules,
            templates={
                name: {locale: Template.model_validate(text) for locale, text in locales.items()}
                for name, locales in texts.items()
            },
            brands={name: Brand.model_validate(value) for name, value in (brands or {"aoba": BRAND}).items()},
            caps={
                name: tuple(CapLimit.model_validate(limit) for limit in limits) for name, limits in (caps or {}).items()
            },
        )
    )


class World:
    """One customer's log: events go in with their times, decisions and messages come out."""

    def __init__(self, rules: RuleSet, now_ms: int = 0) -> None:
        self.view = DictView()
        self.now_ms = now_ms
        self.decisions: list[Decision] = []
        self.messages: list[SendMessage] = []
        self._count = 0
        self.activate(rules)

    def activate(self, rules: RuleSet) -> None:
        """A ruleset becomes the one in force."""
        self._step(
            RulesetActivated(
                ruleset_hash=rules.hash,
                contents=rules.contents(),
                activated_by="test",
                reason="test",
                activated_at=self.now_ms,
            )
        )

    def send(self, kind: str, at_ms: int, arrives_ms: int | None = None, **fields: Any) -> list[Decision]:
        """An event arrives (when it occurred, unless said); timers due before fire first. The decisions it made."""
        arrives = at_ms if arrives_ms is None else arrives_ms
        self.pass_time(arrives)
        self._count += 1
        channel, source = _CHANNELS.get(kind, ("app", "shop-app"))
        raw = {
            "type": kind,
            "event_id": f"e-{self._count}",
            "occurred_at": at_ms,
            "channel": channel,
            "source": source,
            "brand": "aoba",
            "identifiers": IDENTIFIERS,
            **fields,
        }
        event = parse_event(raw, max(arrives, at_ms))
        before = len(self.decisions)
        self._step(replace(event, envelope=replace(event.envelope, received_at=arrives, customer_id=CUSTOMER)))
        return self.decisions[before:]

    def view_product(self, at_ms: int, arrives_ms: int | None = None, **fields: Any) -> list[Decision]:
        """A ProductViewed."""
        return self.send("ProductViewed", at_ms, arrives_ms, **{"sku": "SKU-1", **fields})

    def pass_time(self, to_ms: int) -> None:
        """Every timer due until then fires at its own time."""
        while due := self.view.due(JOURNEYS, to_ms, 1):
            self.now_ms = max(self.now_ms, due[0][2].due_ms or 0)
            self._step(ClockTick(up_to=self.now_ms))
        self.now_ms = max(self.now_ms, to_ms)

    @property
    def journeys(self) -> list[JourneyRow]:
        """The customer's journey rows."""
        return [row for _, row in self.view.range(JOURNEYS, CUSTOMER)]

    @property
    def sends(self) -> int:
        """How many sends are remembered."""
        return sum(1 for _ in self.view.range(SENDS, CUSTOMER))

    @property
    def told(self) -> list[str]:
        """Outcome and reason of every decision so far."""
        return [f"{entry.outcome} {entry.reason}".strip() for entry in self.decisions]

    def _step(self, record: Any) -> None:
        for outgoing in step(self.view, record, self.now_ms):
            if isinstance(outgoing.record, Decision):
                self.decisions.append(outgoing.record)
            elif isinstance(outgoing.record, SendMessage):
                self.messages.append(outgoing.record)
