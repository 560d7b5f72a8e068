"""``tsunagi event``: try an event before a channel sends it. Exit codes: 0 fine, 1 a finding, 2 usage."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.http_client import DEFAULT_URL, KeyOption, UrlOption, call
from schemas.errors import InvalidInput
from schemas.validation import parse_event

app = typer.Typer(name="event", help="Validate and send events by hand.", no_args_is_help=True)

FileArgument = Annotated[
    typer.FileText, typer.Argument(help="JSON: one event or an array; - reads standard input.", metavar="FILE")
]


@app.command()
def validate(file: FileArgument) -> None:
    """Check events against the contract without sending them."""
    events = _events(file)
    wrong = 0
    for index, raw in enumerate(events):
        try:
            parse_event(raw, time.time_ns() // 1_000_000)
        except InvalidInput as error:
            wrong += 1
            typer.echo(f"event {index}: {error}", err=True)
            for field in error.errors:
                hint = f" ({field.expected})" if field.expected else ""
                typer.echo(f"  {field.field}: {field.message}{hint}", err=True)
    typer.echo(f"{len(events) - wrong} of {len(events)} events are valid")
    raise typer.Exit(1 if wrong else 0)


@app.command()
def send(file: FileArgument, key: KeyOption, url: UrlOption = DEFAULT_URL) -> None:
    """Send events through the gateway; it answers once Kafka has them."""
    answer = call("POST", f"{url.rstrip('/')}/v1/events", key, _events(file))
    typer.echo(json.dumps(answer))


def _events(file: typer.FileText) -> list[Any]:
    name = Path(file.name).name
    try:
        found = json.load(file)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from error
    return found if isinstance(found, list) else [found]
