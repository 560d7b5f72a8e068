"""What a contract check found: one shape for compatibility and lint, so that the command line tells both alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Breaks(StrEnum):
    """Who is hurt."""

    OLD_READER = "old reader"
    NEW_READER = "new reader"
    BOTH = "old and new readers"
    SENDER = "sender"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One reason why a schema must not be published as it is.

    ``file`` is the ``.avsc`` that declares the field, ``field`` its dotted path there (``""``: the record itself),
    ``versions`` the published versions it is in conflict with (empty: wrong by itself).
    """

    record: str
    file: str
    field: str
    breaks: Breaks
    problem: str
    fix: str
    versions: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = f"{self.file}: {self.field}" if self.field else self.file
        against = f" (against version {', '.join(map(str, self.versions))})" if self.versions else ""
        return f"{where}: {self.problem}{against}; breaks {self.breaks}. Fix: {self.fix}"
