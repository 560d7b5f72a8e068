"""The checker is checked: a planted loss, duplicate and wrong row must each be found."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from ops.checks.accounted import account
from ops.checks.replay import replay
from ops.checks.topic_reader import Recorded, read_topics
from ops.demo.cast import latest_week_ms
from ops.demo.story import story
from schemas.codec import Codec
from schemas.events import Record, SendMessage
from schemas.outgoing import Outgoing
from schemas.rowcodec import encode_row
from schemas.rows import StockRow
from streams.engine import keys
from streams.engine.processor import Processor
from streams.processors.customer import CUSTOMER
from streams.processors.inventory import INVENTORY
from streams.processors.topics import CUSTOMER_EVENTS, actions
from tables.view import View
from tests.e2e.pipeline import Pipeline, running


def write(pipeline: Pipeline, topic: str, key: bytes, value: bytes | None, partition: int = 0) -> None:
    producer = Producer(pipeline.stack.connection)
    producer.produce(topic, value, key, partition, timestamp=pipeline.clock.now_ms())
    assert producer.flush(10) == 0


@pytest.mark.timeout(180)
async def test_planted_faults_are_found(tmp_path: Path) -> None:
    told = story(latest_week_ms(time.time_ns() // 1_000_000))
    # Until the shop has marked the order ready: stock is reserved and one message is sent.
    scenes = told.scenes[:5]
    async with running(tmp_path, scenes[0].at_ms) as pipeline:

        def shows(at_ms: int) -> bool:
            return pipeline.clock.now_ms() >= at_ms

        for scene in scenes:
            for event in scene.events:
                pipeline.clock.reach(event.at_ms, 0.05)
                await pipeline.until(partial(shows, event.at_ms), "the clock")
                await pipeline.player.send([event.raw])
            await pipeline.until(lambda: pipeline.observer.seen_all(pipeline.player.accepted_at_ms), scene.key)
        await pipeline.until(lambda: bool(pipeline.observer.actions), "the message is decided")
        await pipeline.settle()
        connection, codec = pipeline.stack.connection, pipeline.codec
        accepted = dict(pipeline.player.accepted_at_ms)

        clean = account(connection, codec, accepted)
        assert (clean.lost, clean.duplicated) == (0, 0)
        for processor in (CUSTOMER, INVENTORY):
            replayed = replay(connection, codec, processor, pipeline.stack.partitions)
            assert replayed.records > 0
            assert replayed.rows > 0
            assert replayed.differences == []

        # Nobody may act on what is planted from here on.
        await pipeline.stack.workers[0].stop()
        accepted["shop-app", "never-written"] = 0
        assert account(connection, codec, accepted).lost_events == (("shop-app", "never-written"),)
        del accepted["shop-app", "never-written"]

        (action,), (receipt,) = clean.actions.values(), clean.delivered.values()
        write(pipeline, CUSTOMER_EVENTS, b"planted", codec.encode(receipt))
        assert account(connection, codec, accepted).duplicated_actions == (action.action_id,), "two outcomes"

        write(pipeline, actions(action.channel), b"planted", codec.encode(action))
        assert account(connection, codec, accepted).duplicated_actions == (action.action_id,)
        assert differences(pipeline, CUSTOMER) == [f"{actions(action.channel)}: 1 x SendMessage should not be there"]

        write(pipeline, actions(action.channel), b"planted", codec.encode(replace(action, action_id="0" * 32)))
        assert account(connection, codec, accepted).unsettled_actions == ("0" * 32,)

        recorded, known = next(
            (each, ids)
            for each in read_topics(connection, (CUSTOMER_EVENTS,))
            if (ids := event_key(codec, each)) is not None and ids in accepted
        )
        write(pipeline, CUSTOMER_EVENTS, b"planted", recorded.value)
        assert account(connection, codec, accepted).duplicated_events == (known,)
        assert account(connection, codec, accepted, {known}).duplicated_events == ()

        planted = keys.group_key("stock", "SKU-PLANTED") + keys.row_key_bytes("shibuya")
        write(pipeline, INVENTORY.changelog, planted, encode_row(StockRow(reported_quantity=5)))
        assert differences(pipeline, INVENTORY) == ["inventory[0] stock/SKU-PLANTED/shibuya: unexpected row"]
        write(pipeline, INVENTORY.changelog, planted, None)
        assert differences(pipeline, INVENTORY) == []

        partition, key = next(
            (each.partition, each.key)
            for each in read_topics(connection, (INVENTORY.changelog,))
            if each.key is not None and keys.is_row(each.key) and keys.split(each.key)[0] == "stock"
        )
        place = "/".join(keys.split(key))
        for value, side in ((encode_row(StockRow(reported_quantity=-1)), "different row"), (None, "missing row")):
            write(pipeline, INVENTORY.changelog, key, value, partition)
            assert differences(pipeline, INVENTORY) == [f"inventory[{partition}] {place}: {side}"]

        def one_more(view: View, record: Record, now_ms: int) -> list[Outgoing]:
            outgoing = CUSTOMER.step(view, record, now_ms)
            return outgoing * 2 if any(isinstance(each.record, SendMessage) for each in outgoing) else outgoing

        found = differences(pipeline, dataclasses.replace(CUSTOMER, step=one_more))
        assert any(text.endswith("1 x Decision was not written") for text in found)


def differences(pipeline: Pipeline, processor: Processor) -> list[str]:
    return replay(pipeline.stack.connection, pipeline.codec, processor, pipeline.stack.partitions).differences


def event_key(codec: Codec, recorded: Recorded) -> tuple[str, str] | None:
    envelope = getattr(codec.decode(recorded.value), "envelope", None)
    return None if envelope is None else (envelope.source, envelope.event_id)
