"""The checker is checked: a planted loss, duplicate and wrong row must each be found."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer
from msgspec.structs import replace

from ops.checks.accounted import account
from ops.checks.replay import replay
from ops.demo.cast import latest_week_ms
from ops.demo.story import story
from schemas.rowcodec import encode_row
from schemas.rows import StockRow
from streams.engine import keys
from streams.processors.customer import CUSTOMER
from streams.processors.inventory import INVENTORY
from streams.processors.topics import actions
from tests.e2e.pipeline import Pipeline, running


def write(pipeline: Pipeline, topic: str, key: bytes, value: bytes) -> None:
    producer = Producer(pipeline.stack.connection)
    producer.produce(topic, value, key, 0, timestamp=pipeline.clock.now_ms())
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

        accepted["shop-app", "never-written"] = 0
        assert account(connection, codec, accepted).lost_events == (("shop-app", "never-written"),)

        (action,) = clean.actions.values()
        write(pipeline, actions(action.channel), b"planted", codec.encode(action))
        twice = account(connection, codec, pipeline.player.accepted_at_ms)
        assert twice.duplicated_actions == (action.action_id,)
        differences = replay(connection, codec, CUSTOMER, pipeline.stack.partitions).differences
        assert [text for text in differences if "should not be there" in text]

        unsettled = replace(action, action_id="0" * 32, to="nobody", valid_until=0)
        write(pipeline, actions(action.channel), b"planted", codec.encode(replace(unsettled, valid_until=2**50)))
        assert account(connection, codec, {}).unsettled_actions in ((), ("0" * 32,))

        wrong = keys.group_key("stock", "SKU-PLANTED") + keys.row_key_bytes("shibuya")
        write(pipeline, INVENTORY.changelog, wrong, encode_row(StockRow(reported_quantity=5)))
        differences = replay(connection, codec, INVENTORY, pipeline.stack.partitions).differences
        assert len(differences) == 1
        assert "SKU-PLANTED" in differences[0]
