"""``tsunagi dlq``: records that could not be processed. Exit codes: 0 fine, 1 a finding, 2 usage."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ops.contracts import resolve_codec
from ops.dead_letters import Letter, find_letter, read_letters, replay_letters
from ops.settings import KafkaSettings

app = typer.Typer(name="dlq", help="Dead letters: list, show, replay.", no_args_is_help=True)
_out = Console(highlight=False)

KafkaOption = Annotated[str, typer.Option("--kafka", envvar="TSUNAGI_KAFKA", help="Bootstrap servers.")]
RegistryOption = Annotated[str, typer.Option("--registry", envvar="TSUNAGI_REGISTRY", help="Schema registry.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(
    kafka: KafkaOption = "127.0.0.1:9092",
    registry: RegistryOption = "http://127.0.0.1:8081",
    as_json: JsonOption = False,
) -> None:
    """What is there, oldest first in each partition; exit code 1 when there is any."""
    letters = list(read_letters(KafkaSettings(kafka=kafka).connection, resolve_codec(registry)))
    if as_json:
        typer.echo(json.dumps([_summary(letter) for letter in letters]))
    else:
        table = Table("id", "when", "processor", "reason", "from", "error")
        for letter in letters:
            record = letter.record
            when = datetime.fromtimestamp(record.failed_at / 1000, UTC).isoformat(timespec="seconds")
            origin = f"{record.topic}[{record.partition}]@{record.offset}"
            table.add_row(letter.id, when, record.processor, record.reason, origin, record.error)
        _out.print(table if letters else "no dead letters")
    raise typer.Exit(1 if letters else 0)


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(help="As `dlq list` shows it.")],
    kafka: KafkaOption = "127.0.0.1:9092",
    registry: RegistryOption = "http://127.0.0.1:8081",
) -> None:
    """One dead letter with its bytes (base64) and a bug's traceback. The bytes may hold personal data."""
    letter = find_letter(KafkaSettings(kafka=kafka).connection, resolve_codec(registry), letter_id)
    record = letter.record
    whole = _summary(letter) | {
        "traceback": record.traceback,
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "value_base64": None if record.value is None else base64.b64encode(record.value).decode(),
    }
    typer.echo(json.dumps(whole, indent=2, ensure_ascii=False))


@app.command()
def replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(help="As `dlq list` shows them.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every dead letter that is retained.")] = False,
    kafka: KafkaOption = "127.0.0.1:9092",
    registry: RegistryOption = "http://127.0.0.1:8081",
) -> None:
    """Send records back to where they came from, once their cause is mended."""
    if bool(letter_ids) == all_:
        raise typer.BadParameter("name dead letters, or give --all")
    connection = KafkaSettings(kafka=kafka).connection
    codec = resolve_codec(registry)
    wanted = set(letter_ids or [])
    letters = [letter for letter in read_letters(connection, codec) if all_ or letter.id in wanted]
    missing = wanted - {letter.id for letter in letters}
    if missing:
        raise typer.BadParameter(f"no dead letter {', '.join(sorted(missing))}: see `tsunagi dlq list`")
    sent = replay_letters(connection, letters, time.time_ns() // 1_000_000)
    typer.echo(f"{sent} records sent back; `tsunagi dlq list` shows what fails again as a new letter")


def _summary(letter: Letter) -> dict[str, Any]:
    record = letter.record
    return {
        "id": letter.id,
        "failed_at": record.failed_at,
        "processor": record.processor,
        "reason": record.reason,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "error": record.error,
    }
