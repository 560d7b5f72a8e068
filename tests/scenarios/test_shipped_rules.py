"""The rules that come with Tsunagi, through the scenarios beside them."""

from __future__ import annotations

import pytest

from orchestration_rules.loader import load
from orchestration_rules.scenario_file import ScenarioFile
from orchestration_rules.scenarios import run_file, uncovered
from streams.processors.customer import step

LOADED = load()


def test_the_shipped_rules_have_no_mistakes() -> None:
    assert [str(finding) for finding in LOADED.findings] == []
    assert [rule.rule for rule in LOADED.rules] == ["abandoned-cart", "pickup-ready", "thank-you-after-call"]


@pytest.mark.parametrize("file", LOADED.scenarios, ids=lambda file: file.rule)
def test_every_scenario_holds(file: ScenarioFile) -> None:
    assert LOADED.ruleset is not None
    results = run_file(LOADED.ruleset, file, step)
    assert len(results) == len(file.scenarios)
    assert [str(result) for result in results if not result.passed] == []


@pytest.mark.parametrize("rule", [rule.rule for rule in LOADED.rules])
def test_every_rule_is_shown_firing_and_silent_several_times(rule: str) -> None:
    assert uncovered(rule, LOADED.scenarios) == []
    scenarios = [scenario for file in LOADED.scenarios if file.rule == rule for scenario in file.scenarios]
    assert sum(scenario.fires for scenario in scenarios) >= 2
    assert sum(not scenario.fires for scenario in scenarios) >= 4
