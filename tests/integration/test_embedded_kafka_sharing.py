"""Processes that share one broker: owners, the test-run fixture, the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from ops.embedded_kafka import BrokerState, EmbeddedBroker
from ops.embedded_kafka.errors import RunningElsewhere
from ops.embedded_kafka.locations import DataDir
from ops.embedded_kafka.processes import is_ours, wait_gone
from tests.kafka import Brokers, Kafka, Topics, broker_processes

Starters = Callable[[str], tuple[subprocess.Popen[str], int]]

ROOT = Path(__file__).parents[2]

STARTER = """
import sys
from pathlib import Path
from ops.embedded_kafka import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]), detached=sys.argv[2] == "detached")
print(broker.start().pid, flush=True)
sys.stdin.readline()
"""

# Four tests over two workers; one of them takes its worker down in the middle.
SHARED_RUN = """
import os, signal
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(4))
def test_uses_the_broker(kafka, topics, number):
    topics("t")
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(f"{kafka.bootstrap}\\n")
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def starters(tmp_path: Path) -> Iterator[Starters]:
    """Starts the broker of ``tmp_path / "broker"`` in another process; gives that process and the JVM's id."""
    processes: list[subprocess.Popen[str]] = []

    def start(mode: str) -> tuple[subprocess.Popen[str], int]:
        command = [sys.executable, "-c", STARTER, str(tmp_path / "broker"), mode]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def data_of(tmp_path: Path) -> DataDir:
    return DataDir((tmp_path / "broker").resolve())


def test_the_jvm_dies_with_a_killed_starter(starters: Starters, tmp_path: Path) -> None:
    starter, pid = starters("owned")
    data = data_of(tmp_path)
    assert is_ours(pid, data.marker)
    starter.send_signal(signal.SIGKILL)
    assert wait_gone(pid, data.marker, 20)
    assert EmbeddedBroker(data.root).status().state is BrokerState.STOPPED


def test_the_last_owner_takes_it_along_not_the_first(brokers: Brokers, starters: Starters, tmp_path: Path) -> None:
    starter, pid = starters("owned")
    broker = brokers()
    assert broker.start().pid == pid
    starter.send_signal(signal.SIGKILL)
    starter.wait(10)
    assert AdminClient({"bootstrap.servers": broker.status().bootstrap}).list_topics(timeout=20).brokers
    broker.close()
    assert broker_processes(tmp_path) == []
    assert broker.status().state is BrokerState.STOPPED


def test_an_orderly_exit_ends_it_and_detached_stays(brokers: Brokers, starters: Starters, tmp_path: Path) -> None:
    starter, pid = starters("owned")
    starter.communicate("\n")
    assert not is_ours(pid, data_of(tmp_path).marker)

    starter, pid = starters("detached")
    starter.communicate("\n")
    with brokers() as joined:
        assert joined.status().pid == pid
        assert joined.status().detached is True
    assert is_ours(pid, data_of(tmp_path).marker)
    brokers().stop()
    assert broker_processes(tmp_path) == []


def test_a_race_of_starters_ends_with_one_broker(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path / "broker"), "owned"]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    try:
        pids = {racer.stdout.readline() for racer in racers if racer.stdout is not None}
        assert len(pids) == 1
        assert "\n" in pids.pop()
    finally:
        for racer in racers:
            racer.communicate("\n")
    assert broker_processes(tmp_path) == []


def test_starts_once_and_is_found_again(brokers: Brokers, starters: Starters) -> None:
    first = brokers().start()
    assert first.state is BrokerState.RUNNING
    assert first.rss_bytes is not None
    assert 50_000_000 < first.rss_bytes < 700_000_000
    again = brokers().start()
    assert (again.pid, again.bootstrap, again.cluster_id) == (first.pid, first.bootstrap, first.cluster_id)
    _, seen_elsewhere = starters("owned")
    assert seen_elsewhere == first.pid
    with pytest.raises(RunningElsewhere, match=r"already, on port"):
        brokers(port=1).start()


@pytest.mark.skipif(sys.platform != "linux", reason="looks for leftover processes in /proc")
def test_workers_share_one_broker_and_leave_nothing_even_when_one_is_killed(tmp_path: Path) -> None:
    suite = tmp_path / "test_shared_run.py"
    suite.write_text(SHARED_RUN)
    seen = tmp_path / "seen"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "TSUNAGI"))}
    command = (sys.executable, "-m", "pytest", "-p", "tests.kafka", "-n", "2", "-q", f"--basetemp={tmp_path / 'run'}")
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={tmp_path}", str(suite)],
        cwd=ROOT,
        env=environment | {"SEEN": str(seen)},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout  # the one that killed its worker
    assert len(set(seen.read_text().split())) == 1, "all workers used the same broker"
    assert broker_processes(tmp_path) == []
    # Its files may stay when two workers let go at the same moment; they lie in the run's own temporary folder.


def test_topics_are_the_tests_own_and_go_with_it(kafka: Kafka, request: pytest.FixtureRequest) -> None:
    maker = Topics(kafka.bootstrap, request.node.name)
    first, second = maker("orders", partitions=3, config={"cleanup.policy": "compact"}), maker("orders")
    assert first != second
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    there = admin.list_topics(timeout=20).topics
    assert len(there[first].partitions) == 3
    assert len(there[second].partitions) == 1
    maker.delete_all()
    assert not {first, second} & set(admin.list_topics(timeout=20).topics)


def tsunagi_broker(*arguments: str, data_dir: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``tsunagi broker <arguments>``."""
    done = subprocess.run(
        [sys.executable, "-c", "from ops.cli_broker import app; app()", *arguments],
        cwd=ROOT,
        env=os.environ | {"XDG_DATA_HOME": str(data_dir), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_from_start_to_wipe(tmp_path: Path) -> None:
    root = (tmp_path / "tsunagi" / "broker").resolve()
    assert tsunagi_broker("status", "--json", data_dir=tmp_path)[0] == 1
    assert not root.exists(), "asking does not create anything"
    try:
        code, out, errors = tsunagi_broker("start", "--json", data_dir=tmp_path)
        assert (code, errors) == (0, "")
        started = json.loads(out)
        assert (started["state"], started["data_dir"], started["detached"]) == ("running", str(root), True)
        assert is_ours(started["pid"], DataDir(root).marker), "it outlives the command"

        code, out, _ = tsunagi_broker("status", data_dir=tmp_path)
        assert code == 0
        assert f"is running at {started['bootstrap']}" in out
        code, out, _ = tsunagi_broker("wipe", "--json", data_dir=tmp_path)
        assert code == 1
        assert json.loads(out)["error"] == "still-running"
        code, _, errors = tsunagi_broker("start", "--port", "1", data_dir=tmp_path)
        assert code == 1
        assert errors.startswith("Error: The broker of")
        assert tsunagi_broker("start", "--port", "80000", data_dir=tmp_path)[0] == 2

        code, out, _ = tsunagi_broker("stop", data_dir=tmp_path)
        assert code == 0
        assert "is stopped" in out
        assert tsunagi_broker("stop", data_dir=tmp_path)[0] == 0, "stopping twice is fine"
        assert tsunagi_broker("wipe", data_dir=tmp_path)[0] == 0
        assert not root.exists()
    finally:
        EmbeddedBroker(root).stop()
