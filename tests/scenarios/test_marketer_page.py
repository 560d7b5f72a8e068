"""The marketers' page says the truth: its rule is accepted, its scenarios hold, its mistakes look as shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from orchestration_rules.conditions import check_names, compile_condition
from orchestration_rules.loader import PACKAGED, load
from orchestration_rules.model import Rule
from orchestration_rules.reasons import SuppressionReason
from orchestration_rules.scenarios import run_file
from orchestration_rules.shapes import events_shape, state_shapes
from streams.processors.customer import step

PAGE = (PACKAGED.parent / "docs/marketer/writing-a-rule.md").read_text(encoding="utf-8")
FILES = {found[1]: found[0] for found in re.findall(r"```yaml\n(# (\S+)\n.*?)```", PAGE, re.DOTALL)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The packaged rules, as the page copies them, and the page's own files."""
    for name in ("rules", "templates"):
        shutil.copytree(PACKAGED / name, tmp_path / name)
    for name in ("brands.yaml", "caps.yaml"):
        shutil.copy(PACKAGED / name, tmp_path / name)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_rule_of_the_page_works(folder: Path) -> None:
    assert len(FILES) == 4
    loaded = load(folder)
    assert [str(finding) for finding in loaded.findings] == []
    assert loaded.ruleset is not None
    file = next(file for file in loaded.scenarios if file.rule == "order-waits-here")
    results = run_file(loaded.ruleset, file, step)
    assert [str(result) for result in results if not result.passed] == []
    assert len(results) == 4


def test_the_mistake_of_the_page_looks_as_shown(folder: Path) -> None:
    rule = folder / "rules/order-waits-here.yaml"
    rule.write_text(FILES["rules/order-waits-here.yaml"].replace("StoreCheckedIn", "StoreCheckIn"), encoding="utf-8")
    (finding,) = load(folder).findings
    assert f"my-rules/{finding}" in PAGE


def test_the_difference_of_the_page_looks_as_shown(folder: Path) -> None:
    scenarios = folder / "rules/order-waits-here.scenarios.yaml"
    text = FILES["rules/order-waits-here.scenarios.yaml"]
    scenarios.write_text(text.replace(", {type: phone, value: 090-1234-5678}", ""), encoding="utf-8")
    loaded = load(folder)
    assert loaded.ruleset is not None
    file = next(file for file in loaded.scenarios if file.rule == "order-waits-here")
    shown = str(run_file(loaded.ruleset, file, step)[0]).splitlines()[:4]
    assert "\n".join(shown) in PAGE


def test_the_conditions_of_the_page_are_conditions() -> None:
    block = re.search(r"```\n(cart\.units > 0\n.*?)```", PAGE, re.DOTALL)
    assert block is not None
    roots = {"event": events_shape(["OrderPlaced"]), **state_shapes()}
    for line in block[1].splitlines():
        assert check_names(compile_condition(line), roots) == [], line


def test_every_reason_and_every_field_of_a_rule_is_explained() -> None:
    explained = set(re.findall(r"^\| `([A-Za-z_]+)` \|", PAGE, re.MULTILINE))
    assert explained >= {reason.value for reason in SuppressionReason}
    assert explained >= set(Rule.model_fields) - {"title", "version"}
