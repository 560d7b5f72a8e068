"""Kafka goes away and comes back; the worker is not restarted for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ops.embedded_kafka import EmbeddedBroker
from streams.processors.topics import DEAD_LETTERS, WORKER_DIRECTORY
from tests.integration.engine.bench import PARTITIONS, Bench, eventually, skus
from tests.integration.engine.counting import Names
from tests.kafka import Brokers

FEW = skus(0, 1)
NAMES = Names("counting", ("in", "also"), "out")


@pytest.fixture
def broker(brokers: Brokers) -> EmbeddedBroker:
    return brokers()


@pytest.fixture
def own_bench(broker: EmbeddedBroker, tmp_path: Path) -> Iterator[Bench]:
    bootstrap = broker.start().bootstrap
    assert bootstrap is not None
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    several = (*NAMES.inputs, NAMES.output, "changelog.counting")
    for created in admin.create_topics(
        [*(NewTopic(name, PARTITIONS) for name in several), *(NewTopic(n, 1) for n in (DEAD_LETTERS, WORKER_DIRECTORY))]
    ).values():
        created.result(20)
    made = Bench(bootstrap, NAMES, tmp_path, 2.0)
    yield made
    made.close()


def test_kill_9_of_the_broker(own_bench: Bench, broker: EmbeddedBroker) -> None:
    bench = own_bench
    worker = bench.worker()
    worker.wait_ready()
    bench.sell(dict.fromkeys(FEW, 200))
    bench.until_outputs(100)
    pid = broker.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    bench.send_sale(FEW[0])  # waits in its producer
    broker.start()
    bench.flush()
    bench.sell(dict.fromkeys(FEW, 200))
    bench.until_outputs(801)
    bench.check({FEW[0]: 401, FEW[1]: 400})
    assert worker.process.poll() is None
    eventually(lambda: list(worker.states.values()) == ["running"] * 2, "it is well again")
