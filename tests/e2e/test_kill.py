"""kill -9 in the middle, through the real front door and real protocols: nothing lost, duplicated or wrong."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

import pytest

from ops.demo.results import conclude
from ops.demo.tpcds import load
from tests.e2e.pipeline import running

CUSTOMERS = 40
WORKERS = 2
WORKER_KILLS = 3
DAY_MS = 86_400_000


@pytest.mark.timeout(240)
async def test_nothing_is_lost_or_done_twice_when_workers_and_gateway_are_killed(tmp_path: Path) -> None:
    # Some days ago: the clock, which is never ahead of the wall, has room to run on.
    dataset = await asyncio.to_thread(load, CUSTOMERS, 7, end_ms=time.time_ns() // 1_000_000 - 3 * DAY_MS)
    events = dataset.events
    first = [event for event in events if event.at_ms < dataset.settled_ms]
    rest = events[len(first) :]
    async with running(tmp_path, events[0].at_ms - 1_000, WORKERS) as pipeline:
        await pipeline.player.play(first, pipeline.clock, 2_000, lambda _: None)
        await pipeline.until(lambda: pipeline.observer.seen_all(pipeline.player.accepted_at_ms), "sign-ups")
        sent = 0

        def count(more: int) -> None:
            nonlocal sent
            sent += more

        playing = asyncio.create_task(pipeline.player.play(rest, pipeline.clock, 150, count))
        workers = pipeline.stack.workers
        gateway = pipeline.stack.children[0]

        def sent_or_done(events: int) -> bool:
            return sent >= events or playing.done()

        def restarted(times: int) -> bool:
            return sum(worker.restarts for worker in workers) == times

        for kill in range(1, WORKER_KILLS + 1):
            enough = kill * len(rest) // (WORKER_KILLS + 2)
            await pipeline.until(partial(sent_or_done, enough), f"kill {kill}")
            # Its partitions go to the other one and come back: three rebalances each time.
            workers[kill % WORKERS].kill()
            if kill == 2:
                gateway.kill()
            await pipeline.until(partial(restarted, kill), f"restart {kill}")
            await pipeline.stack.wait_ready()
        await playing
        await pipeline.settle()
        result = await conclude(
            pipeline.stack, pipeline.codec, pipeline.player, pipeline.inbox, dataset, pipeline.http, []
        )
    dataset.close()
    assert sum(worker.restarts for worker in workers) == WORKER_KILLS
    assert gateway.restarts == 1
    assert result.accepted == len(events)
    assert result.customers_compared == CUSTOMERS
    assert (result.lost, result.duplicated, result.wrong, result.findings) == (0, 0, 0, [])
    line = [message.idempotency_key for message in pipeline.inbox.messages("line")]
    assert len(line) == len(set(line)), "LINE recognises repeats, so nobody is told twice"
    assert result.delivered_twice == 0
