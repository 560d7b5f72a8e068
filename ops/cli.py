"""``tsunagi``: one command for everything. Exit codes: 0 fine, 1 a finding, 2 usage or configuration."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ops.watch_parent import end_with_parent
from schemas.errors import ConfigurationError, TsunagiError

app = typer.Typer(
    name="tsunagi",
    help="Tsunagi: what happens in one channel causes the right thing in another.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_errors = Console(stderr=True, highlight=False)


@app.command()
def up(
    broker: Annotated[str, typer.Option(help="`embedded`, or HOST:PORT of a Kafka that is there.")] = "embedded",
    registry: Annotated[str | None, typer.Option(help="Schema registry; without it an embedded one is served.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept; by default .tsunagi here.")] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of gateway and console; 0 takes a free one.")
    ] = 8080,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    rules: Annotated[Path | None, typer.Option(help="Folder of rules; by default the packaged ones.")] = None,
) -> None:
    """Everything of one machine in one terminal: Kafka, registry, gateway, workers. Ctrl-C ends it in order."""
    from ops.up import up as run  # noqa: PLC0415 - each command loads only what it needs

    asyncio.run(
        run(
            broker=broker,
            registry=registry,
            data_dir=(data_dir or Path(".tsunagi")).absolute(),
            port=port,
            workers=workers,
            rules=rules,
        )
    )


@app.command()
def worker(
    processors: Annotated[
        list[str] | None, typer.Argument(help="identity, customer, inventory, delivery; all when none is named.")
    ] = None,
) -> None:
    """Stream processors, as run in production; settings come from the environment (TSUNAGI_...)."""
    from ops.logs import configure_logs  # noqa: PLC0415
    from ops.run_worker import run_worker  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415

    settings = load()
    configure_logs(settings.log_level, process="worker")
    end_with_parent()
    asyncio.run(run_worker(settings, processors or []))


@app.command()
def gateway() -> None:
    """The front door, as run in production; settings come from the environment (TSUNAGI_...)."""
    from ops.logs import configure_logs  # noqa: PLC0415
    from ops.run_gateway import run_gateway  # noqa: PLC0415
    from ops.settings import load  # noqa: PLC0415

    settings = load()
    configure_logs(settings.log_level, process="gateway")
    end_with_parent()
    asyncio.run(run_gateway(settings))


@app.command()
def demo(
    input_: Annotated[str, typer.Option("--input", help="story, tpcds or all.")] = "all",
    customers: Annotated[int, typer.Option(min=1, max=30_000, help="TPC-DS customers.")] = 500,
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="TPC-DS events a second at the most.")] = 1_500,
    seed: Annotated[int, typer.Option(min=0, help="Which customers, and what is derived around them.")] = 1,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the console; 0 takes a free one.")] = 0,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes.")] = 1,
    speed: Annotated[
        float, typer.Option(min=0.1, max=10, help="How fast the story is told; 2 is twice as fast.")
    ] = 1.0,
    exit_: Annotated[bool, typer.Option("--exit", help="End by itself when everything is checked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """A retailer's week through the front door, on a real Kafka, narrated live; then the checks."""
    from ops.demo.run import DemoOptions, run_demo  # noqa: PLC0415

    if input_ not in ("story", "tpcds", "all"):
        raise typer.BadParameter(f"{input_!r} is not an input: story, tpcds or all", param_hint="--input")
    options = DemoOptions(
        input=input_,
        customers=customers,
        rate=rate,
        seed=seed,
        port=port,
        workers=workers,
        speed=speed,
        exit=exit_,
        as_json=as_json,
    )
    raise typer.Exit(asyncio.run(run_demo(options)))


def _add_groups() -> None:
    from ops import (  # noqa: PLC0415
        cli_broker,
        cli_dlq,
        cli_event,
        cli_keys,
        cli_rules,
        cli_rules_publish,
        cli_schemas,
        cli_show,
        cli_topics,
    )

    cli_rules_publish.mount(cli_rules.app)
    for module in (cli_broker, cli_topics, cli_schemas, cli_rules, cli_event, cli_dlq, cli_keys):
        app.add_typer(module.app)
    for group in cli_show.groups:
        app.add_typer(group)


def main() -> None:
    """The console script."""
    if not {"worker", "gateway"} & set(sys.argv[1:2]):
        _add_groups()
    try:
        app()
    except ConfigurationError as error:
        _errors.print(f"[red]error:[/red] {error}")
        sys.exit(2)
    except TsunagiError as error:
        _errors.print(f"[red]error:[/red] {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
