"""``tsunagi rules``: what it prints, what it exits with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli_rules import app
from orchestration_rules import rule_schema
from orchestration_rules.loader import PACKAGED


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def told(*arguments: str) -> tuple[int, dict[str, Any]]:
    code, output = invoke(*arguments, "--json")
    value = json.loads(output)
    assert isinstance(value, dict)
    return code, value


def test_the_packaged_rules_are_fine() -> None:
    code, report = told("check")
    assert (code, report["rules"], report["findings"]) == (0, 3, [])
    code, output = invoke("check")
    assert code == 0
    assert f"Ruleset {report['hash']}" in output
    code, report = told("test")
    assert code == 0
    assert report["scenarios"] == report["passed"] >= 30
    assert (report["rules"], report["failed"], report["uncovered"], report["failures"]) == (3, 0, [], [])


def test_list_says_what_starts_a_rule_and_what_it_sends() -> None:
    code, report = told("list")
    assert code == 0
    assert report["rules"][1] == {
        "rule": "pickup-ready",
        "title": "Tells the customer that the order can be collected at the store",
        "version": 1,
        "purpose": "service",
        "brand": "all",
        "trigger": ["PickupReady"],
        "wait": None,
        "channels": ["line", "sms", "email"],
        "template": "pickup-ready",
        "cap": None,
    }
    _, output = invoke("list")
    assert "abandoned-cart (version 1, marketing): Reminds of a cart that was left" in output
    assert "waits PT1H, sends by line, email, sms" in output


def test_a_mistake_exits_1_with_file_and_line(folder: Path) -> None:
    rule = folder / "rules/pickup-ready.yaml"
    rule.write_text(rule.read_text(encoding="utf-8").replace("quiet: hold", "quiet: holt"), encoding="utf-8")
    code, output = invoke("check", "--rules", str(folder))
    assert code == 1
    assert f"{folder}/rules/pickup-ready.yaml:18: quiet: expected 'hold', 'drop' or 'ignore', found 'holt'" in output
    assert "running workers keep the last good ruleset" in output
    for command in ("check", "test", "list"):
        code, report = told(command, "--rules", str(folder))
        assert code == 1
        assert [(found["file"], found["line"]) for found in report["findings"]] == [("rules/pickup-ready.yaml", 18)]


def test_a_scenario_that_fails_exits_1_and_shows_the_difference(folder: Path) -> None:
    rule = folder / "rules/thank-you-after-call.yaml"
    rule.write_text(rule.read_text(encoding="utf-8").replace("quiet: hold", "quiet: drop"), encoding="utf-8")
    code, report = told("test", "--rules", str(folder))
    assert (code, report["failed"]) == (1, 4)
    assert report["passed"] == report["scenarios"] - 4
    assert {failure["rule"] for failure in report["failures"]} == {"thank-you-after-call"}
    assert report["failures"][0]["difference"][1].startswith(
        "+ 21:10 SUPPRESSED QUIET_HOURS (quiet 21:00-09:00 Asia/Tokyo"
    )
    code, output = invoke("test", "--rules", str(folder))
    assert code == 1
    assert "FAIL thank-you-after-call: not at night, but in the morning" in output
    assert "outcome: expected HELD, found SUPPRESSED" in output


def test_an_uncovered_rule_is_told(folder: Path) -> None:
    scenarios = folder / "rules/pickup-ready.scenarios.yaml"
    head, _, _ = scenarios.read_text(encoding="utf-8").partition("  - name: told by text message")
    scenarios.write_text(head, encoding="utf-8")
    code, report = told("test", "--rules", str(folder))
    assert code == 1
    assert report["uncovered"] == [{"rule": "pickup-ready", "missing": "stays silent"}]


def test_a_folder_that_is_not_there_is_usage() -> None:
    assert invoke("check", "--rules", "/nonexistent/rules")[0] == 2
    assert invoke("chek")[0] == 2


def test_schema_check_fails_when_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert invoke("schema", "--check")[0] == 0
    monkeypatch.setattr("ops.cli_rules.PACKAGED", tmp_path)
    code, output = invoke("schema", "--check")
    assert code == 1
    assert "run `tsunagi rules schema`" in output
    assert invoke("schema")[0] == 0
    assert (tmp_path / rule_schema.FILE_NAME).read_bytes() == (PACKAGED / rule_schema.FILE_NAME).read_bytes()
    assert invoke("schema", "--check")[0] == 0
