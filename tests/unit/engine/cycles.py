"""One partition's cycles over a real store, with a processor of our own and the transaction kept in a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from schemas.catalogue import record_names
from schemas.codec import Codec
from schemas.events import ClockTick, DeadLetter, Record, StockSold
from schemas.metrics import WorkerMetrics
from schemas.outgoing import Outgoing
from streams.engine.cycle import Batch, Cycle
from streams.engine.processor import Processor
from streams.engine.store import PartitionStore
from tables.view import View
from tests.unit.engine.rows import NOTES, TABLES, NoteRow

NOW = 1_795_000_000_000
PARTITIONS = {"in": 4, "other": 4, "out": 4, "dead-letters": 2}
PARTITION = 3


def codec(fetch: Callable[[int], str] | None = None) -> Codec:
    def nobody(identifier: int) -> str:
        raise AssertionError(f"schema {identifier} is not known")

    return Codec({name: number for number, name in enumerate(record_names(), 1)}, fetch or nobody)


CODEC = codec()


def sold(sku: str, quantity: int = 1, **fields: Any) -> StockSold:
    known: dict[str, Any] = {"movement_id": f"m-{sku}", "sku": sku, "location_id": "L", "sold_at": NOW}
    return StockSold(**(known | {"quantity": quantity} | fields))


@dataclass
class Fetched:
    """As aiokafka gives it."""

    offset: int
    value: bytes | None
    topic: str = "in"
    partition: int = PARTITION
    timestamp: int = NOW
    key: bytes | None = b"k"


def fetched(*records: Record | bytes | None, start: int = 0, topic: str = "in") -> list[Fetched]:
    return [
        Fetched(start + number, record if isinstance(record, bytes) or record is None else CODEC.encode(record), topic)
        for number, record in enumerate(records)
    ]


def step(view: View, record: Record, now_ms: int) -> list[Outgoing]:
    """Counts what is sold, keeps the last as a note with a timer, and tells it on."""
    if isinstance(record, ClockTick):
        for partition_key, row_key, row in view.due(NOTES, record.up_to, 2):
            view.put(NOTES, partition_key, row_key, NoteRow(row.text, None, row.number))
        return []
    assert isinstance(record, StockSold)
    before = view.get(NOTES, record.sku)
    number = record.quantity + (before.number if before else 0)
    view.put(NOTES, record.sku, "", NoteRow(record.location_id, record.sold_at, number))
    return [Outgoing("out", record.sku, record)]


class Clock:
    def now_ms(self) -> int:
        return NOW

    def seconds_until(self, at_ms: int) -> float:
        return max(0.0, (at_ms - NOW) / 1000)


@dataclass
class Produced:
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


@dataclass
class Transactions:
    """In the place of a PartitionProducer: what was committed, in order."""

    committed: list[list[Produced]] = field(default_factory=list)
    open: list[Produced] = field(default_factory=list)
    offset: int = 0

    def begin(self) -> None:
        self.open = []

    def produce(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, at_ms: int, *, mark: bool = False
    ) -> None:
        self.open.append(Produced(topic, partition, key, value))

    def commit(self) -> int:
        self.committed.append(self.open)
        self.offset += len(self.open) + 1
        return self.offset - 2


@dataclass
class Desk:
    cycle: Cycle
    transactions: Transactions
    registry: CollectorRegistry

    def run(self, records: list[Fetched]) -> Batch:
        batch = self.cycle.fold(records)
        self.cycle.commit(batch)
        return batch

    def dead(self) -> list[DeadLetter]:
        letters = []
        for produced in (one for transaction in self.transactions.committed for one in transaction):
            if produced.topic == "dead-letters":
                letter = CODEC.decode(produced.value)
                assert isinstance(letter, DeadLetter)
                letters.append(letter)
        return letters


def desk(store: PartitionStore, **changes: Any) -> Desk:
    """``changes``: fields of the processor, and ``codec``."""
    transactions: Any = Transactions()
    registry = CollectorRegistry()
    known: dict[str, Any] = {"codec": CODEC, "step": step} | changes
    processor = Processor(
        name="notes",
        inputs=("in", "other"),
        outputs=("out",),
        tables=TABLES,
        step=known["step"],
        clock_topic="in",
    )
    cycle = Cycle(
        processor=processor,
        partition=PARTITION,
        codec=known["codec"],
        store=store,
        producer=transactions,
        clock=Clock(),
        partitions_of=PARTITIONS.__getitem__,
        metrics=WorkerMetrics(registry),
    )
    return Desk(cycle, transactions, registry)
