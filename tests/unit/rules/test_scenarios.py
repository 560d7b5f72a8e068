"""The scenario runner: what it compares, how it shows a difference, how time passes in it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestration_rules import scenarios
from orchestration_rules.scenario_file import ScenarioFile, ScenarioRefused, arrivals
from orchestration_rules.scenarios import Result, run_file, uncovered
from schemas.events import ClockTick, Record
from schemas.outgoing import Outgoing
from streams.processors.customer import step
from tables.view import View
from tests.rulekit import BRAND, IDENTIFIERS, at, rule, ruleset

RULES = ruleset(rule(wait={"for": "PT1H"}), rule("other", re_entry="never"))
VIEWED = {"type": "ProductViewed", "occurred_at": "10:00", "sku": "SKU-1"}
FIRED = [{"at": "10:00", "outcome": "WAITING", "until": "11:00"}, {"at": "11:00", "outcome": "FIRED"}]


def scenario_file(*expect: dict[str, Any], events: list[dict[str, Any]] | None = None, **changes: Any) -> ScenarioFile:
    scenario: dict[str, Any] = {"name": "one", "events": events or [VIEWED], "expect": list(expect)}
    scenario |= {name: changes.pop(name) for name in ("given", "until") if name in changes}
    fields = {
        "rule": "hello",
        "day": "2026-11-24",
        "zone": "Asia/Tokyo",
        "defaults": {"brand": "aoba", "channel": "app", "source": "shop-app", "identifiers": IDENTIFIERS},
        "scenarios": [scenario],
        **changes,
    }
    return ScenarioFile.model_validate(fields)


def run(*expect: dict[str, Any], **changes: Any) -> Result:
    (result,) = run_file(RULES, scenario_file(*expect, **changes), step)
    return result


def test_what_is_expected_passes() -> None:
    assert run(*FIRED).passed
    detailed = {"channel": "line", "to": "U1", "text": ["hello", "です"], "reason": None}
    assert run(FIRED[0], {**FIRED[1], **detailed}).passed
    assert str(run(*FIRED)) == "ok   hello: one"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"at": "11:01"}, "at: expected 11:01, found 11:00"),
        ({"outcome": "HELD"}, "outcome: expected HELD, found FIRED"),
        ({"channel": "sms"}, "channel: expected sms, found line"),
        ({"to": "U2"}, "to: expected U2, found U1"),
        ({"subject": "x"}, "subject: expected x, found none"),
        ({"text": "bye"}, "text: expected it to contain 'bye', found 'helloです'"),
        ({"until": "12:00"}, "until: expected 12:00, found none"),
        ({"reason": "NO_CONSENT"}, "reason: expected NO_CONSENT, found none"),
    ],
)
def test_a_difference_is_shown_decision_by_decision(change: dict[str, Any], line: str) -> None:
    result = run(FIRED[0], {**FIRED[1], **change})
    assert not result.passed
    shown = str(result).splitlines()
    assert shown[0] == "FAIL hello: one"
    assert shown[1] == "     = 10:00 WAITING until 11:00"
    assert shown[2].startswith("     - ")
    assert shown[3] == "     + 11:00 FIRED line"
    assert shown[4] == f"       {line}"


def test_a_decision_too_few_or_too_many_is_a_difference() -> None:
    assert run(FIRED[0]).difference == (
        "= 10:00 WAITING until 11:00",
        "+ 11:00 FIRED line",
        "  nothing more was expected",
    )
    assert run(*FIRED, {"outcome": "FIRED"}).difference[-2:] == ("- FIRED", "  it did not come")
    assert not run().passed, "silence must be what came"


def test_a_text_of_what_was_not_sent_is_a_difference() -> None:
    assert not run({**FIRED[0], "text": "hello"}, FIRED[1]).passed


def test_only_the_rule_itself_is_active_unless_others_are_named() -> None:
    caps = {"few": [{"limit": 1, "calendar": "day"}]}
    marketing = {"purpose": "marketing", "cap": "few"}
    rules = ruleset(rule("a-first", **marketing), rule("hello", **marketing), caps=caps)
    given = [{"type": "ConsentGiven", "occurred_at": "09:30", "purpose": "marketing"}]
    alone = scenario_file({"outcome": "FIRED"}, given=given)
    together = scenario_file({"outcome": "SUPPRESSED", "reason": "CAP_REACHED"}, given=given)
    assert run_file(rules, alone, step)[0].passed
    assert run_file(rules, together.model_copy(update={"with_": ("a-first",)}), step)[0].passed


def test_time_stops_at_until_and_goes_on_without_it() -> None:
    assert run(FIRED[0], until="10:59").passed
    assert run(*FIRED, until="11:00").passed


def test_given_comes_before_every_scenario_unless_it_has_its_own() -> None:
    profile = {"type": "ProfileUpdated", "occurred_at": "09:00", "locale": "en"}
    english, japanese = {**FIRED[1], "text": "hello"}, {**FIRED[1], "text": "helloです"}
    file = scenario_file(FIRED[0], english).model_copy(update={"given": (profile,)})
    assert run_file(RULES, file, step)[0].passed
    own = scenario_file(FIRED[0], japanese, given=[]).model_copy(update={"given": (profile,)})
    assert run_file(RULES, own, step)[0].passed


def test_times_of_day_days_and_iso() -> None:
    file = scenario_file()
    assert file.time_ms("10:00") == at("10:00")
    assert file.time_ms("day 2 09:30:15") == at("09:30", day=25) + 15_000
    assert file.time_ms("2026-11-24T01:00:00Z") == at("10:00")
    assert [file.time_text(moment) for moment in (at("10:00"), at("09:30", day=25) + 15_000)] == [
        "10:00",
        "day 2 09:30:15",
    ]
    for wrong in ("25:00", "10", "day two 10:00", "2026-11-24T10:00:00", "noon"):
        with pytest.raises(ValueError, match="expected HH:MM, day 2 HH:MM, or ISO 8601 with offset"):
            file.time_ms(wrong)


def test_events_are_checked_as_the_front_door_checks_them() -> None:
    events: list[dict[str, Any]] = [{**VIEWED, "sku": 5, "colour": "red"}, {"type": "ProductViewed", "sku": "x"}]
    with pytest.raises(ScenarioRefused) as refused:
        arrivals(scenario_file(events=events), 0)
    paths = [path for path, _ in refused.value.mistakes]
    assert ("scenarios", 0, "events", 0, "sku") in paths
    assert ("scenarios", 0, "events", 0, "colour") in paths
    assert ("scenarios", 0, "events", 1) in paths, "no time"


def test_events_come_in_order_of_arrival() -> None:
    late = {**VIEWED, "occurred_at": "09:00", "arrives_at": "12:00", "event_id": "late"}
    found = arrivals(scenario_file(events=[late, VIEWED]), 0)
    assert [(arrival.event.envelope.event_id, arrival.arrives_ms) for arrival in found] == [  # type: ignore[union-attr]
        ("event-2", at("10:00")),
        ("late", at("12:00")),
    ]


@pytest.mark.parametrize(
    "expected",
    [{"outcome": "SUPPRESSED"}, {"outcome": "EXITED"}, {"outcome": "SENT"}, {"outcome": "FIRED", "txt": "x"}],
)
def test_expectations_that_say_too_little_or_nonsense_are_refused(expected: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        scenario_file(expected)


def test_coverage_names_what_no_scenario_shows() -> None:
    assert uncovered("hello", [scenario_file(*FIRED)]) == ["stays silent"]
    assert uncovered("hello", [scenario_file()]) == ["fires"]
    assert uncovered("hello", []) == ["fires", "stays silent"]
    assert uncovered("hello", [scenario_file(*FIRED), scenario_file()]) == []


def test_timers_that_never_end_are_told_and_not_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(view: View, record: Record, now_ms: int) -> list[Outgoing]:
        return [] if isinstance(record, ClockTick) else step(view, record, now_ms)

    monkeypatch.setattr(scenarios, "_MOST_TICKS", 5)
    with pytest.raises(RuntimeError, match="still due after 5 ticks"):
        run_file(RULES, scenario_file(*FIRED), deaf)


def test_the_brand_of_a_scenario_is_the_events() -> None:
    brands = {"aoba": BRAND, "midori": {**BRAND, "title": {"ja": "緑", "en": "Midori"}}}
    texts = {"hello": {"ja": {"text": "{{ brand.title }}"}, "en": {"text": "x"}}}
    rules = ruleset(rule(), brands=brands, templates=texts)
    file = scenario_file({"outcome": "FIRED", "text": "緑"}, events=[{**VIEWED, "brand": "midori"}])
    assert run_file(rules, file, step)[0].passed
