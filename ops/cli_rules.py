"""``tsunagi rules``: rules as code: checked, tested, listed. Exit codes: 0 fine, 1 a finding, 2 usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from orchestration_rules import rule_schema
from orchestration_rules.loader import PACKAGED, Loaded, load
from orchestration_rules.model import Rule
from orchestration_rules.scenarios import Result, run_file, uncovered

app = typer.Typer(name="rules", help="Rules as code: check, test, list.", no_args_is_help=True)

RulesOption = Annotated[
    Path,
    typer.Option("--rules", help="Folder of rules; by default the packaged ones.", exists=True, file_okay=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def check(rules: RulesOption = PACKAGED, as_json: JsonOption = False) -> None:
    """Find mistakes: each with file, line, what was expected and what was found."""
    loaded = load(rules)
    if as_json:
        _print_json({"rules": len(loaded.rules), "hash": _hash(loaded), "findings": _findings(loaded)})
    else:
        _show_findings(loaded, rules)
        if loaded.ruleset is not None:
            _say(f"{len(loaded.rules)} rules, {_count_scenarios(loaded)} scenarios: fine. Ruleset {_hash(loaded)}")
    if loaded.findings:
        raise typer.Exit(1)


@app.command(name="test")
def run_scenarios(rules: RulesOption = PACKAGED, as_json: JsonOption = False) -> None:
    """Run the scenarios of every rule through the same step that workers run, on a virtual clock."""
    from streams.processors.customer import step  # noqa: PLC0415 - check and list work without the stream processors

    loaded = load(rules)
    results: list[Result] = []
    if loaded.ruleset is not None:
        for file in loaded.scenarios:
            results += run_file(loaded.ruleset, file, step)
    failures = [result for result in results if not result.passed]
    missing = [
        {"rule": rule.rule, "missing": what} for rule in loaded.rules for what in uncovered(rule.rule, loaded.scenarios)
    ]
    if as_json:
        _print_json(
            {
                "rules": len(loaded.rules),
                "scenarios": len(results),
                "passed": len(results) - len(failures),
                "failed": len(failures),
                "uncovered": missing,
                "failures": [
                    {"rule": failure.rule, "scenario": failure.scenario, "difference": list(failure.difference)}
                    for failure in failures
                ],
                "findings": _findings(loaded),
            }
        )
    else:
        _show_findings(loaded, rules)
        for result in results:
            _say(str(result))
        if loaded.ruleset is not None:
            _say(f"{len(results)} scenarios of {len(loaded.rules)} rules: {len(failures)} failed.")
    if loaded.findings or failures or missing:
        raise typer.Exit(1)


@app.command(name="list")
def list_rules(rules: RulesOption = PACKAGED, as_json: JsonOption = False) -> None:
    """The rules of a folder, what starts them and what they send."""
    loaded = load(rules)
    if as_json:
        _print_json({"rules": [_entry(rule) for rule in loaded.rules], "findings": _findings(loaded)})
    else:
        for rule in loaded.rules:
            entry = _entry(rule)
            waits = f", waits {entry['wait']}" if entry["wait"] else ""
            _say(f"{rule.rule} (version {rule.version}, {rule.purpose}): {rule.title}")
            _say(f"    starts with {', '.join(entry['trigger'])}{waits}, sends by {', '.join(entry['channels'])}")
        _show_findings(loaded, rules)
    if loaded.findings:
        raise typer.Exit(1)


@app.command()
def schema(
    fresh: Annotated[bool, typer.Option("--check", help="Write nothing; fail when the file is stale.")] = False,
) -> None:
    """Write the JSON Schema of rule files, which makes editors complete and check them."""
    path = PACKAGED / rule_schema.FILE_NAME
    text = rule_schema.rendered()
    if not fresh:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        _say(f"{path.name} is stale: run `tsunagi rules schema`")
        raise typer.Exit(1)


def _entry(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.rule,
        "title": rule.title,
        "version": rule.version,
        "purpose": rule.purpose,
        "brand": rule.brand,
        "trigger": list(rule.trigger.event),
        "wait": rule.wait.for_ if rule.wait else None,
        "channels": list(rule.send.channels),
        "template": rule.send.template,
        "cap": rule.cap,
    }


def _hash(loaded: Loaded) -> str | None:
    return loaded.ruleset.hash if loaded.ruleset else None


def _count_scenarios(loaded: Loaded) -> int:
    return sum(len(file.scenarios) for file in loaded.scenarios)


def _findings(loaded: Loaded) -> list[dict[str, Any]]:
    return [{"file": found.file, "line": found.line, "message": found.message} for found in loaded.findings]


def _show_findings(loaded: Loaded, folder: Path) -> None:
    for finding in loaded.findings:
        _say(str(folder / str(finding)))
    if loaded.findings:
        count = len(loaded.findings)
        _say(f"{count} {'mistake' if count == 1 else 'mistakes'}; running workers keep the last good ruleset.")


def _say(text: str) -> None:
    Console().print(text, soft_wrap=True, highlight=False, markup=False)


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))
