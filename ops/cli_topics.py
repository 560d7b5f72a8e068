"""``tsunagi topics``: the declared topics and a broker, compared and made the same.

Exit codes: 0 in order, 1 a finding (something differs, or no broker answers), 2 usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from ops.settings import KafkaSettings
from ops.topics import TopicsReport, apply_topics, diff_topics
from schemas.errors import TsunagiError

app = typer.Typer(name="topics", help="The topics of schemas/topics on a Kafka.", no_args_is_help=True)

BootstrapOption = Annotated[
    str, typer.Option("--bootstrap", "--kafka", envvar="TSUNAGI_KAFKA", help="HOST:PORT of a broker.")
]
PartitionsOption = Annotated[
    int | None, typer.Option(min=1, help="For small brokers: this many, where more than one are declared.")
]
ReplicationOption = Annotated[
    int | None, typer.Option("--replication-factor", min=1, help="For new topics; the broker's default if not given.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def diff(
    bootstrap: BootstrapOption,
    partitions: PartitionsOption = None,
    replication_factor: ReplicationOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is missing or different; change nothing."""
    _run(
        lambda: diff_topics(
            bootstrap, partitions, replication_factor=replication_factor, client_settings=_connection(bootstrap)
        ),
        as_json,
    )


@app.command()
def apply(
    bootstrap: BootstrapOption,
    partitions: PartitionsOption = None,
    replication_factor: ReplicationOption = None,
    allow_destructive: Annotated[
        bool, typer.Option("--allow-destructive", help="Also set what makes the broker delete records.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create what is missing and set what differs, except what would delete records."""
    _run(
        lambda: apply_topics(
            bootstrap,
            partitions,
            replication_factor=replication_factor,
            allow_destructive=allow_destructive,
            client_settings=_connection(bootstrap),
        ),
        as_json,
    )


def _connection(bootstrap: str) -> dict[str, str]:
    """Security of the brokers comes from the environment, as for the workers."""
    return KafkaSettings(kafka=bootstrap).connection


def _run(work: Callable[[], TopicsReport], as_json: bool) -> None:
    try:
        report = work()
    except TsunagiError as error:
        if as_json:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        else:
            Console(stderr=True).print(f"Error: {error}", soft_wrap=True, highlight=False, markup=False)
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        _show(report)
    if not report.in_order:
        raise typer.Exit(1)


def _show(report: TopicsReport) -> None:
    lines = [f"[green]created[/]  {name}" for name in report.created]
    lines += [f"[yellow]missing[/]  {name}" for name in report.missing]
    for change in report.changes:
        done = "[green]set[/]    " if change.applied else "[yellow]differs[/]"
        note = "" if change.applied or not change.destructive else "; deletes records: only with --allow-destructive"
        lines.append(
            f"{done}  {change.topic} {change.key}: {escape(str(change.actual))} -> {escape(change.expected)}{note}"
        )
    lines += [f"[red]refused[/]  {mismatch.why}" for mismatch in report.refused]
    lines += [f"[dim]unknown[/]  {escape(name)} (no file in schemas/topics; left alone)" for name in report.unknown]
    if report.in_order:
        lines.append(f"The topics at {report.bootstrap} are as declared.")
    Console().print("\n".join(lines), soft_wrap=True, highlight=False)
