"""The worker dies between committing an attempt and telling what came of it; the providers hang at that moment."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from connectors.fakes.faults import Fault
from ops.checks.accounted import account
from schemas.events import OnUnknown, SendMessage
from schemas.partitioning import partition_of
from streams.processors.topics import actions
from tests.e2e.pipeline import Pipeline, running

LINE_USERS = {
    "accepted, no answer": ("U" + "1" * 32, Fault.HANG_AFTER_ACCEPT),
    "never accepted": ("U" + "2" * 32, Fault.HANG_BEFORE_ACCEPT),
    "nothing wrong": ("U" + "3" * 32, None),
}
NUMBERS = {
    "accepted, no answer": ("+819012345671", Fault.HANG_AFTER_ACCEPT),
    "never accepted": ("+819012345672", Fault.HANG_BEFORE_ACCEPT),
}
HOUR_MS = 3_600_000


def order(pipeline: Pipeline, channel: str, to: str, number: int, customer: str) -> SendMessage:
    """Write an action as the customer processor would."""
    now_ms = pipeline.clock.now_ms()
    action = SendMessage(
        action_id=f"{number:032x}",
        customer_id=customer,
        brand="aoba",
        rule="test",
        ruleset_hash="0" * 64,
        trigger_event_id=f"e-{number}",
        trigger_received_at=now_ms,
        channel=channel,
        to=to,
        text=f"message {number}",
        purpose="service",
        valid_until=now_ms + 24 * HOUR_MS,
        on_unknown=OnUnknown.DROP,
        decided_at=now_ms,
    )
    producer = Producer(pipeline.stack.connection)
    partition = partition_of(customer, pipeline.stack.partitions)
    producer.produce(actions(channel), pipeline.codec.encode(action), customer.encode(), partition, timestamp=now_ms)
    assert producer.flush(10) == 0
    return action


@pytest.mark.timeout(120)
async def test_attempts_of_a_killed_worker_are_settled_once(tmp_path: Path) -> None:
    async with running(tmp_path, time.time_ns() // 1_000_000 - 30 * HOUR_MS) as pipeline:
        ordered: dict[str, SendMessage] = {}
        for channel, recipients in (("line", LINE_USERS), ("sms", NUMBERS)):
            for what, (to, fault) in recipients.items():
                if fault is not None:
                    pipeline.faults.add(channel, to, fault)
                number = len(ordered) + 1
                ordered[f"{channel}: {what}"] = order(pipeline, channel, to, number, f"customer-{number}")
        await pipeline.until(lambda: not pipeline.faults.waiting(), "every fault has struck")
        await pipeline.until(lambda: len(pipeline.inbox.messages()) == 3, "what is accepted is there")
        (worker,) = pipeline.stack.workers
        worker.kill()
        await pipeline.until(lambda: worker.restarts == 1, "the worker is started again")
        await pipeline.stack.wait_ready()
        await pipeline.until(lambda: len(pipeline.observer.actions) == len(ordered), "the actions are seen")
        await pipeline.settle()
        found = account(pipeline.stack.connection, pipeline.codec, {})
        inbox = Counter(message.to for message in pipeline.inbox.messages())
    assert (found.unsettled_actions, found.duplicated_actions) == ((), ())
    outcomes = {
        what: "delivered" if action.action_id in found.delivered else found.failed[action.action_id].reason
        for what, action in ordered.items()
    }
    assert outcomes == dict.fromkeys(ordered, "delivered")
    assert inbox == dict.fromkeys((action.to for action in ordered.values()), 1), "each once at its recipient"
    attempts = {what: found.delivered[action.action_id].attempts for what, action in ordered.items()}
    assert attempts["line: accepted, no answer"] == 1, "the repeat belongs to the attempt that was lost"
    assert attempts["sms: accepted, no answer"] == 1, "it was looked up, not sent again"
    assert attempts["sms: never accepted"] == 2
