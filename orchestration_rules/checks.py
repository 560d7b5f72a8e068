"""Checks of a rules folder that no single file can make for itself: names, conditions, templates, coverage. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestration_rules import scenario_file, scenarios
from orchestration_rules.conditions import ConditionError, check_names, compile_condition
from orchestration_rules.findings import Finding, did_you_mean
from orchestration_rules.model import ALL_BRANDS, Brand, CapLimit, Rule, Template
from orchestration_rules.scenario_file import ScenarioFile, ScenarioRefused
from orchestration_rules.shapes import Kind, Shape, event_shape, event_types, events_shape, state_shapes
from orchestration_rules.template_check import template_problems
from orchestration_rules.templates import CompiledTemplate, TemplateRefused
from orchestration_rules.yaml_source import Document, Path


@dataclass(frozen=True, slots=True)
class Folder:
    """A rules folder, read: each part with the file it is from."""

    rules: tuple[tuple[Document, Rule], ...]
    templates: Mapping[str, Mapping[str, tuple[Document, Template]]]
    brands: Mapping[str, Brand]
    caps: Mapping[str, tuple[CapLimit, ...]]
    scenarios: tuple[tuple[Document, ScenarioFile], ...]
    broken: frozenset[str] = frozenset()
    """Files that could not be read: nothing that refers to them is called wrong."""


def check(folder: Folder) -> list[Finding]:
    """Every mistake that can be told without running a scenario."""
    found: list[Finding] = []
    for document, rule in folder.rules:
        found += _check_names(folder, document, rule)
        found += _check_conditions(document, rule)
        found += _check_template(folder, document, rule)
        found += _check_coverage(folder, document, rule)
    found += _check_repeated_rules(folder)
    found += _check_unused_templates(folder)
    for document, file in folder.scenarios:
        found += _check_scenarios(folder, document, file)
    return found


def _check_names(folder: Folder, document: Document, rule: Rule) -> Iterator[Finding]:
    def finding(path: Path, message: str) -> Finding:
        return Finding(document.file, document.line(path), message)

    if document.file.rpartition("/")[2] != f"{rule.rule}.yaml":
        yield finding(("rule",), f"rule: expected the name of the file, found {rule.rule!r}: rename one of the two")
    if rule.brand not in (ALL_BRANDS, *folder.brands) and "brands.yaml" not in folder.broken:
        known = did_you_mean(rule.brand, folder.brands)
        yield finding(("brand",), f"brand: expected all or a brand of brands.yaml, found {rule.brand!r}{known}")
    if rule.cap is not None and rule.cap not in folder.caps and "caps.yaml" not in folder.broken:
        known = did_you_mean(rule.cap, folder.caps)
        yield finding(("cap",), f"cap: expected a group of caps.yaml, found {rule.cap!r}{known}")
    for path, name in _event_names(rule):
        if name not in event_types():
            yield finding(path, f"event: expected an event type, found {name!r}{did_you_mean(name, event_types())}")
    field = rule.correlation.partition(".")[2]
    for name in rule.trigger.event if field else ():
        if name in event_types():
            shape = event_shape(name).fields.get(field)
            if shape is None or shape.kind not in (Kind.TEXT, Kind.NUMBER):
                known = did_you_mean(field, _texts(event_shape(name)))
                yield finding(("correlation",), f"correlation: {name} has no field {field!r} to go by{known}")


def _texts(shape: Shape) -> list[str]:
    return [name for name, inner in shape.fields.items() if inner.kind is Kind.TEXT]


def _event_names(rule: Rule) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(rule.trigger.event):
        yield ("trigger", "event", index), name
    for number, entry in enumerate(rule.exit):
        for index, name in enumerate(entry.event):
            yield ("exit", number, "event", index), name


def _check_conditions(document: Document, rule: Rule) -> Iterator[Finding]:
    triggers = _known_events(rule.trigger.event)
    conditions: list[tuple[Path, str | None, Shape]] = [
        (("when",), rule.when, triggers),
        (("still",), rule.still, triggers),
    ]
    for number, entry in enumerate(rule.exit):
        conditions.append((("exit", number, "when"), entry.when, _known_events(entry.event)))
    for path, text, event in conditions:
        if text is not None:
            yield from _check_condition(document, path, text, event)


def _known_events(names: Iterable[str]) -> Shape:
    known = [name for name in names if name in event_types()]
    return events_shape(known) if known else Shape(Kind.ANY)


def _check_condition(document: Document, path: Path, text: str, event: Shape) -> Iterator[Finding]:
    first_line = document.texts.get(path, document.line(path))
    try:
        condition = compile_condition(text)
    except ConditionError as error:
        yield Finding(document.file, first_line + error.line - 1, f"{path[-1]}, column {error.column}: {error}")
        return
    for problem in check_names(condition, {"event": event, **state_shapes()}):
        before = text[: problem.offset]
        column = problem.offset - (before.rfind("\n") + 1) + 1
        line = first_line + before.count("\n")
        yield Finding(document.file, line, f"{path[-1]}, column {column}: {problem.message}")


def _check_template(folder: Folder, document: Document, rule: Rule) -> Iterator[Finding]:
    name = rule.send.template
    line = document.line(("send", "template"))
    if any(file.startswith(f"templates/{name}.") for file in folder.broken):
        return
    locales = folder.templates.get(name)
    if locales is None:
        known = did_you_mean(name, folder.templates)
        yield Finding(document.file, line, f"template: there is no templates/{name}.<locale>.yaml{known}")
        return
    for brand_name, brand in folder.brands.items():
        if rule.for_brand(brand_name):
            for locale in (locale for locale in brand.locales if locale not in locales):
                missing = f"templates/{name}.{locale}.yaml"
                yield Finding(document.file, line, f"template: brand {brand_name} has locale {locale}: write {missing}")
    for source, template in locales.values():
        for channel in rule.send.channels:
            if template.text_for(channel) is None:
                message = f"text: rule {rule.rule} sends by {channel}: add text.{channel} or text.default"
                yield Finding(source.file, source.line(("text",)), message)
        if "email" in rule.send.channels and template.subject is None:
            message = f"subject is missing: rule {rule.rule} sends this by e-mail"
            yield Finding(source.file, source.line(("subject",)), message)
        if all(template.text_for(channel) is not None for channel in rule.send.channels):
            yield from _check_rendering(source, template, rule)


def _check_rendering(source: Document, template: Template, rule: Rule) -> Iterator[Finding]:
    locale = source.file.removesuffix(".yaml").rpartition(".")[2]
    try:
        compiled = CompiledTemplate(template, locale)
    except TemplateRefused:
        return  # told once by check_template_syntax
    event = _known_events(rule.trigger.event)
    if event.kind is Kind.ANY:
        return
    for problem in template_problems(compiled, rule, event):
        yield Finding(source.file, source.line(("text",)), f"text: {problem}")


def check_template_syntax(source: Document, template: Template, locale: str) -> Iterator[Finding]:
    """Syntax and names of one template, each of its texts by itself so that the line is right."""
    parts: list[tuple[Path, Template]] = []
    if template.subject is not None:
        parts.append((("subject",), Template(text={"default": template.subject})))
    for channel, text in template.text.items():
        path: Path = ("text", channel) if ("text", channel) in source.lines else ("text",)
        parts.append((path, Template(text={"default": text})))
    for path, part in parts:
        try:
            CompiledTemplate(part, locale)
        except TemplateRefused as error:
            line = source.texts.get(path, source.line(path)) + error.line - 1
            yield Finding(source.file, line, f"{path[-1]}: {error}")


def _check_coverage(folder: Folder, document: Document, rule: Rule) -> Iterator[Finding]:
    name = f"rules/{rule.rule}.scenarios.yaml"
    if name in folder.broken:
        return
    files = [file for _, file in folder.scenarios]
    if not any(file.rule == rule.rule for file in files):
        yield Finding(document.file, 1, f"no scenarios: write {name}, with one that fires and one that stays silent")
        return
    for missing in scenarios.uncovered(rule.rule, files):
        yield Finding(document.file, 1, f"{name} has no scenario in which the rule {missing}: add one")


def _check_repeated_rules(folder: Folder) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for document, rule in folder.rules:
        if rule.rule in first:
            message = f"rule: {rule.rule!r} is also the name of the rule in {first[rule.rule]}: rename one of the two"
            yield Finding(document.file, document.line(("rule",)), message)
        first.setdefault(rule.rule, document.file)


def _check_unused_templates(folder: Folder) -> Iterator[Finding]:
    if any(file.startswith("rules/") for file in folder.broken):
        return
    used = {rule.send.template for _, rule in folder.rules}
    for name in sorted(set(folder.templates) - used):
        for document, _ in folder.templates[name].values():
            yield Finding(document.file, 1, f"no rule uses template {name!r}: remove the file, or name it in a rule")


def _check_scenarios(folder: Folder, document: Document, file: ScenarioFile) -> Iterator[Finding]:
    rules = {rule.rule for _, rule in folder.rules}

    def finding(path: Path, message: str) -> Finding:
        return Finding(document.file, document.line(path), message)

    if document.file.rpartition("/")[2] != f"{file.rule}.scenarios.yaml":
        yield finding(("rule",), f"rule: expected the name of the file, found {file.rule!r}: rename one of the two")
    for path, name in [(("rule",), file.rule), *((("with", at), name) for at, name in enumerate(file.with_))]:
        if name not in rules and f"rules/{name}.yaml" not in folder.broken:
            yield finding(path, f"there is no rule {name!r}{did_you_mean(name, rules)}")
    for index, scenario in enumerate(file.scenarios):
        try:
            scenario_file.arrivals(file, index)
        except ScenarioRefused as error:
            for event_path, message in error.mistakes:
                yield finding(event_path, message)
        times: list[tuple[Path, str | None]] = [(("scenarios", index, "until"), scenario.until)]
        for number, entry in enumerate(scenario.expect):
            times += [(("scenarios", index, "expect", number, key), getattr(entry, key)) for key in ("at", "until")]
        for path, text in times:
            yield from _check_time(file, path, text, finding)


def _check_time(
    file: ScenarioFile, path: Path, text: str | None, finding: Callable[[Path, str], Finding]
) -> Iterator[Finding]:
    try:
        if text is not None:
            file.time_ms(text)
    except ValueError as error:
        yield finding(path, f"{path[-1]}: {error}")
