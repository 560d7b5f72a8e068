"""A processor whose every mistake shows: it numbers what it sells, and ends holds when their time is up.

``python -m tests.integration.engine.counting JSON`` runs it as a worker, so that tests can kill it.

Inputs: StockSold adds to the count of its SKU and is told on with the new count as its quantity, so the n-th record of
a SKU comes out as number n, once. StockReserved is a hold that a tick ends with a ReservationReleased. SKU "poison"
raises after it has put a row. A location names a file to wait for, until it is gone.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog
from msgspec.structs import replace

from ops.clock import WallClock
from ops.logs import configure_logs
from ops.watch_parent import end_with_parent
from schemas.catalogue import record_names
from schemas.codec import Codec
from schemas.errors import TsunagiError
from schemas.events import ClockTick, Record, ReleaseReason, ReservationReleased, StockReserved, StockSold
from schemas.outgoing import Outgoing
from schemas.rows import Row
from streams.engine import app
from streams.engine.processor import Processor
from streams.worker import Worker, WorkerSettings
from tables.view import Table, View

CODEC = Codec({name: number for number, name in enumerate(record_names(), 1)}, lambda _: "")
HOLDS_A_TICK = 40
TOKEN = "a token for the engine's tests"


class CountRow(Row, frozen=True, array_like=True):
    """What was sold of a SKU."""

    count: int
    units: int


class HoldRow(Row, frozen=True, array_like=True):
    """A hold that ends by itself."""

    due_ms: int
    order_id: str


COUNTS = Table("counts", CountRow)
HOLDS = Table("holds", HoldRow, due=lambda row: row.due_ms)


@dataclass(frozen=True)
class Names:
    """Topics of one test; the processor's name gives the changelog's."""

    processor: str
    inputs: tuple[str, ...]
    output: str


def counting(names: Names) -> Processor:
    """The processor over a test's own topics."""

    def step(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        match record:
            case StockSold():
                return _sold(view, record)
            case StockReserved():
                view.put(HOLDS, record.sku, record.reservation_id, HoldRow(record.expires_at, record.order_id))
                return []
            case ClockTick():
                return _end_holds(view, record.up_to)
            case _:
                raise TypeError(type(record).__name__)

    def _sold(view: View, record: StockSold) -> list[Outgoing]:
        row = view.get(COUNTS, record.sku) or CountRow(0, 0)
        row = CountRow(row.count + 1, row.units + record.quantity)
        view.put(COUNTS, record.sku, "", row)
        if record.sku == "poison":
            raise ValueError(f"{record.location_id} cannot be counted")
        while record.location_id and Path(record.location_id).exists():
            time.sleep(0.01)
        return [Outgoing(names.output, record.sku, replace(record, quantity=row.count))]

    def _end_holds(view: View, up_to_ms: int) -> list[Outgoing]:
        out = []
        for sku, reservation, row in view.due(HOLDS, up_to_ms, HOLDS_A_TICK):
            view.delete(HOLDS, sku, reservation)
            released = ReservationReleased(
                reservation_id=reservation,
                order_id=row.order_id,
                sku=sku,
                location_id="",
                reason=ReleaseReason.EXPIRED,
                released_at=row.due_ms,
            )
            out.append(Outgoing(names.output, sku, released))
        return out

    return Processor(
        name=names.processor,
        inputs=names.inputs,
        outputs=(names.output,),
        tables=(COUNTS, HOLDS),
        step=step,
        clock_topic=names.inputs[0],
    )


@dataclass(frozen=True)
class Run:
    """What a worker process is told."""

    bootstrap: str
    application: str
    data_dir: str
    port: int
    session_seconds: float
    names: Names
    max_poll_seconds: float | None = None
    """Instead of minutes: how long aiokafka stays in a group without fetching."""

    def argument(self) -> str:
        """As one word of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> Run:
        """What ``argument`` has written."""
        told = json.loads(argument)
        names = told.pop("names")
        return cls(**told, names=Names(names["processor"], tuple(names["inputs"]), names["output"]))


async def _crash(worker: Worker) -> None:
    """What Faust does when its consumer gives up."""
    await worker._apps[0].crash(RuntimeError("the fetcher has ended"))


async def _run(run: Run) -> None:
    connection = {"bootstrap.servers": run.bootstrap, "log_level": 2}
    settings = WorkerSettings(
        application=run.application,
        bootstrap=run.bootstrap,
        connection=connection,
        faust_security={},
        data_dir=Path(run.data_dir),
        host="127.0.0.1",
        port=run.port,
        advertised_host="127.0.0.1",
        token=TOKEN,
        session_seconds=run.session_seconds,
    )
    worker = Worker(settings, [counting(run.names)], CODEC, WallClock(), {})
    worker.install_signal_handlers()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: loop.create_task(_crash(worker)))
    await worker.run()


def main() -> None:
    """A worker until SIGTERM; exit code 2 for a configuration it refuses, as ``tsunagi worker`` has it."""
    configure_logs("info", process="worker")
    end_with_parent()
    run = Run.from_argument(sys.argv[1])
    if run.max_poll_seconds is not None:
        setattr(app, "_MAX_POLL_SECONDS", run.max_poll_seconds)  # noqa: B010 - private, and mypy need not know
        setattr(app, "_KEEP_UP_SECONDS", run.max_poll_seconds / 4)  # noqa: B010
    try:
        asyncio.run(_run(run))
    except TsunagiError as error:
        structlog.get_logger().error("refused", problem=str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
