"""inventory: what each location has of a SKU, and what of it is promised."""

from __future__ import annotations

from schemas.errors import InvalidInput
from schemas.events import ClockTick, Record
from schemas.outgoing import Outgoing
from streams.engine.processor import Processor
from streams.processors.topics import INVENTORY_EVENTS
from tables import inventory
from tables.view import View

_TIMERS_A_TICK = 1_000


def step(view: View, record: Record, now_ms: int) -> list[Outgoing]:
    """Fold one stock event; a tick ends holds that are over."""
    match record:
        case ClockTick():
            inventory.expire(view, record.up_to, _TIMERS_A_TICK)
        case _ if isinstance(record, inventory.StockEvent):
            inventory.fold(view, record, now_ms)
        case _:
            raise InvalidInput(f"{type(record).__name__} does not belong into {INVENTORY_EVENTS}")
    return []


INVENTORY = Processor(
    name="inventory",
    inputs=(INVENTORY_EVENTS,),
    outputs=(),
    tables=(inventory.STOCK, inventory.RESERVATIONS, inventory.MOVEMENTS),
    step=step,
    clock_topic=INVENTORY_EVENTS,
)
