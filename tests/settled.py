"""The pipeline as it ends up when everything has settled: the real steps, one view each, no broker and no waiting.

An event goes through identity, customer and inventory until nothing is left to do, before the next one is sent; timers
fire at their own time. So it shows what must come out when partitions do not race; races are other tests' business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from orchestration_rules.ruleset import RuleSet
from schemas.events import ClockTick, Decision, Record, RulesetActivated, SendMessage
from schemas.identifiers import IdentifierType, identifier_key
from schemas.rows import InquiryRow
from schemas.validation import destination, parse_event
from streams.engine.processor import Processor
from streams.processors.customer import CUSTOMER
from streams.processors.identity import identity
from streams.processors.inventory import INVENTORY
from streams.processors.topics import CUSTOMER_EVENTS, IDENTITY_LINKS, INVENTORY_EVENTS
from tables import cart, inquiries, inventory, journeys, orders, profile
from tables.identifiers import IDENTIFIERS
from tables.view import DictView, Rows, Table

_PEPPER, _REALM = b"test", "default"
_TIMED: dict[str, Table[Any]] = {CUSTOMER.name: journeys.JOURNEYS, INVENTORY.name: inventory.RESERVATIONS}


class Settled:
    """Send flat events in order of time; ask what customers and shelves look like, and what was decided and sent."""

    def __init__(self, rules: RuleSet = RuleSet.EMPTY) -> None:
        self.messages: list[SendMessage] = []
        self.decisions: list[Decision] = []
        self._views = {name: DictView() for name in ("identity", CUSTOMER.name, INVENTORY.name)}
        self._identity = identity(_PEPPER, _REALM, "JP")
        self._now_ms = 0
        activated = RulesetActivated(
            ruleset_hash=rules.hash, contents=rules.contents(), activated_by="test", reason="test", activated_at=0
        )
        CUSTOMER.step(self._views[CUSTOMER.name], activated, 0)

    def send(self, raw: Mapping[str, Any]) -> None:
        """An event arrives when it occurred; timers due before fire first."""
        at_ms = raw["occurred_at"]
        self.pass_time(at_ms)
        event = parse_event(raw, at_ms)
        stock_feed = destination(raw["type"], raw["channel"]) == INVENTORY_EVENTS
        self._settle(INVENTORY if stock_feed else self._identity, event)

    def pass_time(self, to_ms: int) -> None:
        """Every timer due until ``to_ms`` fires at its own time."""
        for processor in (CUSTOMER, INVENTORY):
            while due := self._views[processor.name].due(_TIMED[processor.name], to_ms, 1):
                self._now_ms = max(self._now_ms, due[0][2].due_ms or 0)
                self._settle(processor, ClockTick(up_to=self._now_ms))
        self._now_ms = max(self._now_ms, to_ms)

    def _settle(self, processor: Processor, record: Record) -> None:
        queue: deque[tuple[Processor, Record]] = deque([(processor, record)])
        to = {CUSTOMER_EVENTS: CUSTOMER, INVENTORY_EVENTS: INVENTORY, IDENTITY_LINKS: self._identity}
        while queue:
            next_processor, next_record = queue.popleft()
            view = self._views["identity" if next_processor is self._identity else next_processor.name]
            for outgoing in next_processor.step(view, next_record, self._now_ms):
                if isinstance(outgoing.record, SendMessage):
                    self.messages.append(outgoing.record)
                elif isinstance(outgoing.record, Decision):
                    self.decisions.append(outgoing.record)
                else:
                    queue.append((to[outgoing.topic], outgoing.record))

    def customer_id(self, kind: str, value: str) -> str:
        """The customer an identifier belongs to."""
        key = identifier_key(_PEPPER, _REALM, IdentifierType(kind), value)
        row = self._views["identity"].get(IDENTIFIERS, key)
        assert row is not None, f"{kind} belongs to nobody"
        return row.customer_id

    def totals(self, customer_id: str) -> orders.Totals:
        """Orders and spend of a customer."""
        return orders.totals(Rows(self._views[CUSTOMER.name], orders.ORDERS, customer_id))

    def customers(self) -> set[str]:
        """Everyone who has a profile."""
        return {key for table, key, _ in self._views[CUSTOMER.name].rows if table == profile.PROFILE.name}

    def customer(self, customer_id: str) -> dict[str, Any]:
        """The parts of ``GET /v1/customers/{id}`` that tests ask for."""
        view = self._views[CUSTOMER.name]
        known = Rows(view, profile.PROFILE, customer_id).get()
        return {
            "profile": known and {"name": known.name, "preferred_channel": known.preferred_channel},
            "cart": [
                {"sku": sku, "quantity": line.quantity} for sku, line in cart.lines(Rows(view, cart.CART, customer_id))
            ],
            "orders": [
                {"order_id": order.order_id, "status": order.status.value}
                for _, order in Rows(view, orders.ORDERS, customer_id).range()
            ],
            "inquiries": [
                self._inquiry(customer_id, row) for _, row in Rows(view, inquiries.INQUIRIES, customer_id).range()
            ],
        }

    def _inquiry(self, customer_id: str, row: InquiryRow) -> dict[str, Any]:
        said = Rows(self._views[CUSTOMER.name], inquiries.INQUIRY_MESSAGES, customer_id)
        return {
            "topic": row.topic,
            "state": row.state.value,
            "channels": list(row.channels),
            "messages": [{"text": message.text} for message in inquiries.messages(said, row.inquiry_id)],
        }

    def stock(self, sku: str) -> dict[str, Any]:
        """The parts of ``GET /v1/inventory/{sku}`` that tests ask for."""
        return {
            "locations": [
                {
                    "location_id": location,
                    "on_hand": row.on_hand,
                    "reserved": row.reserved,
                    "available_to_promise": row.available_to_promise,
                }
                for location, row in Rows(self._views[INVENTORY.name], inventory.STOCK, sku).range()
            ]
        }
