"""Workers of the counting processor as processes, a test's own topics, and a look into everything they write."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ops.watch_parent import VARIABLE
from schemas.events import DeadLetter, Record, ReservationReleased, StockReserved, StockSold
from schemas.partitioning import partition_of
from schemas.rowcodec import decode_row
from schemas.rows import PositionRow
from streams.engine import keys
from streams.engine.dead_letters import TOPIC as DEAD_LETTERS
from tables.view import DictView
from tests.integration.engine.counting import CODEC, COUNTS, HOLDS, TOKEN, CountRow, HoldRow, Names, Run, counting

ROOT = Path(__file__).parents[3]
PARTITIONS = 2
PATIENCE_SECONDS = 40.0


def eventually(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until it holds; seconds that took. Fails naming ``what``."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - started


def now_ms() -> int:
    """The wall's clock."""
    return time.time_ns() // 1_000_000


class WorkerProcess:
    """One worker; its log is beside its data."""

    def __init__(self, run: Run, log: Path) -> None:
        self.run = run
        self.log = log
        self._log_start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.engine.counting", run.argument()],
                cwd=ROOT,
                env={**os.environ, VARIABLE: "1", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )

    def get(self, path: str) -> tuple[int, Any]:
        """Status and body of one of its pages; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.run.port}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null") if path == "/readyz" else None
        except OSError:
            return 0, None

    @property
    def states(self) -> dict[str, str]:
        """State of each of its partitions, by number."""
        _, body = self.get("/readyz")
        return dict(body["partitions"][self.run.names.processor]) if body else {}

    @property
    def problems(self) -> list[str]:
        """What it says an operator must mend."""
        _, body = self.get("/readyz")
        return list(body["problems"]) if body else []

    def wait_ready(self) -> float:
        """Until it says that it is ready."""

        def ready() -> bool:
            assert self.process.poll() is None, f"the worker ended: {self.words()[-3:]}"
            return self.get("/readyz")[0] == 200

        return eventually(ready, f"{self.log.name} is ready")

    def words(self) -> list[dict[str, Any]]:
        """Its log, without that of earlier ones of its name."""
        lines = self.log.read_bytes()[self._log_start :].decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log entries of one kind."""
        return [words for words in self.words() if words["event"] == name]

    def signal(self, number: signal.Signals) -> None:
        """Send it."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> float:
        """SIGTERM; seconds until it was gone."""
        started = time.monotonic()
        self.process.terminate()
        assert self.process.wait(20) == 0, self.words()[-3:]
        return time.monotonic() - started

    def close(self) -> None:
        """End it however it is."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


