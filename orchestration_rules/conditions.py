"""Conditions behind a protocol: today Google's CEL (cel-expr-python), compiled once per ruleset.

A field that is not there is no match with a counted reason, never an exception; whatever else goes wrong stops this
rule alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from typing import Any, Protocol

from cel_expr_python import cel

from orchestration_rules import cel_ast, cel_check
from orchestration_rules.shapes import ROOTS, Shape


class Answer(Enum):
    """What a condition says."""

    YES = "yes"
    NO = "no"
    MISSING = "missing"
    """A field or list entry it needs is not there."""
    FAILED = "failed"
    """It could not be evaluated: a wrong kind of value, a division by zero, an answer other than true or false."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and for MISSING and FAILED what about, without any value of the data."""

    answer: Answer
    detail: str = ""


YES = Verdict(Answer.YES)
NO = Verdict(Answer.NO)


class Facts(Protocol):
    """The values that conditions see, built when asked for."""

    def root(self, name: str) -> Any:
        """The value of ``event``, ``cart``, ...: dicts, lists, text and integers only."""

    @property
    def memo(self) -> dict[Any, Any]:
        """Where an evaluator may keep what it made of these facts."""


class Condition(Protocol):
    """A compiled condition."""

    @property
    def text(self) -> str:
        """As the author wrote it."""

    @property
    def event_fields(self) -> frozenset[str] | None:
        """Fields of ``event`` that it reads; ``None``: the event as a whole."""

    @property
    def tested(self) -> frozenset[str]:
        """Fields that it asks for with ``has()``."""

    def holds(self, facts: Facts) -> Verdict:
        """Evaluate. Does not raise, whatever the facts are."""


class ConditionError(ValueError):
    """The text is not a condition. ``line`` and ``column`` count from 1 within it."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


_WHERE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNKNOWN_NAME = re.compile(r"undeclared reference to '([^'.]+)")
_MISSING_KEY = re.compile(r'Key not found in map : "?([^"]*)"?')
_BOOLEAN = {"BOOL", "DYN"}


@cache
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(ROOTS, cel.Type.DYN))


class _CelCondition:
    def __init__(self, text: str) -> None:
        try:
            self._expression = _environment().compile(text)
        except RuntimeError as error:
            found = _WHERE.search(str(error))
            if found is None:
                raise ConditionError(str(error).removesuffix(" [CANCELLED]"), 1, 1) from error
            raise ConditionError(_in_words(found[3]), int(found[1]), int(found[2])) from error
        if (kind := self._expression.return_type().name()) not in _BOOLEAN:
            raise ConditionError(f"expected a condition that is true or false, found one that gives {kind}", 1, 1)
        self.text = text
        self.tree = cel_ast.read(self._expression.serialize())
        found_names = cel_check.names(self.tree)
        fields = found_names.event_fields
        self.event_fields = None if fields is None else frozenset(fields)
        self.tested = frozenset(found_names.tested)
        self._roots = tuple(sorted(found_names.roots))

    def holds(self, facts: Facts) -> Verdict:
        try:
            # Conditions over the same roots share one activation: most of the cost is handing the values over.
            activation = facts.memo.get(self._roots)
            if activation is None:
                activation = _environment().Activation({name: facts.root(name) for name in self._roots})
                facts.memo[self._roots] = activation
            result = self._expression.eval(activation)
            value = result.value()
        except RuntimeError as error:  # what the binding raises for values that CEL does not know
            return Verdict(Answer.FAILED, str(error).partition(":")[0])
        if value is True:
            return YES
        if value is False:
            return NO
        if result.type() != cel.Type.ERROR:
            return Verdict(Answer.FAILED, "not true or false")
        return _not_boolean(str(value), self.text)


def _in_words(error: str) -> str:
    unknown = _UNKNOWN_NAME.match(error)
    if unknown is None:
        return error
    close = difflib.get_close_matches(unknown[1], ROOTS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(ROOTS)} and CEL's own functions"
    return f"unknown name {unknown[1]!r}; {hint}"


def _not_boolean(error: str, text: str) -> Verdict:
    """CEL gives errors as values. Their words can quote data: only types, and names that the author wrote, pass."""
    if found := _MISSING_KEY.search(error):
        return Verdict(Answer.MISSING, found[1] if found[1] in text else "map entry")
    if "Index error" in error:
        return Verdict(Answer.MISSING, "list entry")
    if "No matching overloads" in error:
        return Verdict(Answer.FAILED, "wrong kind of value " + error.partition(": ")[2])
    return Verdict(Answer.FAILED, "divide by zero" if "divide by zero" in error else error.partition(":")[0])


@lru_cache(maxsize=10_000)
def compile_condition(text: str) -> Condition:
    """The condition; raises :class:`ConditionError` with position for a syntax error or an unknown name."""
    return _CelCondition(text)


def check_names(condition: Condition, roots: Mapping[str, Shape]) -> list[cel_check.Problem]:
    """Fields that do not exist and comparisons that cannot hold."""
    return cel_check.problems(condition.tree, roots) if isinstance(condition, _CelCondition) else []
