"""Conditions: conformance of the evaluator, missing fields, faults, and what the name check finds."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration_rules import cel_ast
from orchestration_rules.conditions import Answer, ConditionError, check_names, compile_condition
from orchestration_rules.shapes import events_shape, state_shapes


class Given:
    """Facts as a dict."""

    def __init__(self, **roots: Any) -> None:
        self.roots = roots
        self.memo: dict[Any, Any] = {}

    def root(self, name: str) -> Any:
        return self.roots[name]


EVENT = {
    "type": "OrderPlaced",
    "total_minor": 12_800,
    "store_id": "shibuya",
    "lines": [{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 1, "url": "https://shop.example/b"}],
}
FACTS = {
    "event": EVENT,
    "cart": {"lines": [], "units": 0},
    "orders": [],
    "profile": {"last_seen_ms": {"app": 5}},
    "now_ms": 10,
}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("event.total_minor > 10000", Answer.YES),
        ("event.total_minor > 10000 && event.store_id == 'ueno'", Answer.NO),
        ("event.store_id in ['shibuya', 'ueno']", Answer.YES),
        ("event.store_id.startsWith('shi')", Answer.YES),
        ("event.lines.exists(line, line.sku == 'B')", Answer.YES),
        ("event.lines.all(line, line.quantity > 1)", Answer.NO),
        ("event.lines.filter(line, has(line.url)).size() == 1", Answer.YES),
        ("event.lines.map(line, line.quantity)[0] == 2", Answer.YES),
        ("size(cart.lines) == 0 && cart.units == 0", Answer.YES),
        ("has(event.store_name)", Answer.NO),
        ("profile.last_seen_ms['app'] < now_ms", Answer.YES),
        ("has(event.store_name) ? event.store_name == 'x' : true", Answer.YES),
        ("event['total_minor'] - 12800 == 0", Answer.YES),
        # absorption: what decides is there, so what is missing does not matter
        ("event.store_name == 'x' || event.total_minor > 1", Answer.YES),
        ("event.store_name == 'x' && event.total_minor < 1", Answer.NO),
    ],
)
def test_the_evaluator_says(text: str, answer: Answer) -> None:
    assert compile_condition(text).holds(Given(**FACTS)).answer is answer


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("event.store_name == 'x'", "store_name"),
        ("orders[0].status == 'READY'", "list entry"),
        ("event.lines.exists(line, line.url == 'x') && event.lines[0].url == 'x'", "url"),
        ("profile.last_seen_ms[event.store_id] > 0", "map entry"),
    ],
)
def test_what_is_not_there_is_missing_and_named_without_values(text: str, detail: str) -> None:
    verdict = compile_condition(text).holds(Given(**FACTS))
    assert (verdict.answer, verdict.detail) == (Answer.MISSING, detail)


@pytest.mark.parametrize(
    "text",
    [
        "event.total_minor / (now_ms - 10) == 1",
        "event.store_id > 5",
        "event.total_minor.startsWith('x')",
        "event.lines",
    ],
)
def test_what_cannot_be_evaluated_fails_without_values(text: str) -> None:
    verdict = compile_condition(text).holds(Given(**FACTS))
    assert verdict.answer is Answer.FAILED
    assert "shibuya" not in verdict.detail
    assert "12800" not in verdict.detail


def test_text_that_is_no_unicode_fails_and_does_not_raise() -> None:
    assert compile_condition("event.sku == 'x'").holds(Given(event={"sku": "\ud800"})).answer is Answer.FAILED


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("event.total_minor >", 1, 20, "Syntax error"),
        ("event.total_minor > 1 &&\n  evnt.x == 1", 2, 7, "unknown name 'evnt'; did you mean 'event'"),
        ("cart.lines.sum() > 1", 1, 15, "unknown name 'sum'; known are event, cart"),
        ("1 + 1", 1, 1, "true or false"),
        ("'text'", 1, 1, "true or false"),
        ("(" * 60 + "true" + ")" * 60, 1, 1, "recursion limit"),
        ("", 1, 1, "Syntax error"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(ConditionError, match=words) as refused:
        compile_condition(text)
    assert (refused.value.line, refused.value.column) == (line, column)


def problems(text: str, *events: str) -> list[str]:
    roots = {"event": events_shape(events or ("OrderPlaced",)), **state_shapes()}
    return [f"{found.offset}: {found.message}" for found in check_names(compile_condition(text), roots)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("event.totl_minor > 1", "event has no field 'totl_minor'; did you mean 'total_minor'?"),
        ("has(event.stor_id)", "event has no field 'stor_id'; did you mean 'store_id'?"),
        ("event['stor_id'] == 'x'", "event has no field 'stor_id'; did you mean 'store_id'?"),
        ("event.lines.exists(l, l.skuu == 'x')", "l has no field 'skuu'; did you mean 'sku'?"),
        ("cart.lines[0].skuu == 'x'", "cart.lines[...] has no field 'skuu'; did you mean 'sku'?"),
        ("event.order_id.x == 1", "event.order_id is text: it has no fields"),
        ("event.total_minor > '5'", "event.total_minor is a number and '5' is text"),
        ("event.order_id == 5", "event.order_id is text and 5 is a number"),
        ("event.order_id == event.total_minor", "event.order_id is text and event.total_minor is a number"),
        ("event.fulfilment == 'PICKUP'", "'PICKUP' is not one of HOME_DELIVERY, STORE_PICKUP"),
        ("orders[0].status == 'DONE'", "'DONE' is not one of CANCELLED, COLLECTED, PLACED, READY"),
        ("event.store_id == null", "a field that is not there is absent, not null; ask with has(...)"),
        ("event.total_minor.startsWith('1')", "event.total_minor is a number, and startsWith is for text"),
        ("event.order_id.exists(c, c == 'x')", "event.order_id is text, not a list"),
    ],
)
def test_the_name_check_finds(text: str, found: str) -> None:
    (problem,) = problems(text)
    assert problem.partition(": ")[2] == found


@pytest.mark.parametrize(
    "text",
    [
        "event.total_minor > 1 && event.lines.exists(l, l.quantity > 1 && has(l.url))",
        "profile.last_seen_ms.app > 1 || profile.last_seen_ms['store'] > 1",
        "orders.filter(o, o.status == 'READY').map(o, o.order_id).exists(id, id == event.order_id)",
        "now_ms - profile.first_seen_ms > 86400000",
        "event.fulfilment in ['STORE_PICKUP']",
        "event.type == 'OrderPlaced' && event.channel == 'app' && event.brand == 'aoba'",
        "{'a': 1}['a'] == event.total_minor && [1, 2].exists(x, x == 1) && -5 < 3 && 1.5 > 0.5 && b'x' == b'x'",
        "size(event.lines) == 1 && 'x' + event.order_id == 'x'",
    ],
)
def test_the_name_check_leaves_what_is_right_alone(text: str) -> None:
    assert problems(text) == []


def test_a_field_that_only_one_of_several_triggers_has_is_known() -> None:
    assert problems("has(event.line) && event.line.quantity > 1", "CartLineAdded", "CartLineRemoved") == []
    (problem,) = problems("has(event.line) && event.lin.quantity > 1", "CartLineAdded", "CartLineRemoved")
    assert problem.startswith("24: event has no field 'lin'")


def test_identifiers_are_no_part_of_a_condition() -> None:
    (problem,) = problems("event.identifiers.size() > 0")
    assert "no field 'identifiers'" in problem


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("event.a == 1 && has(event.b) && event['c'] > 1", {"a", "b", "c"}),
        ("cart.units > 0", set()),
        ("event.lines.exists(event, event.x == 1)", {"lines"}),
        ("event == event", None),
        ("event.exists(key, key == 'x')", None),
    ],
)
def test_the_event_fields_that_a_condition_needs(text: str, fields: set[str] | None) -> None:
    assert compile_condition(text).event_fields == fields


def test_constants_are_read_back_as_written() -> None:
    condition: Any = compile_condition("[-5, 9223372036854775807, true, 'ä', null, 3u].exists(x, x == 1)")
    found: list[Any] = []

    def collect(node: cel_ast.Node) -> None:
        match node:
            case cel_ast.Const(value=value):
                found.append(value)
            case cel_ast.Many(parts=parts):
                for part in parts:
                    collect(part)
            case cel_ast.Comprehension(over=over):
                collect(over)
            case _:
                pass

    collect(condition.tree.root)
    assert found == [-5, 9223372036854775807, True, "ä", None, 3]
