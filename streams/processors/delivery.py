"""delivery: actions out, what became of them back into the customer's log.

The step only commits that an attempt was started and what it came to; ``streams.delivery`` calls the provider between.
"""

from __future__ import annotations

from schemas.errors import InvalidInput
from schemas.events import AttemptReported, ClockTick, Record, SendMessage
from schemas.outgoing import Outgoing
from streams.engine.processor import Processor
from streams.processors.topics import CUSTOMER_EVENTS, DELIVERY_OUTCOMES, MESSAGE_CHANNELS, actions
from tables.attempts import ATTEMPTS, Receipt, fire_due, report, start
from tables.view import Rows, View

_TIMERS_A_TICK = 1_000


def step(view: View, record: Record, now_ms: int) -> list[Outgoing]:
    """Start, settle or retry."""
    match record:
        case SendMessage():
            receipt = start(Rows(view, ATTEMPTS, record.customer_id), record, now_ms)
            return _tell(record.customer_id, receipt)
        case AttemptReported():
            receipt = report(Rows(view, ATTEMPTS, record.customer_id), record, now_ms)
            return _tell(record.customer_id, receipt)
        case ClockTick():
            fire_due(view, record.up_to, now_ms, _TIMERS_A_TICK)
            return []
        case _:
            raise InvalidInput(f"{type(record).__name__} is not for delivery")


def _tell(customer: str, receipt: Receipt | None) -> list[Outgoing]:
    return [] if receipt is None else [Outgoing(CUSTOMER_EVENTS, customer, receipt)]


DELIVERY = Processor(
    name="delivery",
    inputs=(*(actions(channel) for channel in MESSAGE_CHANNELS), DELIVERY_OUTCOMES),
    outputs=(CUSTOMER_EVENTS,),
    tables=(ATTEMPTS,),
    step=step,
    clock_topic=DELIVERY_OUTCOMES,
)
