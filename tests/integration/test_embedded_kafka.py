"""The embedded Kafka, really started, killed and damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ops.embedded_kafka import BrokerState
from ops.embedded_kafka.errors import (
    BrokerCrashed,
    ChecksumMismatch,
    DataDirRefused,
    DiskFull,
    PortTaken,
    StillRunning,
)
from ops.embedded_kafka.locations import DataDir, default_cache_dir
from ops.embedded_kafka.lockfile import read_lock
from ops.embedded_kafka.processes import wait_gone
from ops.embedded_kafka.runtime import prepare_runtime
from tests.kafka import Brokers, broker_processes


def data_of(tmp_path: Path) -> DataDir:
    return DataDir((tmp_path / "broker").resolve())


def test_restart_keeps_port_cluster_and_topics_and_stop_is_clean(brokers: Brokers, tmp_path: Path) -> None:
    broker = brokers()
    first = broker.start()
    admin = make_topic(first.bootstrap, "kept")
    assert broker.stop().notices == ()
    assert broker.status().state is BrokerState.STOPPED
    assert broker_processes(tmp_path) == []

    second = broker.start()
    assert (second.bootstrap, second.cluster_id) == (first.bootstrap, first.cluster_id)
    assert second.pid != first.pid
    assert second.notices == ()
    assert len(admin.list_topics("kept", timeout=20).topics["kept"].partitions) == 1
    assert "[KafkaRaftServer nodeId=1] Kafka Server started" in data_of(tmp_path).server_log.read_text()


def test_two_data_directories_are_two_clusters_side_by_side(brokers: Brokers) -> None:
    one, two = brokers("one").start(), brokers("two").start()
    assert one.cluster_id != two.cluster_id
    assert one.bootstrap != two.bootstrap
    ids = {s.cluster_id: AdminClient({"bootstrap.servers": s.bootstrap}).list_topics(timeout=20) for s in (one, two)}
    assert all(metadata.cluster_id == cluster_id for cluster_id, metadata in ids.items())


def test_listens_on_loopback_only_and_never_makes_up_topics(brokers: Brokers) -> None:
    bootstrap = brokers().start().bootstrap
    port = int(bootstrap.rpartition(":")[2])
    if sys.platform == "linux":  # all of 127/8 is this machine: a socket open to every interface would answer
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    assert admin.list_topics("mistyped", timeout=20).topics["mistyped"].error is not None
    assert "mistyped" not in admin.list_topics(timeout=20).topics


def test_the_prepared_classes_are_used(brokers: Brokers) -> None:
    if sys.platform != "linux":
        pytest.skip("needs /proc/<pid>/maps")
    pid = brokers().start().pid
    assert any(line.endswith(".aot") for line in Path(f"/proc/{pid}/maps").read_text().splitlines())


def test_a_taken_port_is_refused_and_nothing_is_left(brokers: Brokers, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        with pytest.raises(
            PortTaken, match=rf"Port {port} cannot be used: another program listens there.*lsof -i :{port}"
        ):
            brokers(port=port).start()
    assert broker_processes(tmp_path) == []
    assert brokers().status().state is BrokerState.STOPPED
    assert brokers(port=port).start().bootstrap == f"127.0.0.1:{port}"


def test_a_port_nobody_asked_for_is_exchanged_when_taken(brokers: Brokers) -> None:
    broker = brokers()
    bootstrap = broker.start().bootstrap
    broker.stop()
    port = int(bootstrap.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        moved = broker.start()
    assert moved.bootstrap != bootstrap
    assert any(f"Port {port}, used before, is taken now" in notice for notice in moved.notices)


def test_a_stale_state_file_is_cleared_and_the_innocent_process_lives(brokers: Brokers, tmp_path: Path) -> None:
    broker, data = brokers(), data_of(tmp_path)
    broker.start()
    state = json.loads(data.state_file.read_text())
    broker.stop()
    with subprocess.Popen(["sleep", "60"]) as innocent:  # the old process id is somebody else's after a reboot
        try:
            data.state_file.write_text(json.dumps(state | {"pid": innocent.pid, "supervisor_pid": innocent.pid}))
            assert broker.status().state is BrokerState.CRASHED
            started = broker.start()
            assert started.pid != innocent.pid
            assert any("was not stopped properly" in notice for notice in started.notices)
            broker.stop()
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_an_unreadable_state_file_is_cleared(brokers: Brokers, tmp_path: Path) -> None:
    broker, data = brokers(), data_of(tmp_path)
    broker.start()
    broker.stop()
    data.state_file.write_text("{half a fi")
    assert any("unreadable" in notice for notice in broker.start().notices)


def test_kill_9_of_the_jvm_is_seen_and_loses_nothing_acknowledged(brokers: Brokers) -> None:
    broker = brokers()
    first = broker.start()
    assert first.pid is not None
    make_topic(first.bootstrap, "t")
    producer = Producer({"bootstrap.servers": first.bootstrap, "acks": "all", "log_level": 0})
    for number in range(100):
        producer.produce("t", str(number))
    assert producer.flush(20) == 0

    os.kill(first.pid, signal.SIGKILL)
    supervisor = json.loads((first.data_dir / "running.json").read_text())["supervisor_pid"]
    assert wait_gone(supervisor, DataDir(first.data_dir).marker, 10)
    crashed = broker.status()
    assert crashed.state is BrokerState.CRASHED
    assert crashed.detail is not None
    assert "signal 9" in crashed.detail

    second = broker.start()
    assert any("signal 9" in notice for notice in second.notices)
    assert read_all(second.bootstrap, "t", "read_committed", 100) == [str(number) for number in range(100)]


def test_transactions_are_seen_whole_or_not_at_all(brokers: Brokers) -> None:
    bootstrap = brokers().start().bootstrap
    make_topic(bootstrap, "t")
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "writer", "log_level": 0})
    producer.init_transactions(30)
    for outcome in ("aborted", "committed", "aborted", "committed"):
        producer.begin_transaction()
        for number in range(3):
            producer.produce("t", f"{outcome}-{number}")
        producer.flush(20)
        if outcome == "committed":
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)
    committed = [f"committed-{number}" for number in range(3)] * 2
    assert read_all(bootstrap, "t", "read_committed", 6) == committed
    assert len(read_all(bootstrap, "t", "read_uncommitted", 12)) == 12


def make_topic(bootstrap: str, name: str) -> AdminClient:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(name, 1)])[name].result(20)
    return admin


def read_all(bootstrap: str, topic: str, isolation: str, count: int) -> list[str]:
    """Values of the first ``count`` records a group sees from the start; fails after 30 s of silence."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"reader-{isolation}",
            "auto.offset.reset": "earliest",
            "isolation.level": isolation,
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    values: list[str] = []
    try:
        while len(values) < count:
            messages = consumer.consume(count, timeout=30)
            assert messages, f"only {len(values)} of {count} records came"
            for message in messages:
                value = message.value()
                assert message.error() is None
                assert isinstance(value, bytes)
                values.append(value.decode())
    finally:
        consumer.close()
    return values


