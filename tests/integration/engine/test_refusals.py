"""What a worker refuses or stops at, and what it tells the operator: it never skips anything by itself."""

from __future__ import annotations

import signal
import time

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from schemas.rowcodec import ROW_VERSION, encode_row
from streams.engine import keys
from tests.integration.engine.bench import Bench, WorkerProcess, eventually, skus
from tests.integration.engine.counting import COUNTS, CountRow

LEFT, RIGHT = skus(0, 1)


@pytest.fixture
def admin(bench: Bench) -> AdminClient:
    return AdminClient({"bootstrap.servers": bench.bootstrap, "log_level": 0})


def refused(worker: WorkerProcess) -> str:
    """What it says while ending with exit code 2."""
    assert worker.process.wait(20) == 2
    return str(worker.events("refused")[0]["problem"])


def halted(worker: WorkerProcess) -> str:
    eventually(lambda: bool(worker.problems), "a partition has halted")
    return worker.problems[0]


def test_a_missing_topic_is_named(bench: Bench, admin: AdminClient) -> None:
    for deleted in admin.delete_topics([bench.names.output]).values():
        deleted.result(10)
    eventually(lambda: bench.names.output not in admin.list_topics(timeout=10).topics, "the topic is gone")
    assert refused(bench.worker()) == f"topics are missing: {bench.names.output}: run `tsunagi topics apply`"


def test_inputs_of_different_partition_counts_are_refused(bench: Bench, admin: AdminClient) -> None:
    topic = bench.names.inputs[1]
    for grown in admin.create_partitions([NewPartitions(topic, 3)]).values():
        grown.result(10)
    eventually(lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3, "three partitions")
    told = refused(bench.worker())
    assert "must have the same number of partitions" in told
    assert f"'{topic}': 3" in told


def test_a_worker_whose_consumer_has_given_up_ends(bench: Bench) -> None:
    """It would look well for ever, and fetch nothing."""
    worker = bench.worker()
    worker.wait_ready()
    worker.signal(signal.SIGUSR1)
    assert refused(worker).endswith("the consumer group failed: RuntimeError: the fetcher has ended")


def write_row(bench: Bench, sku: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": bench.bootstrap})
    producer.produce(bench.changelog, value, keys.group_key(COUNTS.name, sku), 0)
    assert producer.flush(10) == 0


def test_a_row_of_a_newer_release_halts_its_partition_and_nothing_is_skipped(bench: Bench) -> None:
    first = bench.worker()
    bench.sell({LEFT: 3, RIGHT: 3})
    bench.until_outputs(6)
    first.terminate()
    write_row(bench, LEFT, bytes([ROW_VERSION + 1]) + b"from the future")
    worker = bench.worker()
    worker.wait_ready()
    bench.sell({LEFT: 2, RIGHT: 2})
    assert halted(worker).startswith("a CountRow has version 2, this release reads 1: start a release that knows it")
    bench.until(lambda seen: len(seen.sold[RIGHT]) == 5, "the other partition goes on")
    assert worker.states == {"0": "halted", "1": "running"}
    assert worker.get("/readyz")[0] == 503
    assert len(bench.seen.sold[LEFT]) == 3
    worker.terminate()
    assert bench.seen.dead == [], "it is not the records' fault"
    # The release that knows it, so to say.
    write_row(bench, LEFT, encode_row(CountRow(3, 3)))
    bench.worker()
    bench.until_outputs(10)
    bench.check({LEFT: 5, RIGHT: 5})


def delete_before(admin: AdminClient, topic: str, offset: int) -> None:
    for deleted in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        deleted.result(10)


def test_unread_records_that_retention_deleted_are_not_passed_over(bench: Bench, admin: AdminClient) -> None:
    first = bench.worker()
    bench.sell({LEFT: 10})
    bench.until_outputs(10)
    first.terminate()
    bench.sell({LEFT: 10})
    delete_before(admin, bench.names.inputs[0], 15)
    told = halted(bench.worker())
    assert "offset 10 is to be read next, but the log starts at 15: retention has deleted" in told
    bench.look()
    assert bench.seen.outputs == 10


def test_records_deleted_in_front_of_a_running_worker_are_not_passed_over(bench: Bench, admin: AdminClient) -> None:
    """It stands still for a moment, shorter than its session, and the log's start moves past its position."""
    worker = bench.worker(session_seconds=20.0)
    bench.sell({LEFT: 10})
    bench.until_outputs(10)
    worker.signal(signal.SIGSTOP)
    time.sleep(0.6)  # its last fetch waits at the broker for 0.25 s, and would still be answered with the records
    bench.sell({LEFT: 10})
    delete_before(admin, bench.names.inputs[0], 15)
    worker.signal(signal.SIGCONT)
    assert "the log starts at 15" in halted(worker)
    bench.look()
    assert bench.seen.outputs == 10


def test_an_input_made_anew_is_noticed(bench: Bench, admin: AdminClient) -> None:
    """Position 10 of a log of 4 records: the next six would be taken for known ones."""
    first = bench.worker()
    bench.sell({LEFT: 10})
    bench.until_outputs(10)
    first.terminate()
    topic = bench.names.inputs[0]
    bench.recreate(admin, topic)
    bench.sell({LEFT: 4})
    assert "offset 10 is to be read next, but the log ends at 4" in halted(bench.worker())


def test_damage_found_while_running_is_repaired_from_the_changelog(bench: Bench) -> None:
    """The table files are overwritten under a running worker; no record becomes a dead letter for it."""
    many = [f"sku-{number}" for number in range(3_000)]
    first = bench.worker()
    for sku in many:
        bench.send_sale(sku)
    bench.flush()
    bench.until_outputs(len(many))
    first.terminate()
    tables = [file for p in (0, 1) for file in bench.store_path("worker-1", p).glob("*.sst")]
    assert tables
    for file in tables:
        data = bytearray(file.read_bytes())
        middle = len(data) // 2
        data[middle - 1_000 : middle + 1_000] = bytes(2_000)
        file.write_bytes(data)
    worker = bench.worker()
    for sku in many:
        bench.send_sale(sku)
    bench.flush()
    bench.until_outputs(2 * len(many))
    bench.check(dict.fromkeys(many, 2))
    assert worker.events("store_damaged")
    assert bench.seen.dead == []
