"""``tsunagi broker``: the embedded Kafka from a terminal.

Exit codes: 0 fine, 1 a finding (not running, refused), 2 usage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from ops.embedded_kafka import (
    KAFKA_VERSION,
    BrokerState,
    BrokerStatus,
    EmbeddedBroker,
    EmbeddedKafkaError,
    default_data_dir,
)

app = typer.Typer(
    name="broker", help=f"A Kafka {KAFKA_VERSION} of your own, without Docker or Java.", no_args_is_help=True
)

DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Where it keeps its data; by default in your user data directory.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def start(
    data_dir: DataDirOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="0: the one it used before, or a free one that it keeps.")
    ] = 0,
    repository: Annotated[
        str | None, typer.Option(help="Maven repository to fetch Kafka from, where the default one is out of reach.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start it, or find it running; it stays until `stop`."""
    with _errors_shown(as_json), _progress_bars() as report:
        broker = EmbeddedBroker(_dir(data_dir), port, report, detached=True, repository=repository)
        status = broker.start()
    _show(status, as_json)


@app.command()
def stop(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """End it, whoever started it; fine when it does not run."""
    with _errors_shown(as_json):
        status = EmbeddedBroker(_dir(data_dir)).stop()
    _show(status, as_json)


@app.command()
def status(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Say how it is; exit code 1 unless it runs."""
    with _errors_shown(as_json):
        found = EmbeddedBroker(_dir(data_dir)).status()
    _show(found, as_json)
    if found.state is not BrokerState.RUNNING:
        raise typer.Exit(1)


@app.command()
def wipe(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """Delete its topics and everything else it wrote; refused while it runs."""
    directory = _dir(data_dir)
    with _errors_shown(as_json):
        EmbeddedBroker(directory).wipe()
    if as_json:
        print(json.dumps({"wiped": str(directory)}))
    else:
        Console().print(f"Wiped {directory}", soft_wrap=True, highlight=False)


def _dir(data_dir: Path | None) -> Path:
    return (data_dir or default_data_dir()).expanduser().resolve()


def _show(status: BrokerStatus, as_json: bool) -> None:
    if as_json:
        print(json.dumps(status.as_dict()))
        return
    notes = Console(stderr=True)
    for notice in status.notices:
        notes.print(f"Note: {notice}", soft_wrap=True, highlight=False, markup=False)
    lines = [f"Kafka {status.kafka_version} is {status.state}"]
    if status.bootstrap:
        lines[0] += f" at {status.bootstrap}"
        memory = f"{status.rss_bytes / 1e6:.0f} MB" if status.rss_bytes is not None else "unknown"
        lines.append(f"process {status.pid}, memory {memory}, up {status.uptime_seconds or 0.0:.0f} s")
        lines.append(
            "stays until `tsunagi broker stop`" if status.detached else "ends with the process that started it"
        )
    if status.detail is not None:
        lines.append(status.detail)
    lines.append(f"data in {status.data_dir}")
    Console().print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)


@contextmanager
def _errors_shown(as_json: bool) -> Iterator[None]:
    try:
        yield
    except EmbeddedKafkaError as error:
        if as_json:
            print(json.dumps({"error": error.kind, "message": str(error)}))
        else:
            Console(stderr=True).print(f"Error: {error}", soft_wrap=True, highlight=False, markup=False)
        raise typer.Exit(1) from error


class _Bars:
    """One bar for what is being done; bytes and steps look the same."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done)


@contextmanager
def _progress_bars() -> Iterator[_Bars]:
    """Bars on stderr, so that stdout stays the answer; on a pipe they are silent."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield _Bars(progress)
