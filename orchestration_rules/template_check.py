"""Renders a template with made-up values before any customer does: once with every field, once with only those that
are always there. What fails then would be TEMPLATE_FAILED for a customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from orchestration_rules.conditions import ConditionError, compile_condition
from orchestration_rules.model import Rule
from orchestration_rules.shapes import Kind, Shape, brand_shape, sample, state_shapes
from orchestration_rules.templates import CompiledTemplate, TemplateRefused
from orchestration_rules.yaml_source import Path

_ZONE = ZoneInfo("UTC")
_ADVICE = (
    "it can be absent; write {{ ... | default('...') }} or {% if ... is defined %}, or let the rule's `when` "
    "ask for it with has()"
)


def template_problems(template: CompiledTemplate, rule: Rule, event: Shape) -> Iterator[tuple[Path, str]]:
    """(place in the file, what is wrong) for the channels of a rule; each problem once."""
    told: set[str] = set()
    shapes = {"event": event, **state_shapes(), "brand": brand_shape()}
    certain = _asked_for(rule)
    for channel in rule.send.channels:
        for full in (True, False):
            values = {name: _values(shapes[name], full, certain) for name in template.roots}
            try:
                template.render(channel, values, _ZONE)
            except TemplateRefused as error:
                message = f"{error}: {'no event or state has it' if full else _ADVICE}"
                if message not in told:
                    told.add(message)
                    yield ("text",), f"for rule {rule.rule}: {message}"
                break


def _asked_for(rule: Rule) -> frozenset[str]:
    """Fields that the rule's own condition asks for with ``has()``."""
    found: set[str] = set()
    for text in (rule.when, rule.still):
        try:
            found |= compile_condition(text).tested if text else set()
        except ConditionError:
            continue  # told where the condition is checked
    return frozenset(found)


def _values(shape: Shape, full: bool, certain: frozenset[str]) -> Any:
    value = sample(shape, full)
    if not full and shape.kind is Kind.RECORD:
        value |= {name: sample(inner, True) for name, inner in shape.fields.items() if name in certain}
    return value
