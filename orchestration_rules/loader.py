"""Reads a rules folder: ``rules/*.yaml``, ``rules/*.scenarios.yaml``, ``templates/<name>.<locale>.yaml``,
``brands.yaml``, ``caps.yaml``. The only file of the rules that touches files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestration_rules import model
from orchestration_rules.checks import Folder, check, check_template_syntax
from orchestration_rules.findings import Finding, of_validation
from orchestration_rules.model import Brand, Brands, CapLimit, Caps, Rule, Template
from orchestration_rules.ruleset import Contents, RuleSet
from orchestration_rules.scenario_file import ScenarioFile
from orchestration_rules.yaml_source import Document, NotYaml, parse
from schemas.errors import ContractError

PACKAGED = Path(__file__).parent
"""The rules that come with Tsunagi."""
MAX_FILE_BYTES = 1_000_000

M = TypeVar("M", bound=BaseModel)
_TEMPLATE_FILE = re.compile(rf"(?P<name>{model.NAME[1:-1]})\.(?P<locale>{model.LOCALE[1:-1]})\.yaml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a folder holds: ``ruleset`` is ``None`` when there are findings that forbid it."""

    ruleset: RuleSet | None
    findings: tuple[Finding, ...]
    scenarios: tuple[ScenarioFile, ...]
    rules: tuple[Rule, ...]


def load(folder: Path = PACKAGED) -> Loaded:
    """Read and check a folder. Never raises for what is in the files: every mistake is a finding with its line."""
    reader = _Reader(folder)
    brands = reader.one("brands.yaml", Brands, Brands.model_construct(brands={}))
    caps = reader.one("caps.yaml", Caps, Caps.model_construct(groups={}), needed=False)
    rules, scenarios = reader.rules()
    templates = reader.templates()
    broken = frozenset(finding.file for finding in reader.findings)
    parts = Folder(tuple(rules), templates, brands.brands, caps.groups, tuple(scenarios), broken)
    found = [*reader.findings, *check(parts)]
    ruleset = None
    if not found:
        try:
            ruleset = _ruleset(parts, brands.brands, caps.groups)
        except ContractError as error:
            found = [Finding(".", 1, str(error))]
    return Loaded(
        ruleset,
        tuple(sorted(set(found))),
        tuple(file for _, file in scenarios),
        tuple(rule for _, rule in rules),
    )


def _ruleset(parts: Folder, brands: dict[str, Brand], caps: dict[str, tuple[CapLimit, ...]]) -> RuleSet:
    return RuleSet(
        Contents(
            rules=tuple(rule for _, rule in parts.rules),
            templates={
                name: {locale: template for locale, (_, template) in locales.items()}
                for name, locales in parts.templates.items()
            },
            brands=brands,
            caps=caps,
        )
    )


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[Finding] = []

    def one(self, name: str, kind: type[M], empty: M, needed: bool = True) -> M:
        """A single file of the folder."""
        path = self.folder / name
        if not path.exists():
            if needed:
                self._say(name, 1, f"{name} is missing in {self.folder}: a rules folder has {name}, rules/, templates/")
            return empty
        read = self._read(path, kind)
        return read[1] if read else empty

    def rules(self) -> tuple[list[tuple[Document, Rule]], list[tuple[Document, ScenarioFile]]]:
        """Rules and scenario files, by file name."""
        rules, scenarios = [], []
        paths = self._files("rules")
        if not paths:
            self._say("rules", 1, f"there are no rules in {self.folder / 'rules'}: write rules/<rule>.yaml")
        for path in paths:
            if path.name.endswith(".scenarios.yaml"):
                if (read_scenarios := self._read(path, ScenarioFile)) is not None:
                    scenarios.append(read_scenarios)
            elif (read_rule := self._read(path, Rule)) is not None:
                rules.append(read_rule)
        return rules, scenarios

    def templates(self) -> dict[str, dict[str, tuple[Document, Template]]]:
        """Templates by name and locale."""
        found: dict[str, dict[str, tuple[Document, Template]]] = {}
        for path in self._files("templates"):
            parts = _TEMPLATE_FILE.fullmatch(path.name)
            if parts is None:
                self._say(self._name(path), 1, "expected a name <template>.<locale>.yaml, such as pickup-ready.ja.yaml")
                continue
            read = self._read(path, Template)
            if read is not None:
                self.findings += check_template_syntax(*read, parts["locale"])
                found.setdefault(parts["name"], {})[parts["locale"]] = read
        return found

    def _files(self, name: str) -> list[Path]:
        # .yml is easily written and would be overlooked in silence.
        for path in sorted((self.folder / name).glob("*.yml")):
            self._say(self._name(path), 1, "expected the ending .yaml, found .yml: rename the file")
        return sorted((self.folder / name).glob("*.yaml"))

    def _read(self, path: Path, kind: type[M]) -> tuple[Document, M] | None:
        file = self._name(path)
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise NotYaml(f"larger than {MAX_FILE_BYTES} bytes", 1)
            document = parse(path.read_text(encoding="utf-8"), file)
        except NotYaml as error:
            self._say(file, error.line, str(error))
            return None
        except UnicodeDecodeError as error:
            self._say(file, 1, f"not UTF-8 text: {error.reason} at byte {error.start}")
            return None
        except OSError as error:
            self._say(file, 1, f"cannot be read: {error.strerror}")
            return None
        for key, line in document.repeated:
            self._say(file, line, f"{key[-1]} stands here a second time: remove one of the two")
        if not isinstance(document.value, dict):
            self._say(file, 1, "expected a mapping of names to values")
            return None
        try:
            return document, kind.model_validate(document.value)
        except ValidationError as error:
            self.findings += of_validation(document, error, _fields(kind))
        return None

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _say(self, file: str, line: int, message: str) -> None:
        self.findings.append(Finding(file, line, message))


def _fields(kind: type[BaseModel]) -> dict[str, list[str]]:
    """Known field names by dotted path without list indices, for suggestions."""
    known: dict[str, list[str]] = {}

    def walk(inner: Any, path: tuple[str, ...]) -> None:
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            known[".".join(path)] = [field.alias or name for name, field in inner.model_fields.items()]
            for name, field in inner.model_fields.items():
                walk(field.annotation, (*path, field.alias or name))
        for argument in getattr(inner, "__args__", ()):
            walk(argument, path)

    walk(kind, ())
    return known
