"""YAML with the line of every value, read by the YAML 1.2 core schema: ``21:00``, ``no`` and dates stay text.

(PyYAML's default is YAML 1.1, to which ``21:00`` is the number 1260 and ``no`` is false.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[int | str, ...]
_MAX_DEPTH = 50
_MAX_VALUES = 100_000  # aliases of aliases can stand for more values than memory holds


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. ``lines`` and ``columns`` count from 1; a mapping's entry is where its key stands."""

    file: str
    value: Any
    lines: dict[Path, int]
    texts: dict[Path, int]
    """Line on which the text of a scalar begins: the line below the ``|`` or ``>`` of a block."""
    repeated: tuple[tuple[Path, int], ...]
    """Keys that a mapping has twice."""

    def line(self, path: Path) -> int:
        """The line of the value at ``path``, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class NotYaml(ValueError):
    """The text is not YAML."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own way


for _tag, _form, _first in (
    ("tag:yaml.org,2002:bool", r"^(true|false)$", "tf"),
    ("tag:yaml.org,2002:null", r"^(~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:int", r"^[-+]?(0|[1-9][0-9]*)$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$", "-+0123456789."),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_form), list(_first))


def parse(text: str, file: str) -> Document:
    """The document in ``text``; raises :class:`NotYaml` with the line of the mistake."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        document = Document(file, None, {(): 1}, {}, ())
        if node is None:
            return document
        repeated: list[tuple[Path, int]] = []
        _walk(node, (), document, repeated)
        return Document(file, loader.construct_document(node), document.lines, document.texts, tuple(repeated))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(error.problem or "not YAML", mark.line + 1 if mark else 1) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise NotYaml(f"not YAML: {error}", 1) from error


def _walk(node: Any, path: Path, into: Document, repeated: list[tuple[Path, int]]) -> None:
    if len(path) > _MAX_DEPTH:
        raise NotYaml(f"nested deeper than {_MAX_DEPTH} levels", node.start_mark.line + 1)
    if len(into.lines) > _MAX_VALUES:
        raise NotYaml(f"more than {_MAX_VALUES} values", node.start_mark.line + 1)
    into.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                repeated.append(((*path, name), key.start_mark.line + 1))
            seen.add(name)
            into.lines[(*path, name)] = key.start_mark.line + 1
            _walk(value, (*path, name), into, repeated)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*path, index), into, repeated)
    else:
        into.texts[path] = node.start_mark.line + (2 if node.style in ("|", ">") else 1)