@dataclass
class Seen:
    """Committed records of a test's topics, in the order of each partition."""

    inputs: dict[tuple[str, int], list[tuple[int, int, bytes | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """(topic, partition) -> offset, timestamp, value."""
    sold: dict[str, list[StockSold]] = field(default_factory=lambda: defaultdict(list))
    released: list[tuple[int, ReservationReleased]] = field(default_factory=list)
    """(partition, record)."""
    rows: dict[int, dict[bytes, bytes]] = field(default_factory=lambda: defaultdict(dict))
    """Partition -> latest rows."""
    positions: dict[int, PositionRow] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)

    @property
    def outputs(self) -> int:
        """Records told on."""
        return sum(len(records) for records in self.sold.values())


class Bench:
    """What a test does with its topics."""

    def __init__(self, bootstrap: str, names: Names, directory: Path, session_seconds: float) -> None:
        self.bootstrap = bootstrap
        self.names = names
        self.directory = directory
        self.session_seconds = session_seconds
        self.seen = Seen()
        self.workers: list[WorkerProcess] = []
        self._sales: Counter[str] = Counter()
        largest = {"message.max.bytes": 2_000_000}
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2, "log_level": 0, **largest})
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "log_level": 0,
            }
        )
        self.changelog = f"changelog.{names.processor}"
        topics = (*names.inputs, names.output, self.changelog, DEAD_LETTERS)
        known = self._consumer.list_topics(timeout=10).topics
        self._consumer.assign([TopicPartition(topic, p, 0) for topic in topics for p in known[topic].partitions])

    # Workers.

    def worker(self, name: str = "worker-1", **changes: Any) -> WorkerProcess:
        """Start one; its data stays where the last one of that name left it. ``changes``: fields of its ``Run``."""
        run = Run(
            bootstrap=self.bootstrap,
            application=self.names.processor.replace(".", "-"),
            data_dir=str(self.directory / name),
            port=_free_port(),
            session_seconds=self.session_seconds,
            names=self.names,
        )
        run = replace(run, **changes)
        self.workers.append(WorkerProcess(run, self.directory / f"{name}.log"))
        return self.workers[-1]

    # In.

    def sell(self, counts: Mapping[str, int], *, topic: int = 0) -> None:
        """Produce so many sales of each SKU, in turn, each into the partition of its SKU."""
        for turn in range(max(counts.values())):
            for sku, count in counts.items():
                if turn < count:
                    self.send_sale(sku, topic=topic)
        self.flush()

    def send_sale(self, sku: str, *, location: str = "", topic: int = 0) -> None:
        """One sale of a SKU; call ``flush`` after the last."""
        self._sales[sku] += 1
        record = StockSold(
            movement_id=f"{sku}-{self._sales[sku]}", sku=sku, location_id=location, quantity=1, sold_at=0
        )
        self.send(sku, CODEC.encode(record), topic=topic)

    def hold(self, sku: str, reservation: str, due_ms: int) -> None:
        """A hold that ends at a time."""
        record = StockReserved(
            reservation_id=reservation,
            order_id=f"order of {reservation}",
            customer_id="c",
            sku=sku,
            location_id="",
            quantity=1,
            reserved_at=0,
            expires_at=due_ms,
        )
        self.send(sku, CODEC.encode(record))

    def send(self, key: str, value: bytes | None, *, topic: int = 0) -> None:
        """Produce bytes; call ``flush`` after the last."""
        partition = partition_of(key, PARTITIONS)
        self._producer.produce(self.names.inputs[topic], value, key.encode(), partition, timestamp=now_ms())

    def flush(self) -> None:
        """Until Kafka has them all."""
        assert self._producer.flush(20) == 0

    # Out.

    def look(self, seconds: float = 0.02) -> None:
        """Take in what was committed since."""
        for message in self._consumer.consume(5_000, seconds):
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                continue
            topic, partition = str(message.topic()), int(message.partition() or 0)
            key, value = message.key(), message.value()
            if topic in self.names.inputs:
                place = int(message.offset() or 0), message.timestamp()[1], value
                self.seen.inputs[topic, partition].append(place)
            elif topic == self.changelog:
                assert key is not None
                self._row(partition, key, value)
            else:
                self._told(partition, CODEC.decode(value))

    def _row(self, partition: int, key: bytes, value: bytes | None) -> None:
        if not keys.is_row(key):
            assert value is not None
            self.seen.positions[partition] = decode_row(PositionRow, value)
        elif value is None:
            self.seen.rows[partition].pop(key, None)
        else:
            self.seen.rows[partition][key] = value

    def _told(self, partition: int, record: Record) -> None:
        match record:
            case StockSold():
                self.seen.sold[record.sku].append(record)
            case ReservationReleased():
                self.seen.released.append((partition, record))
            case DeadLetter() if record.processor == self.names.processor:
                self.seen.dead.append(record)

    def until(self, holds: Callable[[Seen], bool], what: str, seconds: float = PATIENCE_SECONDS) -> float:
        """Look until it holds; seconds that took."""

        def look() -> bool:
            self.look()
            return holds(self.seen)

        return eventually(look, what, seconds)

    def until_outputs(self, count: int, seconds: float = PATIENCE_SECONDS) -> float:
        """Until so many sales were told on."""
        return self.until(lambda seen: seen.outputs >= count, f"{count} outputs", seconds)

    def until_folded(self) -> None:
        """Until every input record there is lies behind the committed positions."""

        def folded(seen: Seen) -> bool:
            return all(
                places[-1][0] < seen.positions.get(partition, PositionRow({}, 0)).offsets.get(topic, 0)
                for (topic, partition), places in seen.inputs.items()
            )

        self.look(0.3)
        self.until(folded, "all input is folded")

    def end_offset(self, topic: str, partition: int) -> int:
        """Where the log ends."""
        found: tuple[int, int] = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        return found[1]

    def recreate(self, admin: AdminClient, topic: str) -> None:
        """Delete a topic, and make it again with nothing in it."""
        for deleted in admin.delete_topics([topic]).values():
            deleted.result(10)
        eventually(lambda: topic not in admin.list_topics(timeout=10).topics, "the topic is gone")

        def created() -> bool:
            (future,) = admin.create_topics([NewTopic(topic, PARTITIONS)]).values()
            try:
                future.result(10)
            except KafkaException:
                return False
            return True

        eventually(created, "the topic is there again")
        self._consumer.assign([place for place in self._consumer.assignment() if place.topic != topic])

    def store_path(self, worker: str, partition: int) -> Path:
        """Where a worker keeps its rows of a partition."""
        return self.directory / worker / self.names.processor / str(partition)

    # What must be true.

    def check(self, expected: Mapping[str, int]) -> None:
        """So many of each SKU in, as many out and in the rows: nothing twice, nothing missing, in order."""
        self.until_folded()
        assert {sku: len(records) for sku, records in self.seen.sold.items()} == dict(expected)
        for sku, records in self.seen.sold.items():
            assert [record.quantity for record in records] == list(range(1, len(records) + 1)), sku
            assert not [each for each, count in Counter(record.movement_id for record in records).items() if count > 1]
        self.check_folds()

    def check_folds(self) -> None:
        """Each recorded partition folded again over a plain dict gives the committed rows, for one input alone."""
        step = counting(self.names).step
        dead = {(letter.topic, letter.partition, letter.offset) for letter in self.seen.dead}
        for partition in range(PARTITIONS):
            view, at_ms = DictView(), 0
            for topic in self.names.inputs:
                for offset, timestamp, value in self.seen.inputs[topic, partition]:
                    at_ms = max(at_ms, timestamp)
                    if (topic, partition, offset) not in dead:
                        step(view, CODEC.decode(value), at_ms)
            folded = {keys.group_key(t, p) + keys.row_key_bytes(r): row for (t, p, r), row in view.rows.items()}
            assert {key: self._decoded(key, value) for key, value in self.seen.rows[partition].items()} == folded

    def _decoded(self, key: bytes, value: bytes) -> CountRow | HoldRow:
        name = keys.split(key)[0]
        return decode_row(CountRow, value) if name == COUNTS.name else decode_row(HoldRow, value)

    def close(self) -> None:
        """End everything that is still there."""
        for worker in self.workers:
            worker.close()
        self._consumer.close()


def skus(*partitions: int) -> list[str]:
    """One SKU for each of these partitions, in that order."""
    found: list[str] = []
    for wanted in partitions:
        found.append(
            next(
                name
                for name in (f"sku-{number}" for number in range(1_000))
                if partition_of(name, PARTITIONS) == wanted and name not in found
            )
        )
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


__all__ = ["HOLDS", "PARTITIONS", "TOKEN", "Bench", "WorkerProcess", "eventually", "now_ms", "skus"]
