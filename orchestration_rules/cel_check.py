"""Looks at the tree of a condition: which names it uses, and whether events and state have them.

What CEL's own checker cannot see here, because events and state are dynamic maps to it: misspelt fields, comparisons
of values of different kinds, symbols that an enum does not have.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestration_rules.cel_ast import Call, Comprehension, Const, Ident, Many, Node, Select, Tree
from orchestration_rules.shapes import ANY, Kind, Shape

_EQUALITY = {"_==_", "_!=_"}
_ORDER = {"_<_", "_<=_", "_>_", "_>=_"}
_TEXT_FUNCTIONS = {"startsWith", "endsWith", "contains", "matches"}
_NUMBER = Shape(Kind.NUMBER)
_TRUTH = Shape(Kind.TRUTH)
_TEXT = Shape(Kind.TEXT)
_RESULTS = {"size": _NUMBER, "int": _NUMBER, "double": _NUMBER, "string": _TEXT} | dict.fromkeys(
    [*_EQUALITY, *_ORDER, *_TEXT_FUNCTIONS, "_&&_", "_||_", "!_", "@in"], _TRUTH
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: 0-based character offset in the condition's text."""

    offset: int
    message: str


@dataclass(slots=True)
class Names:
    """What a condition refers to. ``event_fields`` is ``None`` when it takes the event as a whole."""

    roots: set[str] = field(default_factory=set)
    event_fields: set[str] | None = field(default_factory=set)
    tested: set[str] = field(default_factory=set)
    """Fields asked for with ``has()``."""


def names(tree: Tree) -> Names:
    """The roots and event fields of a condition."""
    look = _Look(tree, {})
    look.kind_of(tree.root, {})
    return look.names


def problems(tree: Tree, roots: Mapping[str, Shape]) -> list[Problem]:
    """Names and comparisons that cannot be right, given the shapes of the roots."""
    look = _Look(tree, roots)
    look.kind_of(tree.root, {})
    return look.problems


def describe_unknown(name: str, shape: Shape) -> str:
    """``has no field x; did you mean y?`` or the list of fields."""
    close = difflib.get_close_matches(name, shape.fields, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(sorted(shape.fields))}"
    return f"no field {name!r}; {hint}"


class _Look:
    def __init__(self, tree: Tree, roots: Mapping[str, Shape]) -> None:
        self.tree = tree
        self.roots = roots
        self.names = Names()
        self.problems: list[Problem] = []

    def kind_of(self, node: Node, local: Mapping[str, Shape]) -> Shape:
        """The shape of a node, ``ANY`` when it cannot be told; notes names and problems on the way."""
        match node:
            case Const():
                return _of_constant(node)
            case Ident():
                return self._ident(node, local)
            case Select():
                return self._field(node, node.operand, node.field, local, node.test)
            case Call():
                return self._call(node, local)
            case Many():
                for part in node.parts:
                    self.kind_of(part, local)
                return Shape(Kind.LIST, item=ANY) if node.is_list else Shape(Kind.MAP, item=ANY)
            case Comprehension():
                return self._comprehension(node, local)

    def _ident(self, node: Ident, local: Mapping[str, Shape]) -> Shape:
        if node.name in local:
            return local[node.name]
        self.names.roots.add(node.name)
        if node.name == "event":
            self.names.event_fields = None
        return self.roots.get(node.name, ANY)

    def _field(self, node: Node, operand: Node, name: str, local: Mapping[str, Shape], test: bool) -> Shape:
        if isinstance(operand, Ident) and operand.name not in local:
            self.names.roots.add(operand.name)
            if operand.name == "event" and self.names.event_fields is not None:
                self.names.event_fields.add(name)
            shape = self.roots.get(operand.name, ANY)
        else:
            shape = self.kind_of(operand, local)
        if test:
            self.names.tested.add(name)
        if shape.kind is Kind.RECORD and name not in shape.fields:
            self._problem(node, f"{_text(operand)} has {describe_unknown(name, shape)}")
            return ANY
        if shape.kind in (Kind.TEXT, Kind.NUMBER, Kind.TRUTH, Kind.LIST):
            self._problem(node, f"{_text(operand)} is {shape.kind}: it has no fields")
            return ANY
        found = shape.fields.get(name) or (shape.item if shape.kind is Kind.MAP else None) or ANY
        return _TRUTH if test else found

    def _call(self, node: Call, local: Mapping[str, Shape]) -> Shape:
        if node.function == "_[_]":
            operand, index = node.args
            if isinstance(index, Const) and isinstance(index.value, str):
                return self._field(node, operand, index.value, local, test=False)
            shape = self.kind_of(operand, local)
            self.kind_of(index, local)
            return shape.item or ANY
        parts = ((node.target,) if node.target is not None else ()) + node.args
        shapes = [self.kind_of(part, local) for part in parts]
        if node.function in _EQUALITY | _ORDER:
            self._comparison(node, parts, shapes)
        if node.function in _TEXT_FUNCTIONS and shapes and shapes[0].kind not in (Kind.TEXT, Kind.ANY):
            self._problem(node, f"{_text(parts[0])} is {shapes[0].kind}, and {node.function} is for text")
        return _RESULTS.get(node.function, ANY)

    def _comparison(self, node: Call, parts: tuple[Node, ...], shapes: list[Shape]) -> None:
        left, right = shapes
        for shape, other, operand in ((left, right, parts[1]), (right, left, parts[0])):
            if isinstance(operand, Const) and operand.value is None and shape.kind is not Kind.ANY:
                self._problem(node, "a field that is not there is absent, not null; ask with has(...)")
                return
            if shape.choices and isinstance(operand, Const) and operand.value not in shape.choices:
                self._problem(node, f"{operand.value!r} is not one of {', '.join(sorted(shape.choices))}")
                return
            if Kind.ANY in (shape.kind, other.kind):
                return
        if left.kind is not right.kind:
            self._problem(node, f"{_text(parts[0])} is {left.kind} and {_text(parts[1])} is {right.kind}")
        elif node.function in _ORDER and left.kind not in (Kind.NUMBER, Kind.TEXT):
            self._problem(node, f"{_text(parts[0])} is {left.kind}: it has no order")

    def _comprehension(self, node: Comprehension, local: Mapping[str, Shape]) -> Shape:
        over = self.kind_of(node.over, local)
        if over.kind in (Kind.TEXT, Kind.NUMBER, Kind.TRUTH):
            self._problem(node, f"{_text(node.over)} is {over.kind}, not a list")
        # Over a map, and in the two-variable form, the first variable is the key or index.
        plain = over.kind is Kind.LIST and not node.second_variable
        inner = {**local, node.variable: (over.item if plain and over.item else ANY), node.accumulator: ANY}
        if node.second_variable:
            inner[node.second_variable] = over.item or ANY
        for part in node.parts:
            self.kind_of(part, inner)
        return ANY

    def _problem(self, node: Node, message: str) -> None:
        self.problems.append(Problem(self.tree.offsets.get(node.id, 0), message))


def _of_constant(node: Const) -> Shape:
    match node.value:
        case bool():
            return _TRUTH
        case int() | float():
            return _NUMBER
        case str():
            return _TEXT
    return ANY


def _text(node: Node) -> str:
    """The node as its author would write it, roughly."""
    match node:
        case Ident():
            return node.name
        case Select():
            return f"{_text(node.operand)}.{node.field}"
        case Const():
            return repr(node.value)
        case Call(function="_[_]"):
            return f"{_text(node.args[0])}[...]"
        case Call():
            return f"{node.function}(...)" if node.function[0].isalpha() else "this"
    return "this"
