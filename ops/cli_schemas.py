"""``tsunagi schemas``: the contract checked, published and documented.

Exit codes: 0 fine, 1 a finding (incompatible, stale, refused, registry away), 2 usage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from schemas import docs as pages
from schemas.catalogue import ROOT, channels, record_names, resolve, topics
from schemas.compatibility import Incompatibility
from schemas.compatibility import check as incompatibilities
from schemas.errors import TsunagiError
from schemas.history import publish as write_version
from schemas.history import published, stray_files, unpublished

app = typer.Typer(name="schemas", help="Events, actions and topics as a contract.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_PAGE = ROOT.parent / "docs" / "events.md"


@app.command()
def check(as_json: JsonOption = False) -> None:
    """Refuse changes that break a reader or a sender, and say which, where and what to do instead."""
    with _errors_shown(as_json):
        findings, strays, waiting = _findings()
    if as_json:
        report = {"records": len(record_names()), "findings": findings, "files": strays, "unpublished": waiting}
        print(json.dumps(report))
    else:
        _show(findings, strays)
        if waiting:
            _say(f"Not published yet: {', '.join(waiting)}. Run `tsunagi schemas publish` when they are final.")
        if not findings and not strays:
            _say(f"{len(record_names())} record types, {len(topics())} topics, {len(channels())} channels: fine.")
    if findings or strays:
        raise typer.Exit(1)


@app.command()
def publish(
    registry: Annotated[
        str | None, typer.Option(help="http://HOST:PORT of a Confluent-compatible schema registry.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the next published version of each changed schema; with --registry, register all versions there."""
    with _errors_shown(as_json):
        findings, strays, waiting = _findings()
        if findings or strays:
            if as_json:
                print(json.dumps({"findings": findings, "files": strays, "published": [], "registered": []}))
            else:
                _show(findings, strays)
                _say("Nothing was published.")
            raise typer.Exit(1)
        written = [str(write_version(name).relative_to(ROOT)) for name in waiting]
        registered = _register(registry) if registry is not None else []
    refused = [entry for entry in registered if entry["id"] is None]
    if as_json:
        print(json.dumps({"findings": [], "files": [], "published": written, "registered": registered}))
    else:
        for path in written:
            _say(f"published schemas/{path}")
        for entry in refused:
            _say(f"refused   {entry['subject']} version {entry['version']}: {entry['refused']}")
        if registry is not None:
            subjects = {entry["subject"] for entry in registered}
            _say(f"{len(registered) - len(refused)} versions of {len(subjects)} subjects are registered.")
        elif not written:
            _say("Every schema is published as it is.")
    if refused:
        raise typer.Exit(1)


@app.command()
def docs(
    output: Annotated[Path, typer.Option(help="The page to write.")] = _PAGE,
    fresh: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the page is stale.")] = False,
) -> None:
    """Write the page of all events."""
    with _errors_shown(as_json=False):
        text = pages.render()
    if not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder", param_hint="--output")
    if not fresh:
        output.write_text(text)
    elif not output.exists() or output.read_text() != text:
        _say(f"{output.name} is stale: run `tsunagi schemas docs`")
        raise typer.Exit(1)


def _findings() -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Findings (each once, with the records it is in), sentences about files, record types that wait for publishing."""
    records: dict[Incompatibility, list[str]] = {}
    for name in record_names():
        for finding in incompatibilities(name, resolve(name), published(name)):
            records.setdefault(replace(finding, record=""), []).append(name)
    topics()
    findings = [
        {key: value for key, value in asdict(finding).items() if key != "record"}
        | {"records": names, "text": str(finding)}
        for finding, names in records.items()
    ]
    return findings, list(stray_files()), list(unpublished())


def _register(registry: str) -> list[dict[str, Any]]:
    from ops.contracts import register_published  # noqa: PLC0415 - half a second of imports only this command needs

    return [asdict(entry) for entry in register_published(registry)]


def _show(findings: list[dict[str, Any]], strays: list[str]) -> None:
    for finding in findings:
        records = finding["records"]
        also = f" [in {', '.join(records[:4])}{', ...' if len(records) > 4 else ''}]" if len(records) > 1 else ""
        _say(f"{finding['text']}{also}")
    for sentence in strays:
        _say(sentence)


def _say(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)


@contextmanager
def _errors_shown(as_json: bool) -> Iterator[None]:
    try:
        yield
    except TsunagiError as error:
        if as_json:
            print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        else:
            Console(stderr=True).print(f"Error: {error}", soft_wrap=True, highlight=False, markup=False)
        raise typer.Exit(1) from error
