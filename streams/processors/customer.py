"""customer: the one ordered log per customer, folded into tables, decided by rules."""

from __future__ import annotations

from orchestration_rules import engine as rules
from orchestration_rules.ruleset import RuleSet
from schemas.errors import InvalidInput
from schemas.events import (
    ClockTick,
    Decision,
    IdentifierLinked,
    PersonEvent,
    Record,
    RulesetActivated,
    SaleAtTill,
    SendMessage,
)
from schemas.outgoing import Outgoing
from schemas.rows import OrderRow
from streams.engine.processor import Processor
from streams.processors.topics import CUSTOMER_EVENTS, DECISIONS, INVENTORY_EVENTS, MESSAGE_CHANNELS, actions
from tables import cart, consent, inquiries, journeys, orders, profile, ruleset, sends
from tables.persons import is_anonymous
from tables.view import Rows, View

_TIMERS_A_TICK = 1_000


def step(view: View, record: Record, now_ms: int) -> list[Outgoing]:
    """Fold one record of a customer's log and decide; ticks fire waiting journeys of the whole partition."""
    match record:
        case ClockTick():
            return _told(rules.fire_due(_active(view), view, record.up_to, now_ms, _TIMERS_A_TICK))
        case RulesetActivated():
            # Contents that this release can't read, or that are not what they claim to be, never become active.
            if RuleSet.from_contents(record.contents).hash != record.ruleset_hash:
                raise InvalidInput("ruleset_hash is not the hash of the contents: publish the ruleset again")
            view.put(ruleset.RULESET, "", "", ruleset.activated(record))
            return []
        case IdentifierLinked():
            profile.fold(Rows(view, profile.PROFILE, record.customer_id), record, now_ms)
            return []
        case _ if isinstance(record, PersonEvent):
            return _fold(view, record, now_ms)
        case _:
            raise InvalidInput(f"{type(record).__name__} does not belong into {CUSTOMER_EVENTS}")


def _fold(view: View, event: PersonEvent, now_ms: int) -> list[Outgoing]:
    customer = event.envelope.customer_id
    if customer is None:
        raise InvalidInput("envelope.customer_id is missing: only identity writes into customer-events")
    if isinstance(event, SaleAtTill) and is_anonymous(event.envelope):
        return _stock(orders.stock_records(None, None, event))
    profile_rows = Rows(view, profile.PROFILE, customer)
    if profile.seen_before(profile_rows.get(), event, now_ms):
        return []
    outgoing: list[Outgoing] = []
    profile.fold(profile_rows, event, now_ms)
    if isinstance(event, consent.ConsentEvent):
        consent.fold(Rows(view, consent.CONSENT, customer), event, now_ms)
    if isinstance(event, orders.OrderEvent):
        outgoing += _fold_order(Rows(view, orders.ORDERS, customer), event, now_ms)
    if isinstance(event, cart.CartEvent):
        cart.fold(Rows(view, cart.CART, customer), event, now_ms)
    if isinstance(event, inquiries.InquiryEvent):
        inquiries.fold(view, customer, event, now_ms)
    return outgoing + _told(rules.decide(_active(view), view, customer, event, now_ms))


def _fold_order(rows: Rows[OrderRow], event: orders.OrderEvent, now_ms: int) -> list[Outgoing]:
    key = orders.row_key(event)
    before = rows.get(key)
    orders.fold(rows, event, now_ms)
    return _stock(orders.stock_records(before, rows.get(key), event))


def _active(view: View) -> RuleSet:
    row = view.get(ruleset.RULESET, "")
    return RuleSet.EMPTY if row is None else RuleSet.from_contents(row.contents)


def _stock(records: list[orders.StockRecord]) -> list[Outgoing]:
    return [Outgoing(INVENTORY_EVENTS, record.sku, record) for record in records]


def _told(decided: list[Decision | SendMessage]) -> list[Outgoing]:
    return [
        Outgoing(DECISIONS if isinstance(record, Decision) else actions(record.channel), record.customer_id, record)
        for record in decided
    ]


CUSTOMER = Processor(
    name="customer",
    inputs=(CUSTOMER_EVENTS,),
    outputs=(*(actions(channel) for channel in MESSAGE_CHANNELS), DECISIONS, INVENTORY_EVENTS),
    tables=(
        profile.PROFILE,
        consent.CONSENT,
        cart.CART,
        orders.ORDERS,
        inquiries.INQUIRIES,
        inquiries.INQUIRY_MESSAGES,
        inquiries.INQUIRY_INDEX,
        journeys.JOURNEYS,
        sends.SENDS,
        ruleset.RULESET,
    ),
    step=step,
    clock_topic=CUSTOMER_EVENTS,
)
