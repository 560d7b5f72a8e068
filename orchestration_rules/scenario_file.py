"""Scenario files: events with times in, expected decisions out. ``rules/<rule>.scenarios.yaml``.

Times are ``HH:MM`` on the file's day in its zone, ``day 2 HH:MM`` for the day after, or ISO 8601 with offset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from orchestration_rules import quiet
from orchestration_rules.model import NAME, MessageChannel
from orchestration_rules.reasons import SuppressionReason
from schemas.errors import FieldError, InvalidInput
from schemas.events import CustomerEvent, DecisionOutcome
from schemas.validation import parse_event

CUSTOMER_ID = "scenario-customer"
_TIME = re.compile(r"(?:day (\d{1,3}) )?([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


def _one_or_several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Expected(_Strict):
    """One expected decision; what is left out is not compared."""

    at: str | None = Field(default=None, description="When it is decided.")
    outcome: DecisionOutcome
    reason: SuppressionReason | None = None
    until: str | None = Field(default=None, description="For WAITING, RESTARTED and HELD: until when.")
    channel: MessageChannel | None = None
    to: str | None = Field(default=None, description="For FIRED: the address.")
    subject: str | None = Field(default=None, description="For FIRED: the exact subject line.")
    text: Annotated[
        tuple[str, ...],
        BeforeValidator(_one_or_several),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field(default=(), description="For FIRED: what the message must contain.")

    @model_validator(mode="after")
    def _reason_of_a_no(self) -> Expected:
        if self.outcome in (DecisionOutcome.SUPPRESSED, DecisionOutcome.EXITED) and self.reason is None:
            raise ValueError(f"{self.outcome} needs a reason, such as {SuppressionReason.NO_CONSENT}")
        return self


class Scenario(_Strict):
    """One story of one customer, and all decisions of the rule in it, in order."""

    name: str = Field(min_length=1)
    given: tuple[dict[str, Any], ...] | None = Field(default=None, description="Instead of the file's `given`.")
    events: tuple[dict[str, Any], ...] = Field(min_length=1)
    until: str | None = Field(
        default=None, description="Time goes on to here; left out: until no journey waits any more."
    )
    expect: tuple[Expected, ...]

    @property
    def fires(self) -> bool:
        """Whether a message is expected."""
        return any(entry.outcome is DecisionOutcome.FIRED for entry in self.expect)


class ScenarioFile(_Strict):
    """The scenarios of one rule."""

    rule: str = Field(pattern=NAME)
    day: date = Field(description="The first day of the scenarios.")
    zone: str = Field(description="IANA time zone of the times.")
    defaults: dict[str, Any] = Field(default_factory=dict, description="Fields that events have unless they say else.")
    given: tuple[dict[str, Any], ...] = Field(default=(), description="Events before those of every scenario.")
    with_: tuple[str, ...] = Field(default=(), alias="with", description="Other rules that are active too.")
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if quiet.zone(name) is None:
            raise ValueError(f"expected an IANA time zone such as Asia/Tokyo, found {name!r}")
        return name

    def time_ms(self, text: str) -> int:
        """Epoch milliseconds of a time of this file; raises ``ValueError`` with the forms that are allowed."""
        found = _TIME.fullmatch(text)
        if found is not None:
            day = self.day + timedelta(days=int(found[1] or 1) - 1)
            wall = time(int(found[2]), int(found[3]), int(found[4] or 0))
            return int(datetime.combine(day, wall, ZoneInfo(self.zone)).timestamp()) * 1000
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise ValueError(f"expected HH:MM, day 2 HH:MM, or ISO 8601 with offset, found {text!r}")
        return round(moment.timestamp() * 1000)

    def time_text(self, at_ms: int) -> str:
        """The time as this file writes it."""
        there = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(self.zone))
        days = (there.date() - self.day).days + 1
        clock = f"{there:%H:%M:%S}" if there.second else f"{there:%H:%M}"
        return clock if days == 1 else f"day {days} {clock}"


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event and when the customer's log gets it."""

    event: CustomerEvent
    arrives_ms: int


Path = tuple[int | str, ...]


class ScenarioRefused(ValueError):
    """An event of a scenario is wrong. ``mistakes``: path in the file and message, one per field."""

    def __init__(self, mistakes: list[tuple[Path, str]]) -> None:
        super().__init__("; ".join(message for _, message in mistakes))
        self.mistakes = mistakes


def arrivals(file: ScenarioFile, index: int) -> list[Arrival]:
    """The events of scenario ``index`` with those given before it, by arrival. Raises :class:`ScenarioRefused`."""
    scenario = file.scenarios[index]
    given_path: Path = ("given",) if scenario.given is None else ("scenarios", index, "given")
    given = file.given if scenario.given is None else scenario.given
    raw: list[tuple[Path, Mapping[str, Any]]] = [((*given_path, at), entry) for at, entry in enumerate(given)]
    raw += [(("scenarios", index, "events", at), entry) for at, entry in enumerate(scenario.events)]
    found: list[Arrival] = []
    mistakes: list[tuple[Path, str]] = []
    for number, (path, entry) in enumerate(raw):
        try:
            found.append(_arrival(file, {"event_id": f"event-{number + 1}", **file.defaults, **entry}))
        except InvalidInput as error:
            mistakes += [((*path, *_steps(item)), _sentence(item)) for item in error.errors]
        except ValueError as error:
            mistakes.append((path, str(error)))
    if mistakes:
        raise ScenarioRefused(mistakes)
    return sorted(found, key=lambda arrival: arrival.arrives_ms)


def _arrival(file: ScenarioFile, entry: dict[str, Any]) -> Arrival:
    occurred = entry.get("occurred_at")
    if not isinstance(occurred, str):
        raise ValueError("occurred_at is missing: write HH:MM, day 2 HH:MM, or ISO 8601 with offset")
    entry["occurred_at"] = file.time_ms(occurred)
    arrives = entry.pop("arrives_at", None)
    arrives_ms = entry["occurred_at"] if arrives is None else file.time_ms(str(arrives))
    event = parse_event(entry, arrives_ms)
    envelope = replace(event.envelope, received_at=arrives_ms, customer_id=CUSTOMER_ID)
    return Arrival(cast(CustomerEvent, replace(event, envelope=envelope)), arrives_ms)


def _steps(error: FieldError) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in error.field.split(".") if part)


def _sentence(error: FieldError) -> str:
    expected = f" ({error.expected})" if error.expected else ""
    return f"{error.field or 'the event'} {error.message}{expected}"
