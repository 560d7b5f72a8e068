"""Renders a template with made-up values before any customer does: once with every field, once with only those that
are always there. What fails then would be TEMPLATE_FAILED for a customer; what no value has is a misspelt field, also
where a default hides it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from orchestration_rules.cel_check import describe_unknown
from orchestration_rules.conditions import ConditionError, compile_condition
from orchestration_rules.model import Rule
from orchestration_rules.shapes import Kind, Shape, brand_shape, sample, state_shapes
from orchestration_rules.templates import CompiledTemplate, TemplateRefused

_ZONE = ZoneInfo("UTC")
_ADVICE = (
    "it can be absent; write {{ ... | default('...') }} or {% if ... is defined %}, or let the rule's `when` "
    "ask for it with has()"
)


def template_problems(template: CompiledTemplate, rule: Rule, event: Shape) -> Iterator[str]:
    """What is wrong with the template for the channels of a rule; each problem once."""
    shapes = {name: {"event": event, **state_shapes(), "brand": brand_shape()}[name] for name in template.roots}
    unknown: dict[str, None] = {}
    for channel in rule.send.channels:
        problem = _failure(template, channel, {name: _full(name, shape, unknown) for name, shape in shapes.items()})
        if problem and not unknown:
            unknown[problem] = None
    if unknown:
        yield from unknown
        return
    certain = _asked_for(rule)
    told: set[str] = set()
    for channel in rule.send.channels:
        problem = _failure(template, channel, {name: _least(shape, certain) for name, shape in shapes.items()})
        if problem and problem not in told:
            told.add(problem)
            yield f"for rule {rule.rule}: {problem}: {_ADVICE}"


def _failure(template: CompiledTemplate, channel: str, values: dict[str, Any]) -> str:
    try:
        template.render(channel, values, _ZONE)
    except TemplateRefused as error:
        return str(error)
    return ""


class _Watched(dict[str, Any]):
    """A record with all of its fields, which notes those that are asked for and do not exist."""

    def __init__(self, path: str, shape: Shape, unknown: dict[str, None]) -> None:
        super().__init__({name: _full(f"{path}.{name}", inner, unknown) for name, inner in shape.fields.items()})
        self._path, self._shape, self._unknown = path, shape, unknown

    def __missing__(self, name: str) -> Any:
        self._unknown[f"{self._path} has {describe_unknown(name, self._shape)}"] = None
        raise KeyError(name)


class _AnyKey(dict[str, Any]):
    """A map: whatever key is asked for may exist."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self._value = value

    def __missing__(self, name: str) -> Any:
        return self._value


def _full(path: str, shape: Shape, unknown: dict[str, None]) -> Any:
    match shape.kind:
        case Kind.RECORD:
            return _Watched(path, shape, unknown)
        case Kind.LIST if shape.item:
            return [_full(f"an entry of {path}", shape.item, unknown)]
        case Kind.MAP if shape.item:
            return _AnyKey(_full(path, shape.item, unknown))
    return sample(shape, full=True)


def _least(shape: Shape, certain: frozenset[str]) -> Any:
    value = sample(shape, full=False)
    if shape.kind is Kind.RECORD:
        value |= {name: sample(inner, full=True) for name, inner in shape.fields.items() if name in certain}
    return value


def _asked_for(rule: Rule) -> frozenset[str]:
    """Fields that the rule's own condition asks for with ``has()``."""
    found: set[str] = set()
    for text in (rule.when, rule.still):
        try:
            found |= compile_condition(text).tested if text else set()
        except ConditionError:
            continue  # told where the condition is checked
    return frozenset(found)
