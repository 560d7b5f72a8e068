"""``tsunagi keys``: API keys of the gateway. The file holds hashes; a key is shown once, when it is made.

Exit codes: 0 fine, 1 refused (id taken, no such role, file wrong), 2 usage. A running gateway reads the file again
within a second.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from connectors.gateway.auth import create_key, load_keys
from schemas.errors import ConfigurationError

app = typer.Typer(name="keys", help="API keys of the gateway.", no_args_is_help=True)

FileOption = Annotated[Path, typer.Option("--file", help="The gateway's keys file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DEFAULT_FILE = Path(".tsunagi/keys.yaml")


@app.command()
def create(
    key_id: Annotated[str, typer.Option("--id", help="Who holds it, e.g. app-team: lower case, digits, dashes.")],
    role: Annotated[list[str], typer.Option("--role", help="read, operate or produce:<channel>; repeat for several.")],
    file: FileOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, once."""
    try:
        key = create_key(file, key_id, role)
    except ConfigurationError as error:
        _refuse(error, as_json)
    if as_json:
        print(json.dumps({"id": key_id, "roles": sorted(set(role)), "key": key, "file": str(file)}))
        return
    # The key alone goes to stdout, so that it can be piped into a secret store.
    Console(stderr=True).print(
        f"Key of {key_id} ({', '.join(sorted(set(role)))}), shown this once; {file} holds its hash:",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    print(key)


@app.command("list")
def list_keys(file: FileOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Show who holds a key and what it may do; never a key."""
    try:
        keys = load_keys(file)
    except ConfigurationError as error:
        _refuse(error, as_json)
    if as_json:
        print(json.dumps({"keys": [{"id": key.id, "roles": sorted(key.roles)} for key in keys]}))
        return
    table = Table("id", "roles")
    for key in keys:
        table.add_row(key.id, ", ".join(sorted(key.roles)))
    Console().print(table)


def _refuse(error: ConfigurationError, as_json: bool) -> NoReturn:
    if as_json:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
    else:
        Console(stderr=True).print(f"Error: {error}", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1) from error
