"""What the README shows is what is there: its rule, its event, its links and its make targets."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemas.events import PickupReady
from schemas.validation import parse_event

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
NOW_MS = 1_795_000_000_000


def test_the_rule_is_the_shipped_one() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert shown == (ROOT / "orchestration_rules/rules/pickup-ready.yaml").read_text()


def test_the_event_keeps_the_contract() -> None:
    (body,) = re.findall(r"-d '(\{.*?\n\})'", README, re.DOTALL)
    raw = json.loads(re.sub(r"'\"\$\(date.*?\)\"'", "2026-11-01T10:00:00Z", body))
    assert isinstance(parse_event(raw, NOW_MS), PickupReady)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= targets


def test_the_result_shown_has_the_settled_keys_and_no_loss() -> None:
    (shown,) = re.findall(r"<!-- demo:begin -->\n```text\n(.*?)```", README, re.DOTALL)
    for name in ("lost", "duplicated", "wrong", "delivered twice"):
        (value,) = re.findall(rf"^\s*{name}\s+(\d+)\s*$", shown, re.MULTILINE)
        assert value == "0"
