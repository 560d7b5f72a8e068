"""What is wrong with a file: where, what was expected, what was found, how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestration_rules.yaml_source import Document


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake. ``file`` is relative to the rules folder, ``line`` counts from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "model_attributes_type": "a mapping of names to values",
    "string_too_short": "text that is not empty",
    "too_short": "at least {min_length} entry",
    "string_too_long": "at most {max_length} characters",
    "greater_than_equal": "at least {ge}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "text like {pattern}",
}
_PATTERNS = {
    r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$": "lower-case words joined by hyphens, such as pickup-ready",
    r"^(customer|event\.[a-z][a-z0-9_]*)$": "customer, or event.<field>, such as event.order_id",
}


def of_validation(document: Document, error: ValidationError, fields: Mapping[str, Sequence[str]]) -> list[Finding]:
    """The findings in a pydantic error. ``fields``: known field names per model title, for "did you mean"."""
    return [
        Finding(document.file, document.line(_known(document, entry["loc"])), _message(document, entry, fields))
        for entry in error.errors(include_url=False)
        # pydantic counts a list's valid entries, so one wrong entry would also be told as an empty list
        if not (entry["type"] == "too_short" and entry["input"])
    ]


def _known(document: Document, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The location without the parts that pydantic adds for itself (union branches, ``[key]``)."""
    path: tuple[int | str, ...] = ()
    for part in loc:
        if (*path, part) in document.lines:
            path = (*path, part)
    return path


def _message(document: Document, entry: Any, fields: Mapping[str, Sequence[str]]) -> str:
    kind, context, loc = entry["type"], entry.get("ctx", {}), entry["loc"]
    named = ".".join(str(part) for part in loc if part != "[key]")
    if kind == "missing":
        return f"{named} is missing: add it"
    if kind == "extra_forbidden":
        known = fields.get(".".join(str(part) for part in loc[:-1] if not isinstance(part, int)), ())
        return f"{named} is not a field{did_you_mean(str(loc[-1]), known)}"
    if kind == "value_error":
        return f"{named}: {context['error']}" if named else str(context["error"])
    expected = _EXPECTED.get(kind)
    if expected is None:
        return f"{named}: {entry['msg']}, found {shown(entry['input'])}"
    if kind == "string_pattern_mismatch" and context["pattern"] in _PATTERNS:
        expected = _PATTERNS[context["pattern"]]
    return f"{named}: expected {expected.format(**context)}, found {shown(entry['input'])}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean x?``, or the list of what is known, or nothing."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(names)}" if names else ""


def shown(value: Any) -> str:
    """A value of a file, short enough for a line."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
