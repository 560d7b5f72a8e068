"""What the embedded registry knows: the published versions of the contract, and what was registered at run time.

Ids depend on a schema's content alone (:func:`schemas.history.schema_id`), so they survive restarts, a lost data
directory and new versions. Version numbers of run-time registrations follow the published ones and move up when more
are published; nothing in a log refers to them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from schemas.catalogue import record_names
from schemas.compatibility import Breaks, compare, not_avro
from schemas.errors import ConfigurationError, TsunagiError
from schemas.history import canonical, published, schema_id, subject_of


class Level(StrEnum):
    """Compatibility levels, as Confluent names them."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def refuses(self) -> frozenset[Breaks]:
        """What a change must not break at this level."""
        if self is Level.NONE:
            return frozenset()
        backward = {Breaks.NEW_READER, Breaks.BOTH}
        forward = {Breaks.OLD_READER, Breaks.BOTH}
        direction = self.value.removesuffix("_TRANSITIVE")
        return frozenset({"BACKWARD": backward, "FORWARD": forward, "FULL": backward | forward}[direction])


class RegistryError(TsunagiError):
    """An answer of the registry that is no success: HTTP status, Confluent's error code, message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True)
class Registered:
    """One version of a subject."""

    subject: str
    version: int
    id: int
    schema: Any


class RegistryStore:
    """Subjects, versions and levels; those of run time are in ``data_dir/registered.json``, replaced atomically."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        self._file = data_dir / "registered.json"
        self._published = {subject_of(name): published(name) for name in record_names()}
        self._schemas: dict[str, list[Any]] = {name: list(versions) for name, versions in self._published.items()}
        self._levels: dict[str, Level] = {}
        self._by_id: dict[int, Any] = {}
        self._read()
        for schemas in self._schemas.values():
            for schema in schemas:
                self._keep_id(schema)

    @property
    def subjects(self) -> list[str]:
        """Every subject with a version, sorted."""
        return sorted(subject for subject, schemas in self._schemas.items() if schemas)

    def versions(self, subject: str) -> list[Registered]:
        """The versions of a subject, first to last; 40401 when there is none."""
        schemas = self._schemas.get(subject)
        if not schemas:
            raise RegistryError(404, 40401, f"Subject '{subject}' not found.")
        return [Registered(subject, number, schema_id(schema), schema) for number, schema in enumerate(schemas, 1)]

    def version(self, subject: str, number: str) -> Registered:
        """One version by number or ``latest``; 42202 when it is neither, 40402 when it does not exist."""
        versions = self.versions(subject)
        if number in ("latest", "-1"):
            return versions[-1]
        if not (number.isascii() and number.isdigit() and 0 < int(number) < 2**31):
            raise RegistryError(
                422,
                42202,
                f"The specified version '{number}' is not a valid version id. "
                'Allowed values are between [1, 2^31-1] and the string "latest"',
            )
        if int(number) > len(versions):
            raise RegistryError(404, 40402, f"Version {number} not found.")
        return versions[int(number) - 1]

    def by_id(self, identifier: int) -> Any:
        """The schema with this id; 40403 when there is none."""
        if identifier not in self._by_id:
            raise RegistryError(404, 40403, f"Schema {identifier} not found")
        return self._by_id[identifier]

    def using(self, identifier: int) -> Iterator[Registered]:
        """Every subject and version that has this id."""
        self.by_id(identifier)
        for subject in self.subjects:
            yield from (entry for entry in self.versions(subject) if entry.id == identifier)

    def find(self, subject: str, schema: Any) -> Registered:
        """The version of a subject with this content; 40403 when it has none."""
        wanted = canonical(schema)
        for entry in self.versions(subject):
            if canonical(entry.schema) == wanted:
                return entry
        raise RegistryError(404, 40403, "Schema not found")

    def problems(self, subject: str, schema: Any, number: str | None) -> list[str]:
        """Why ``schema`` must not follow: against one version, or (``None``) against those the level names."""
        level = self.level(subject)
        if number is not None:
            against = [self.version(subject, number)]
        else:
            against = self.versions(subject) if self._schemas.get(subject) else []
            against = against if level.value.endswith("_TRANSITIVE") else against[-1:]
        name = subject.rpartition(".")[2]
        return [
            f"version {old.version}: {finding}"
            for old in against
            for finding in compare(name, schema, old.schema)
            if finding.breaks in level.refuses
        ]

    def register(self, subject: str, schema: Any) -> Registered:
        """The schema as the subject's next version, or the one it already is; 409 when the level refuses it."""
        if self._schemas.get(subject):
            try:
                return self.find(subject, schema)
            except RegistryError:
                problems = self.problems(subject, schema, None)
                if problems:
                    level = self.level(subject)
                    text = f"Schema being registered is incompatible with an earlier schema ({level}): "
                    raise RegistryError(409, 409, text + "; ".join(problems)) from None
        self._keep_id(schema)
        self._schemas.setdefault(subject, []).append(schema)
        try:
            self._write()
        except RegistryError:
            self._schemas[subject].pop()
            raise
        return self.versions(subject)[-1]

    def level(self, subject: str = "") -> Level:
        """The level that holds for a subject: its own, else the global one (``""``), else FULL_TRANSITIVE."""
        return self._levels.get(subject) or self._levels.get("", Level.FULL_TRANSITIVE)

    def own_level(self, subject: str) -> Level:
        """The level set on a subject itself; 40408 when none is."""
        if subject not in self._levels:
            text = f"Subject '{subject}' does not have subject-level compatibility configured"
            raise RegistryError(404, 40408, text)
        return self._levels[subject]

    def set_level(self, level: str, subject: str = "") -> Level:
        """Set the level of a subject, or the global one (``""``); 42203 when there is no such level."""
        names = [item.value for item in Level]
        if level not in names:
            raise RegistryError(422, 42203, f"Invalid compatibility level. Valid values are {', '.join(names)}")
        before = dict(self._levels)
        self._levels[subject] = Level(level)
        try:
            self._write()
        except RegistryError:
            self._levels = before
            raise
        return self._levels[subject]

    def _keep_id(self, schema: Any) -> None:
        identifier = schema_id(schema)
        known = self._by_id.setdefault(identifier, schema)
        if canonical(known) != canonical(schema):
            text = f"Two schemas have the id {identifier}; change a doc of the newer one to give it another"
            raise RegistryError(422, 42201, text)

    def _read(self) -> None:
        try:
            stored = json.loads(self._file.read_text())
            self._levels = {subject: Level(level) for subject, level in stored["levels"].items()}
            registered = {subject: list(schemas) for subject, schemas in stored["subjects"].items()}
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{self._file} is damaged ({error}): delete it and register its schemas again; ids stay the same"
            ) from error
        for subject, schemas in registered.items():
            known = self._schemas.setdefault(subject, [])
            texts = {canonical(schema) for schema in known}
            known += [schema for schema in schemas if canonical(schema) not in texts and not_avro(schema) is None]

    def _write(self) -> None:
        own = {subject: schemas[len(self._published.get(subject, ())) :] for subject, schemas in self._schemas.items()}
        content = {
            "levels": self._levels,
            "subjects": {subject: schemas for subject, schemas in own.items() if schemas},
        }
        partial = self._file.with_suffix(".partial")
        try:
            with partial.open("w") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._file)
        except OSError as error:
            raise RegistryError(500, 50001, f"Nothing was registered: {self._file}: {error.strerror}") from error
