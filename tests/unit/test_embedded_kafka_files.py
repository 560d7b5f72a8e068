"""Embedded Kafka without a JVM: settings, lock file, cluster file, ports, diagnosis."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from ops.embedded_kafka import BrokerState, EmbeddedBroker
from ops.embedded_kafka.diagnosis import explain_end, last_words
from ops.embedded_kafka.errors import (
    BrokerCrashed,
    DataDirRefused,
    DiskFull,
    EmbeddedKafkaError,
    PortTaken,
)
from ops.embedded_kafka.launch import jvm_environment
from ops.embedded_kafka.locations import (
    KAFKA_VERSION,
    DataDir,
    default_cache_dir,
    default_data_dir,
    require_free_space,
)
from ops.embedded_kafka.lockfile import LockedJar, parse_lock, read_lock, render_lock
from ops.embedded_kafka.ports import is_open, pick, settle
from ops.embedded_kafka.settings import java_command, server_properties
from ops.embedded_kafka.storage import Cluster, erase, format_log_dir, new_kafka_id, read_cluster, write_cluster

SUM = "a" * 64


def properties(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines), "no setting is given twice"
    return found


def test_server_properties_bind_loopback_only_and_fit_one_node() -> None:
    settings = properties(server_properties(19092, 19093))
    addresses = [value for value in settings.values() if re.search(r"\d:\d|//", value)]
    assert len(addresses) == 3
    assert all("127.0.0.1:" in part for value in addresses for part in value.split(","))
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert settings["controller.quorum.voters"] == "1@127.0.0.1:19093"
    assert settings["auto.create.topics.enable"] == "false"
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        assert settings[f"{topic}.replication.factor"] == "1"
        assert settings[f"{topic}.num.partitions"] == "4"
    assert settings["transaction.state.log.min.isr"] == settings["share.coordinator.state.topic.min.isr"] == "1"
    assert settings["group.initial.rebalance.delay.ms"] == "0"
    assert settings["broker.session.timeout.ms"] == "2000"
    assert settings["transaction.abort.timed.out.transaction.cleanup.interval.ms"] == "1000"
    assert not [name for name in settings if name.startswith("message.timestamp")], "left at Kafka's defaults"


def test_java_command_carries_the_marker_and_the_whole_class_path() -> None:
    data = DataDir(Path("/data dir/b"))
    command = java_command(
        Path("/j/java"), [Path("/c/a.jar"), Path("/c/b.jar")], data, ("kafka.Kafka", "x"), ("-XX:+A",)
    )
    assert command[:2] == ["/j/java", "-Dtsunagi.broker.dir=/data dir/b"]
    assert command[command.index("-cp") + 1 :] == ["/c/a.jar:/c/b.jar", "kafka.Kafka", "x"]
    assert {"-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+A"} <= set(command)


def test_the_users_java_variables_do_not_reach_the_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    monkeypatch.setenv("CLASSPATH", "/elsewhere")
    environment = jvm_environment()
    assert not {"JAVA_TOOL_OPTIONS", "CLASSPATH"} & environment.keys()
    assert environment["PATH"] == os.environ["PATH"]


def test_the_committed_lock_is_one_kafka_with_a_logging_backend() -> None:
    lock = read_lock()
    kafka = {jar.artifact: jar.version for jar in lock.jars if jar.group == "org.apache.kafka"}
    assert set(kafka.values()) == {KAFKA_VERSION}
    assert {"kafka_2.13", "kafka-clients", "kafka-server", "kafka-storage"} <= kafka.keys()
    versions = {jar.artifact: jar.version for jar in lock.jars}
    assert versions["log4j-slf4j-impl"] == versions["log4j-core"] == versions["log4j-api"]
    assert not {"slf4j-nop", "slf4j-simple"} & versions.keys(), "exactly one backend"
    assert 30_000_000 < sum(jar.size for jar in lock.jars) < 80_000_000


def test_a_lock_survives_writing_and_reading() -> None:
    jars = [LockedJar("b.g", "b_2.13", "1.0-1", 10, SUM), LockedJar("a.g", "a", "2", 7, "0" * 64)]
    lock = parse_lock(render_lock(jars), "kafka.lock")
    assert lock.jars == (jars[1], jars[0]), "sorted by file name"
    assert jars[0].filename == "b_2.13-1.0-1.jar"
    assert len(lock.digest) == 8
    assert lock.digest != parse_lock(render_lock(jars[:1]), "kafka.lock").digest


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"# fine\n{SUM} 5 g:a:1\n{SUM[1:]} 5 g:b:1\n", "kafka.lock, line 3: expected '<sha256> <size>"),
        (f"{SUM} 0 g:a:1", "line 1"),
        (f"{SUM} 5 g:a", "line 1"),
        (f"{SUM.upper()} 5 g:a:1", "line 1"),
        (f"{SUM} 5 g:../../a:1", "line 1"),
        (f"{SUM} 5 g:a:1\n{SUM} 5 h:a:1", "line 2: a-1.jar is named twice"),
        ("# nothing\n", "names no jar"),
    ],
)
def test_a_damaged_lock_names_the_line(text: str, complaint: str) -> None:
    with pytest.raises(EmbeddedKafkaError, match=re.escape(complaint)):
        parse_lock(text, "kafka.lock")


def test_xdg_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_cache_dir() == tmp_path / "tsunagi" / f"kafka-{KAFKA_VERSION}"
    assert default_data_dir() == Path("/home/someone/.local/share/tsunagi/broker"), "a relative XDG path is invalid"


def test_free_space_is_looked_up_where_the_directory_will_be(tmp_path: Path) -> None:
    absent = tmp_path / "not" / "yet"
    require_free_space(absent, 1, "testing")
    with pytest.raises(
        DiskFull, match=rf"Too little space for testing in {absent}: .* MB needed, .* MB free. Free some"
    ):
        require_free_space(absent, 2**62, "testing")


KAFKA_DISK_FULL = """\
2026-11-22 12:37:00,100 INFO [GroupCoordinator id=1] Started (org.apache.kafka.coordinator.group)
2026-11-22 12:37:00,513 ERROR Error while appending records to t-0 in dir /d/kafka (o.a.k.LogDirFailureChannel)
java.io.IOException: No space left on device
\tat java.base/sun.nio.ch.UnixFileDispatcherImpl.write0(Native Method)
2026-11-22 12:37:00,600 FATAL Shutdown broker because all log dirs in /d/kafka have failed (kafka.log.LogManager)
"""


@pytest.mark.parametrize(
    ("log", "exit_code", "error", "says"),
    [
        (KAFKA_DISK_FULL, 1, DiskFull, "disk of /d is full. Free space and start again"),
        ("java.net.BindException: Address already in use\n", 1, PortTaken, "Port 9092 cannot be used"),
        ("x y ERROR Failed to acquire lock on file .lock in /d/kafka. (z)", 1, DataDirRefused, "Stop that one first"),
        ("Terminating due to java.lang.OutOfMemoryError: Java heap space", 3, BrokerCrashed, "out of memory"),
        ("", -9, BrokerCrashed, "signal 9"),
        ("", 1, BrokerCrashed, "Its log is empty"),
        ("anything", None, BrokerCrashed, "or the machine went down"),
    ],
)
def test_the_end_of_a_broker_is_explained(
    log: str, exit_code: int | None, error: type[EmbeddedKafkaError], says: str
) -> None:
    found = explain_end(log, exit_code, Path("/d"), 9092)
    assert type(found) is error
    assert says in str(found)


def test_last_words_are_the_errors_without_stack_frames() -> None:
    words = last_words(KAFKA_DISK_FULL)
    assert [word[:40] for word in words] == [
        "2026-11-22 12:37:00,513 ERROR Error whil",
        "java.io.IOException: No space left on de",
        "2026-11-22 12:37:00,600 FATAL Shutdown b",
    ]
    assert last_words("one\n\ntwo\n") == ["one", "two"]


def cluster_in(data: DataDir) -> Cluster:
    data.root.mkdir()
    cluster = Cluster(KAFKA_VERSION, new_kafka_id(), new_kafka_id(), 19092, 19093, port_given=False)
    write_cluster(data, cluster)
    checkpoint = data.root.parent / "bootstrap.checkpoint"
    checkpoint.write_bytes(b"levels")
    format_log_dir(data, cluster, checkpoint)
    return cluster


def test_a_formatted_directory_is_recognised_and_left_alone(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "b")
    assert read_cluster(data) is None
    cluster = cluster_in(data)
    assert read_cluster(data) == cluster
    meta = data.log_dir / "meta.properties"
    assert properties(meta.read_text()) == {
        "cluster.id": cluster.cluster_id,
        "directory.id": cluster.directory_id,
        "node.id": "1",
        "version": "1",
    }
    before = meta.stat().st_mtime_ns
    format_log_dir(data, cluster, tmp_path / "absent")
    assert meta.stat().st_mtime_ns == before


def test_a_format_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "b")
    cluster = cluster_in(data)
    (data.log_dir / "meta.properties").unlink()  # it is written last
    assert read_cluster(data) == cluster
    format_log_dir(data, cluster, tmp_path / "bootstrap.checkpoint")
    assert (data.log_dir / "meta.properties").exists()


def test_directories_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(DataDirRefused, match=r"not a broker's data directory: it holds thesis\.txt"):
        read_cluster(DataDir(tmp_path))
    with pytest.raises(DataDirRefused, match="has a ','"):
        read_cluster(DataDir(tmp_path / "a,b"))

    data = DataDir(tmp_path / "b")
    cluster_in(data)
    (data.log_dir / "meta.properties").unlink()
    (data.log_dir / "orders-0").mkdir()
    with pytest.raises(DataDirRefused, match=r"holds topics but no meta\.properties"):
        read_cluster(data)
    data.cluster_file.write_text("[]")
    with pytest.raises(DataDirRefused, match=r"cluster\.json cannot be read"):
        read_cluster(data)


def test_nothing_is_written_into_a_directory_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    broker = EmbeddedBroker(tmp_path)
    assert broker.status().state is broker.stop().state is BrokerState.STOPPED
    with pytest.raises(DataDirRefused):
        broker.start()
    with pytest.raises(DataDirRefused):
        broker.wipe()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_erasing_leaves_what_is_not_ours(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "b")
    cluster_in(data)
    erase(data)
    assert not data.root.exists()
    cluster_in(data)
    (data.root / "notes.txt").touch()
    erase(data)
    assert [path.name for path in data.root.iterdir()] == ["notes.txt"]


def test_kafka_ids_are_22_characters_and_no_option() -> None:
    ids = {new_kafka_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", text) for text in ids)


def test_ports_are_distinct_free_and_remembered() -> None:
    cluster, notices = settle(None, 0)
    assert notices == ()
    assert cluster.port != cluster.controller_port
    assert not is_open(cluster.port)
    assert 20_000 <= cluster.port < 32_768
    assert settle(cluster, 0) == (cluster, ())
    asked = pick(cluster.port, cluster.controller_port)
    given, _ = settle(cluster, asked)
    assert (given.port, given.port_given, given.cluster_id) == (asked, True, cluster.cluster_id)


def test_cluster_file_is_plain_json(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "b")
    cluster = cluster_in(data)
    assert json.loads(data.cluster_file.read_text())["cluster_id"] == cluster.cluster_id
    assert not list(data.root.glob("*.partial"))
