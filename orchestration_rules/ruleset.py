"""A ruleset: rules, templates, brands and caps as one value, compiled once, and its bytes as RulesetActivated carries.

The contents are canonical JSON, zlib-compressed; the hash is the SHA-256 of the JSON, so that it is the same whatever
zlib made of it. Defaults are left out: a field added later does not change the hash of the rules that don't use it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestration_rules.conditions import Condition, ConditionError, compile_condition
from orchestration_rules.durations import LONGEST_MS, duration_ms
from orchestration_rules.model import Brand, CapLimit, Rule, Template
from orchestration_rules.shapes import event_shape
from orchestration_rules.templates import CompiledTemplate, TemplateRefused
from schemas.errors import ContractError
from schemas.events import RECORD_TYPES, Record

MAX_CONTENTS_BYTES = 32 * 1024 * 1024


class Contents(BaseModel):
    """What a ruleset consists of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    rules: tuple[Rule, ...]
    templates: dict[str, dict[str, Template]]
    """Name -> locale -> template."""
    brands: dict[str, Brand]
    caps: dict[str, tuple[CapLimit, ...]]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its conditions and durations ready to use."""

    rule: Rule
    when: Condition | None
    still: Condition | None
    """Checked after a wait or hold: the rule's ``still``, else its ``when``."""
    exits: Mapping[type[Record], tuple[Condition | None, ...]]
    """Exit event -> conditions, any of which ends a journey; ``None`` holds always."""
    wait_ms: int
    valid_ms: int
    re_entry_ms: int
    """How long after a message the same correlation is refused; 0: always allowed."""
    correlation_field: str | None
    """Field of the trigger; ``None``: the customer."""
    kept_fields: frozenset[str] | None
    """Fields of the trigger that ``still`` and the template need after a wait; ``None``: all."""

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.rule


@dataclass(frozen=True, slots=True)
class Listening:
    """The rules that an event type starts and those it can end, by name."""

    starts: tuple[CompiledRule, ...] = ()
    ends: tuple[CompiledRule, ...] = ()


