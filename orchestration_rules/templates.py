"""Message templates: Jinja2 in its sandbox, strict about names. Nothing of the machine is reachable from one.

Times print with ``local_date`` and ``local_time`` in the customer's zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes, pass_context
from jinja2 import Template as JinjaTemplate
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestration_rules import quiet
from orchestration_rules.model import Template

# Longest text that a provider takes in one message. Sources: LINE Messaging API, "Text message" (5,000 characters);
# Twilio, "Message body" (1,600 characters).
LONGEST = {"line": 5_000, "sms": 1_600, "email": 100_000}
LONGEST_SUBJECT = 200
ROOTS = frozenset({"event", "cart", "orders", "profile", "inquiries", "brand"})
_MISSING = re.compile(r"has no attribute '(\w+)'")
_DATES = {"ja": "{0.month}月{0.day}日", "en": "{0:%B} {0.day}"}


class TemplateRefused(ValueError):
    """The template is wrong, or has nothing to say for these facts. The message names no value of the data."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers multiply; what could grow without bound (text times a number, powers) is refused."""
        if operator == "*" and isinstance(left, int | float) and isinstance(right, int | float):
            return left * right
        raise SecurityError(f"operator {operator} is for numbers only" if operator == "*" else "powers are not allowed")

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Fields before methods: ``event.items`` is the event's field, never ``dict.items``."""
        if isinstance(obj, Mapping):
            try:
                return obj[attribute]
            except KeyError:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)


@pass_context
def _local_date(context: Context, at_ms: int) -> str:
    return _DATES.get(str(context["locale"]).partition("-")[0], "{0:%Y-%m-%d}").format(_local(context, at_ms))


@pass_context
def _local_time(context: Context, at_ms: int) -> str:
    return f"{_local(context, at_ms):%H:%M}"


def _local(context: Context, at_ms: int) -> Any:
    return quiet.local(int(at_ms), context["zone"])


@cache
def _environment() -> _Environment:
    # Texts, not HTML: escaping would show "&amp;" in a text message. No loader: a template includes nothing.
    environment = _Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    environment.filters["local_date"] = _local_date
    environment.filters["local_time"] = _local_time
    return environment


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as the customer reads it."""

    subject: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Source:
    template: JinjaTemplate
    roots: frozenset[str]
    event_fields: frozenset[str] | None


def _compile(source: str) -> _Source:
    environment = _environment()
    try:
        tree = environment.parse(source)
        unknown = meta.find_undeclared_variables(tree) - ROOTS
        if unknown:
            raise TemplateRefused(f"unknown name {min(unknown)!r}; known are {', '.join(sorted(ROOTS))}")
        if next(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)), None) is not None:
            raise TemplateRefused("a template cannot include another: write the text out")
        template = environment.from_string(source)
    except TemplateSyntaxError as error:
        raise TemplateRefused(error.message or "not a Jinja2 template", error.lineno) from error
    return _Source(template, frozenset(meta.find_undeclared_variables(tree)), _event_fields(tree))


def _event_fields(tree: nodes.Template) -> frozenset[str] | None:
    """The fields of ``event`` that the template names; ``None`` when it uses the event as a whole."""
    fields: set[str] = set()
    plain_uses = sum(1 for name in tree.find_all(nodes.Name) if name.name == "event")
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        assert isinstance(node, nodes.Getattr | nodes.Getitem)
        if not (isinstance(node.node, nodes.Name) and node.node.name == "event"):
            continue
        if isinstance(node, nodes.Getattr):
            fields.add(node.attr)
        elif isinstance(node.arg, nodes.Const):
            fields.add(str(node.arg.value))
        else:
            return None
        plain_uses -= 1
    return frozenset(fields) if plain_uses == 0 else None


class CompiledTemplate:
    """One template in one locale, ready to render. Raises :class:`TemplateRefused` when it is wrong."""

    def __init__(self, template: Template, locale: str) -> None:
        self.locale = locale
        self._subject = _compile(template.subject) if template.subject else None
        self._texts: dict[str, _Source] = {channel: _compile(source) for channel, source in template.text.items()}
        sources = [*self._texts.values(), *([self._subject] if self._subject else [])]
        self.roots: frozenset[str] = frozenset[str]().union(*(source.roots for source in sources))
        self.event_fields: frozenset[str] | None = frozenset()
        for source in sources:
            known = self.event_fields
            self.event_fields = None if known is None or source.event_fields is None else known | source.event_fields

    def render(self, channel: str, values: Mapping[str, Any], zone: ZoneInfo) -> Rendered:
        """The message for a channel. ``values``: what ``roots`` names. Raises :class:`TemplateRefused`."""
        source = self._texts.get(channel) or self._texts.get("default")
        if source is None:
            raise TemplateRefused(f"no text for {channel}: add text.{channel} or text.default")
        context = {**values, "locale": self.locale, "zone": zone}
        text = _render(source, context).strip()
        # A subject is one line: a line break in it would begin another mail header.
        subject = " ".join(_render(self._subject, context).split()) if self._subject else None
        if not text:
            raise TemplateRefused(f"the text for {channel} is empty")
        if len(text) > LONGEST[channel]:
            raise TemplateRefused(f"the text for {channel} has {len(text)} characters; at most {LONGEST[channel]}")
        if subject and len(subject) > LONGEST_SUBJECT:
            raise TemplateRefused(f"the subject has {len(subject)} characters; at most {LONGEST_SUBJECT}")
        return Rendered(subject, text)


def _render(source: _Source, context: Mapping[str, Any]) -> str:
    try:
        return source.template.render(context)
    except TemplateError as error:
        missing = _MISSING.search(str(error.message))
        raise TemplateRefused(f"{missing[1]} is not there" if missing else str(error.message)) from error
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise TemplateRefused(type(error).__name__) from error
