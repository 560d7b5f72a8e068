"""Writes the operator's pages that follow from the code: ``python -m ops.docs``; ``--check`` fails when stale."""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AnyHttpUrl, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from connectors.sources import WEBHOOKS
from ops.metric_families import Family, families
from ops.settings import Settings
from schemas.catalogue import ROOT

FOLDER = ROOT.parent / "docs" / "operator"
PREFIX = "TSUNAGI_"

_METRICS_INTRO = """# Metrics

Generated from `schemas/metrics.py` by `python -m ops.docs`; not edited by hand.

Gateway and workers serve these at `/metrics` on their own port, in Prometheus' text format. Units are base units and
stand in the name; counters end in `_total`; labels come from closed sets and never hold an id or a person. A histogram
`x` is queried as `x_bucket`, `x_sum` and `x_count`. Workers add the usual `process_...` metrics of their process.
`ops/grafana/dashboards/tsunagi.json` has a panel for each.
"""

_SETTINGS_INTRO = """# Settings

Generated from `ops/settings.py` by `python -m ops.docs`; not edited by hand.

Gateway and workers read their settings from the environment at start and refuse to run with a wrong one, naming each
variable that is wrong. A variable left out has its default; a secret is never shown in a log. A block, such as LINE, is
on as soon as one of its variables is set; then those marked *yes* are needed.
"""

_WEBHOOK_INTRO = """## Webhook: {source}

Under `{source}` in `TSUNAGI_WEBHOOKS`; `*` stands for the name of an entry.
"""

_GROUPS = {
    "Kafka": ("kafka",),
    "The deployment": ("registry", "application", "pepper", "realm", "default_region", "clock", "log_level"),
    "Workers": ("data_dir", "worker_"),
    "Gateway": ("gateway_", "webhooks"),
    "LINE": ("line",),
    "SMS (Twilio)": ("sms",),
    "E-mail (SMTP)": ("email",),
}
"""Heading -> beginnings of the fields below it."""


def render_metrics() -> str:
    """The text of ``docs/operator/metrics.md``."""
    parts = [_METRICS_INTRO]
    for part, title in (("gateway", "Gateway"), ("worker", "Workers")):
        rows = [_metric(family) for family in families().values() if family.part == part]
        head = ["| metric | kind | labels | what it says |", "|---|---|---|---|"]
        parts.append("\n".join([f"## {title}\n", *head, *rows]) + "\n")
    return "\n".join(parts)


def _metric(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    bounds = f" Buckets up to {family.buckets[-1]:g}." if family.buckets else ""
    return f"| `{family.name}` | {family.kind} | {labels} | {family.help}{bounds} |"


def render_settings() -> str:
    """The text of ``docs/operator/settings.md``; raises :class:`LookupError` for a field without a place."""
    groups: dict[str, list[str]] = {title: [] for title in _GROUPS}
    for name, field in Settings.model_fields.items():
        groups[_group(name)] += _variables(PREFIX + name.upper(), field)
    head = ["| variable | type | needed | default | meaning |", "|---|---|---|---|---|"]
    sections = ["\n".join([f"## {title}\n", *head, *rows]) + "\n" for title, rows in groups.items()]
    return "\n".join([_SETTINGS_INTRO, *sections, *(_webhook(name) for name in WEBHOOKS)])


def _webhook(source: str) -> str:
    head = ["| field | type | needed | default | meaning |", "|---|---|---|---|---|"]
    rows = _fields(WEBHOOKS[source].settings, "")
    return "\n".join([_WEBHOOK_INTRO.format(source=source), *head, *rows]) + "\n"


def _fields(model: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inside = get_args(field.annotation)[-1] if get_origin(field.annotation) is dict else None
        if isinstance(inside, type) and issubclass(inside, BaseModel):
            yield _row(f"{path}{name}", "object by name", field)
            yield from _fields(inside, f"{path}{name}.*.")
        else:
            yield _row(f"{path}{name}", _type(field.annotation, field.metadata), field)


def _group(field: str) -> str:
    for title, beginnings in _GROUPS.items():
        if field.startswith(beginnings):
            return title
    raise LookupError(f"ops/docs.py: no heading for the setting {field!r}: add it to _GROUPS")


def variables() -> frozenset[str]:
    """Every environment variable that the settings know; ``TSUNAGI_WEBHOOKS`` stands for all of its blocks."""
    rows = (row for name, field in Settings.model_fields.items() for row in _variables(PREFIX + name.upper(), field))
    return frozenset(row.split("`")[1] for row in rows)


def _variables(variable: str, field: FieldInfo) -> Iterator[str]:
    block = _block(field.annotation)
    if block is not None:
        for name, inner in block.model_fields.items():
            yield from _variables(f"{variable}__{name.upper()}", inner)
        return
    yield _row(variable, _type(field.annotation, field.metadata), field)


def _row(name: str, kind: str, field: FieldInfo) -> str:
    needed = "yes" if field.is_required() else ""
    cells = (f"`{name}`", kind, needed, _default(field), _sentence(field.description or ""))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith(".") else f"{text}."


def _block(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if _is_union(annotation) else (annotation,)
    for option in options:
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default is None:
        return ""
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", {}) else ""


def _type(annotation: Any, metadata: list[Any]) -> str:
    if _is_union(annotation):
        return _type(next(option for option in get_args(annotation) if option is not type(None)), metadata)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is dict:
        return "JSON object"
    if get_origin(annotation) is tuple:
        return f"list of {_type(get_args(annotation)[0], [])}"
    assert isinstance(annotation, type), annotation
    if issubclass(annotation, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    names: dict[type, str] = {
        bool: "`true` or `false`",
        int: "integer",
        float: "number",
        str: "text",
        Path: "path",
        SecretStr: "secret",
        AnyHttpUrl: "URL",
    }
    return names[annotation] + _bounds(metadata)


def _bounds(metadata: list[Any]) -> str:
    words = []
    for bound in metadata:
        match bound:
            case Ge(ge=low):
                words.append(f"at least {low}")
            case Gt(gt=low):
                words.append(f"above {low}")
            case Le(le=high):
                words.append(f"at most {high}")
            case Lt(lt=high):
                words.append(f"below {high}")
            case MinLen(min_length=length) if length > 1:
                words.append(f"at least {length} characters")
            case _ if getattr(bound, "pattern", None):
                words.append(f"`{bound.pattern}`")
    return f" ({', '.join(words)})" if words else ""


PAGES = {"metrics.md": render_metrics, "settings.md": render_settings}


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of the pages in ``folder`` that differ from what the code says."""
    found = []
    for name, render in PAGES.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != render():
            found.append(name)
    return found


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Write the pages, or with ``--check`` say which are stale (exit 1 when one is)."""
    if "--check" in arguments:
        wrong = stale(folder)
        if wrong:
            print(f"{', '.join(wrong)} in {folder.name} stale: run `python -m ops.docs`", file=sys.stderr)
        return 1 if wrong else 0
    for name, render in PAGES.items():
        (folder / name).write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
