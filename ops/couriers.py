"""Joins the delivery processor to the sinks: neither knows the other."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.sinks.model import Delivered, Message, Outcome, Rejected, RetryAfter, Sink, Unknown
from schemas.events import AttemptOutcome, SendMessage
from streams.delivery import Courier, Report


class SinkCourier:
    """A sink as :class:`streams.delivery.Courier`."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.settle_ms = round(sink.settle_seconds * 1000)

    async def deliver(self, action: SendMessage, now_ms: int) -> Report:
        """See :class:`Courier`."""
        return _report(await self._sink.deliver(_message(action), now_ms))

    async def reconcile(self, action: SendMessage, now_ms: int, started_at_ms: int) -> Report:
        """See :class:`Courier`."""
        return _report(await self._sink.reconcile(_message(action), now_ms, started_at_ms))


def couriers(sinks: Mapping[str, Sink]) -> dict[str, Courier]:
    """One courier for each configured sink."""
    return {channel: SinkCourier(sink) for channel, sink in sinks.items()}


def _message(action: SendMessage) -> Message:
    return Message(
        action_id=action.action_id,
        channel=action.channel,
        to=action.to,
        text=action.text,
        subject=action.subject,
        brand=action.brand,
        valid_until_ms=action.valid_until,
    )


def _report(outcome: Outcome) -> Report:
    match outcome:
        case Delivered():
            return Report(AttemptOutcome.DELIVERED, provider_message_id=outcome.provider_message_id)
        case Rejected():
            return Report(AttemptOutcome.REJECTED, outcome.reason.name, outcome.detail)
        case RetryAfter():
            return Report(AttemptOutcome.RETRY_AFTER, outcome.reason.name, outcome.detail, retry_at_ms=outcome.at_ms)
        case Unknown():
            return Report(AttemptOutcome.UNKNOWN, "UNKNOWN", outcome.detail)
