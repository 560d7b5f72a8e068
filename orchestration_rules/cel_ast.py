"""The tree of a checked CEL expression, read from its published wire form (cel.expr.CheckedExpr, cel-spec
``proto/cel/expr/checked.proto`` and ``syntax.proto``). Only what a look at names and kinds needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Const:
    """A literal: ``str``, ``int``, ``float``, ``bool``, ``bytes`` or ``None``."""

    id: int
    value: str | int | float | bool | bytes | None


@dataclass(frozen=True, slots=True)
class Ident:
    """A variable."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """``operand.field``, or ``has(operand.field)`` when ``test``."""

    id: int
    operand: Node
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """An operator (``_==_``, ``_[_]``, ...) or function; ``target`` for ``a.f(b)``."""

    id: int
    function: str
    target: Node | None
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Many:
    """A list or map literal: its parts."""

    id: int
    is_list: bool
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """What ``exists``, ``all``, ``filter``, ``map`` become."""

    id: int
    variable: str
    second_variable: str
    over: Node
    accumulator: str
    parts: tuple[Node, ...]
    """Initial value, loop condition, loop step, result: the accumulator and the variables are known in them."""


Node = Const | Ident | Select | Call | Many | Comprehension


@dataclass(frozen=True, slots=True)
class Tree:
    """The root, and where each node stands: its 0-based character offset in the text."""

    root: Node
    offsets: dict[int, int]


def read(serialized: bytes) -> Tree:
    """The tree in the bytes of ``Expression.serialize()``: an Any that holds a CheckedExpr."""
    checked = _only(serialized, 2)
    source = _only(checked, 5)
    offsets: dict[int, int] = {}
    for number, value in _fields(source):
        if number == 4:
            entry = dict(_fields(_bytes(value)))
            offsets[_int(entry.get(1, 0))] = _int(entry.get(2, 0))
    return Tree(_node(_only(checked, 4)), offsets)


def _node(data: bytes) -> Node:
    fields = list(_fields(data))
    node_id = next((_int(value) for number, value in fields if number == 2), 0)
    number, value = next((number, _bytes(value)) for number, value in fields if number != 2)
    inner = list(_fields(value))

    def one(wanted: int) -> Node:
        return _node(next(_bytes(part) for index, part in inner if index == wanted))

    def text(wanted: int) -> str:
        return next((_bytes(part).decode() for index, part in inner if index == wanted), "")

    match number:
        case 3:
            return Const(node_id, _const(inner))
        case 4:
            return Ident(node_id, text(1))
        case 5:
            return Select(node_id, one(1), text(2), any(index == 3 and part for index, part in inner))
        case 6:
            target = one(1) if any(index == 1 for index, _ in inner) else None
            args = tuple(_node(_bytes(part)) for index, part in inner if index == 3)
            return Call(node_id, text(2), target, args)
        case 7:
            return Many(node_id, True, tuple(_node(_bytes(part)) for index, part in inner if index == 1))
        case 8:
            entries = [list(_fields(_bytes(part))) for index, part in inner if index == 2]
            parts = (_node(_bytes(part)) for entry in entries for index, part in entry if index in (3, 4))
            return Many(node_id, False, tuple(parts))
        case 9:
            return Comprehension(
                node_id, text(1), text(8), one(2), text(3), tuple(one(index) for index in (4, 5, 6, 7))
            )
    raise ValueError(f"unknown expression kind {number} in a CEL tree")


def _const(inner: list[tuple[int, int | bytes]]) -> str | int | float | bool | bytes | None:
    number, value = inner[0]
    match number:
        case 2:
            return bool(value)
        case 3:
            return _int(value) - (1 << 64) if _int(value) >= 1 << 63 else _int(value)
        case 4:
            return _int(value)
        case 5:
            return float("nan")  # the value of a floating literal never matters to names and kinds
        case 6:
            return _bytes(value).decode()
        case 7:
            return _bytes(value)
    return None


def _only(data: bytes, wanted: int) -> bytes:
    return next((_bytes(value) for number, value in _fields(data) if number == wanted), b"")


def _int(value: int | bytes) -> int:
    assert isinstance(value, int)
    return value


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of one protobuf message; fixed-width values as bytes."""
    position = 0

    def varint() -> int:
        nonlocal position
        result = shift = 0
        while True:
            byte = data[position]
            position += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    while position < len(data):
        key = varint()
        match key & 7:
            case 0:
                yield key >> 3, varint()
                continue
            case 1:
                length = 8
            case 2:
                length = varint()
            case 5:
                length = 4
            case other:
                raise ValueError(f"wire type {other} in a CEL tree")
        yield key >> 3, data[position : position + length]
        position += length