def test_wipe_refuses_while_it_runs_and_then_takes_only_its_own(brokers: Brokers, tmp_path: Path) -> None:
    broker = brokers()
    broker.start()
    with pytest.raises(StillRunning, match="Stop it first"):
        broker.wipe()
    broker.stop()
    (tmp_path / "broker" / "notes.txt").write_text("mine")
    broker.wipe()
    assert [path.name for path in (tmp_path / "broker").iterdir()] == ["notes.txt"]


def test_a_damaged_jar_stops_the_start(brokers: Brokers, tmp_path: Path) -> None:
    prepare_runtime(default_cache_dir(), None, None)  # so that there is something to damage
    cache = tmp_path / "cache"
    shutil.copytree(default_cache_dir(), cache, copy_function=os.symlink)
    jar = cache / "jars" / read_lock().jars[0].filename
    damaged = jar.read_bytes()[:-1] + b"!"
    jar.unlink()  # the link, not the jar behind it
    jar.write_bytes(damaged)
    with pytest.raises(ChecksumMismatch, match=f"{jar.name} is not the jar that was locked.*Delete that file"):
        brokers(cache_dir=cache).start()
    assert broker_processes(tmp_path) == []


def test_a_broker_that_cannot_start_says_why(brokers: Brokers, tmp_path: Path) -> None:
    broker, data = brokers(), data_of(tmp_path)
    broker.start()
    broker.stop()
    meta = data.log_dir / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(BrokerCrashed, match=r"(?s)exit code 1.*node\.?\s?id.*7"):
        broker.start()
    assert broker_processes(tmp_path) == []
    assert broker.status().state is BrokerState.STOPPED


def test_data_of_another_version_or_cluster_is_refused(brokers: Brokers, tmp_path: Path) -> None:
    broker, data = brokers(), data_of(tmp_path)
    broker.start()
    broker.stop()
    cluster = json.loads(data.cluster_file.read_text())
    data.cluster_file.write_text(json.dumps(cluster | {"kafka_version": "3.9.0"}))
    with pytest.raises(DataDirRefused, match=r"formatted by Kafka 3\.9\.0; this is Kafka 4\.1\.0.*broker wipe"):
        broker.start()
    data.cluster_file.write_text(json.dumps(cluster | {"cluster_id": "another"}))
    with pytest.raises(DataDirRefused, match="two data directories were mixed"):
        broker.start()


def test_too_little_space_is_found_before_the_start(brokers: Brokers, tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match=r"Too little space for Kafka's data.*Free some space"):
        brokers(min_free_bytes=2**62).start()
    assert broker_processes(tmp_path) == []
