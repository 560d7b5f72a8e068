"""``tsunagi rules publish``: check a folder of rules and make it the active ruleset of every partition at once.

Exit codes: 0 active, 1 a finding or no broker or registry, 2 usage.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestration_rules.loader import PACKAGED, Loaded, load

MAX_CONTENTS_BYTES = 950_000
"""A ruleset travels in one record, and librdkafka sends none above 1,000,000 bytes; the rest is for who and why."""


def publish(
    by: Annotated[str, typer.Option(help="Who publishes: a person or a pipeline; kept in the log.")],
    reason: Annotated[str, typer.Option(help="Why, in a few words; kept in the log.")],
    rules: Annotated[
        Path, typer.Option(help="Folder of rules; by default the packaged ones.", exists=True, file_okay=False)
    ] = PACKAGED,
    kafka: Annotated[
        str, typer.Option("--kafka", envvar="TSUNAGI_KAFKA", help="Bootstrap servers.")
    ] = "127.0.0.1:9092",
    registry: Annotated[
        str, typer.Option("--registry", envvar="TSUNAGI_REGISTRY", help="Schema registry.")
    ] = "http://127.0.0.1:8081",
    clock: Annotated[
        str, typer.Option(envvar="TSUNAGI_CLOCK", help="The deployment's clock, as its workers have it.")
    ] = "wall",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check a folder, and make it the active ruleset of every partition at once."""
    _needed(by, "--by")
    _needed(reason, "--reason")
    loaded = load(rules)
    findings = [{"file": found.file, "line": found.line, "message": found.message} for found in loaded.findings]
    if loaded.ruleset is not None and len(loaded.ruleset.contents()) > MAX_CONTENTS_BYTES:
        findings.append({"file": ".", "line": 1, "message": _too_large(len(loaded.ruleset.contents()))})
    if loaded.ruleset is None or findings:
        _refuse(findings, rules, as_json)
        raise typer.Exit(1)
    _activate(loaded, kafka, registry, clock, by, reason)
    if as_json:
        print(json.dumps({"hash": loaded.ruleset.hash, "rules": len(loaded.rules), "findings": []}))
    else:
        _say(f"{len(loaded.rules)} rules are active in every partition. Ruleset {loaded.ruleset.hash}")


def mount(app: typer.Typer) -> None:
    """Add the command to ``tsunagi rules``."""
    app.command(name="publish")(publish)


def _activate(loaded: Loaded, kafka: str, registry: str, clock: str, by: str, reason: str) -> None:
    from ops.clock import clock_from  # noqa: PLC0415 - a folder with mistakes is told without a broker's client
    from ops.rulesets import publish_ruleset  # noqa: PLC0415
    from ops.settings import KafkaSettings  # noqa: PLC0415

    assert loaded.ruleset is not None
    settings = KafkaSettings(kafka=kafka)
    now_ms = clock_from(clock).now_ms()
    publish_ruleset(
        loaded.ruleset, settings.connection, registry, now_ms, by=by, reason=reason, application=settings.application
    )


def _needed(text: str, option: str) -> None:
    if not text.strip():
        raise typer.BadParameter("say it in a few words: it is kept in the log", param_hint=option)


def _too_large(size: int) -> str:
    return (
        f"the ruleset is {size:,} bytes compressed, a record carries at most {MAX_CONTENTS_BYTES:,}: "
        "take rules or templates out, or split the deployment by brand"
    )


def _refuse(findings: list[dict[str, Any]], folder: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"hash": None, "findings": findings}, ensure_ascii=False))
        return
    for found in findings:
        _say(f"{folder / found['file']}:{found['line']}: {found['message']}")
    _say("Nothing was published; running workers keep the last good ruleset.")


def _say(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)