class RuleSet:
    """Rules indexed by event type. Immutable.

    Raises :class:`ContractError` when a condition or template does not compile; files are checked with positions by
    :mod:`orchestration_rules.loader` before.
    """

    EMPTY: ClassVar[RuleSet]
    """No rules: what a partition decides by before the first RulesetActivated."""

    def __init__(self, contents: Contents) -> None:
        self._model = contents
        text = _canonical(contents)
        self.hash = hashlib.sha256(text).hexdigest()
        self._bytes = zlib.compress(text, 9)
        self.brands: Mapping[str, Brand] = contents.brands
        self.caps: Mapping[str, tuple[CapLimit, ...]] = contents.caps
        try:
            self.templates: Mapping[str, Mapping[str, CompiledTemplate]] = {
                name: {locale: CompiledTemplate(template, locale) for locale, template in locales.items()}
                for name, locales in contents.templates.items()
            }
            compiled = [self._compile(rule) for rule in sorted(contents.rules, key=lambda rule: rule.rule)]
        except (ConditionError, TemplateRefused) as error:
            raise ContractError(f"ruleset {self.hash[:12]}: {error}") from error
        self.rules: Mapping[str, CompiledRule] = {rule.name: rule for rule in compiled}
        if len(self.rules) < len(compiled):
            raise ContractError(f"ruleset {self.hash[:12]}: two rules of the same name")
        self.listening: Mapping[type[Record], Listening] = _index(compiled)
        self.consent_purposes = frozenset(rule.rule.purpose for rule in compiled if rule.rule.needs_consent)

    def contents(self) -> bytes:
        """What RulesetActivated carries."""
        return self._bytes

    @staticmethod
    def from_contents(contents: bytes) -> RuleSet:
        """The ruleset in these bytes; the last few are kept compiled, so asking for every event is cheap.

        Raises :class:`ContractError` for bytes that are not a ruleset of this version.
        """
        return _compiled(contents)

    def only(self, names: Collection[str]) -> RuleSet:
        """The ruleset with these rules and their templates alone; brands and caps stay."""
        rules = tuple(rule for rule in self._model.rules if rule.rule in names)
        used = {rule.send.template for rule in rules}
        templates = {name: locales for name, locales in self._model.templates.items() if name in used}
        return RuleSet(self._model.model_copy(update={"rules": rules, "templates": templates}))

    def locale_for(self, brand: Brand, wanted: str | None) -> str:
        """The brand's locale closest to what the customer wants: exact, then by language, else the brand's default."""
        if wanted in brand.locales:
            return wanted
        language = (wanted or "").partition("-")[0]
        return next((locale for locale in brand.locales if locale.partition("-")[0] == language), brand.default_locale)

    def _compile(self, rule: Rule) -> CompiledRule:
        when = compile_condition(rule.when) if rule.when else None
        still = compile_condition(rule.still) if rule.still else when
        exits: dict[type[Record], tuple[Condition | None, ...]] = {}
        for entry in rule.exit:
            condition = compile_condition(entry.when) if entry.when else None
            for name in entry.event:
                exits[_event_type(name)] = (*exits.get(_event_type(name), ()), condition)
        kept: list[frozenset[str] | None] = [still.event_fields if still else frozenset()]
        kept += [template.event_fields for template in self._templates_of(rule).values()]
        return CompiledRule(
            rule=rule,
            when=when,
            still=still,
            exits=exits,
            wait_ms=duration_ms(rule.wait.for_) if rule.wait else 0,
            valid_ms=duration_ms(rule.valid_for),
            re_entry_ms=_re_entry_ms(rule.re_entry),
            correlation_field=rule.correlation.partition(".")[2] or None,
            kept_fields=_union(kept),
        )

    def _templates_of(self, rule: Rule) -> Mapping[str, CompiledTemplate]:
        templates = self.templates.get(rule.send.template)
        if templates is None:
            raise ContractError(f"ruleset {self.hash[:12]}: rule {rule.rule} has no template {rule.send.template!r}")
        return templates


@lru_cache(maxsize=8)
def _compiled(contents: bytes) -> RuleSet:
    return RuleSet(_read(contents))


def _union(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    result: frozenset[str] = frozenset()
    for fields in sets:
        if fields is None:
            return None
        result |= fields
    return result


def _re_entry_ms(words: str) -> int:
    match words:
        case "always":
            return 0
        case "never":
            return LONGEST_MS
    return duration_ms(words)


def _event_type(name: str) -> type[Record]:
    if name not in RECORD_TYPES:
        raise ContractError(f"no event type {name!r}: the ruleset needs a newer version of Tsunagi")
    return RECORD_TYPES[name]


def _index(rules: Iterable[CompiledRule]) -> dict[type[Record], Listening]:
    starts: dict[type[Record], list[CompiledRule]] = {}
    ends: dict[type[Record], list[CompiledRule]] = {}
    for rule in rules:
        for name in dict.fromkeys(rule.rule.trigger.event):
            starts.setdefault(_event_type(name), []).append(rule)
        for kind in rule.exits:
            ends.setdefault(kind, []).append(rule)
    return {kind: Listening(tuple(starts.get(kind, ())), tuple(ends.get(kind, ()))) for kind in starts | ends}


def _canonical(contents: Contents) -> bytes:
    plain = contents.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _read(contents: bytes) -> Contents:
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(contents, MAX_CONTENTS_BYTES)
        if not reader.eof:
            raise ContractError("a ruleset is cut off, or larger than 32 MiB")
        return Contents.model_validate_json(text)
    except zlib.error as error:
        raise ContractError(f"not a ruleset: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ContractError(f"a ruleset that this version cannot read: {where}: {first['msg']}") from error


def correlates(field: str, kind: type[Record]) -> bool:
    """Whether events of this type carry the correlation field."""
    return field in event_shape(kind.__name__).fields


RuleSet.EMPTY = RuleSet(Contents(rules=(), templates={}, brands={}, caps={}))
