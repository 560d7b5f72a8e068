"""Runs scenarios through the same step as the customer processor, over a dict and a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from orchestration_rules.ruleset import RuleSet
from orchestration_rules.scenario_file import Arrival, Expected, Scenario, ScenarioFile, arrivals
from schemas.events import ClockTick, Decision, DecisionOutcome, Record, RulesetActivated, SendMessage
from schemas.outgoing import Outgoing
from schemas.rows import JourneyState
from tables.journeys import JOURNEYS
from tables.view import DictView, View

Step = Callable[[View, Record, int], list[Outgoing]]
_OPEN = (JourneyState.WAITING, JourneyState.HELD)
_TIMERS = 1_000
_MOST_TICKS = 10_000


@dataclass(frozen=True, slots=True)
class Result:
    """How a scenario went. ``difference``: a line per decision, ``=`` as expected, ``-`` expected, ``+`` what came."""

    rule: str
    scenario: str
    passed: bool
    difference: tuple[str, ...]

    def __str__(self) -> str:
        head = f"{'ok  ' if self.passed else 'FAIL'} {self.rule}: {self.scenario}"
        return head if self.passed else "\n".join([head, *(f"     {line}" for line in self.difference)])


def run_file(rules: RuleSet, file: ScenarioFile, step: Step) -> list[Result]:
    """Run every scenario of a rule. Only this rule and those named in ``with`` are active."""
    active = rules.only({file.rule, *file.with_})
    return [_run(active, file, index, step) for index in range(len(file.scenarios))]


def uncovered(rule: str, files: Iterable[ScenarioFile]) -> list[str]:
    """What the scenarios of a rule do not show: that it fires, that it stays silent."""
    scenarios = [scenario for file in files if file.rule == rule for scenario in file.scenarios]
    missing = []
    if not any(scenario.fires for scenario in scenarios):
        missing.append("fires")
    if not any(not scenario.fires for scenario in scenarios):
        missing.append("stays silent")
    return missing


def _run(rules: RuleSet, file: ScenarioFile, index: int, step: Step) -> Result:
    scenario = file.scenarios[index]
    events = arrivals(file, index)
    records = list(_play(rules, events, _end_ms(file, scenario, events), scenario.until is not None, step))
    texts = {record.action_id: record for record in records if isinstance(record, SendMessage)}
    decisions = [record for record in records if isinstance(record, Decision) and record.rule == file.rule]
    difference: list[str] = []
    passed = True
    for position in range(max(len(decisions), len(scenario.expect))):
        expected = scenario.expect[position] if position < len(scenario.expect) else None
        decision = decisions[position] if position < len(decisions) else None
        message = texts.get(decision.action_id or "") if decision else None
        wrong = _wrong(file, expected, decision, message)
        passed = passed and not wrong
        if decision is not None and not wrong:
            difference.append(f"= {_told(file, decision)}")
            continue
        if expected is not None:
            difference.append(f"- {_wanted(expected)}")
        if decision is not None:
            difference.append(f"+ {_told(file, decision)}")
        difference += [f"  {line}" for line in wrong]
    return Result(file.rule, scenario.name, passed, tuple(difference))


def _end_ms(file: ScenarioFile, scenario: Scenario, events: list[Arrival]) -> int:
    if scenario.until is not None:
        return file.time_ms(scenario.until)
    return events[-1].arrives_ms + 400 * 86_400_000  # longer than any journey lives


def _play(rules: RuleSet, events: list[Arrival], end_ms: int, to_the_end: bool, step: Step) -> Iterator[Record]:
    """The records that come of it: the ruleset is activated, then time passes from event to event and on."""
    view = DictView()
    now_ms = events[0].arrives_ms
    activated = RulesetActivated(
        ruleset_hash=rules.hash,
        contents=rules.contents(),
        activated_by="scenario",
        reason="scenario",
        activated_at=now_ms,
    )
    yield from _records(step(view, activated, now_ms))
    for arrival in events:
        yield from _pass_time(view, now_ms, arrival.arrives_ms, step, only_open=False)
        now_ms = arrival.arrives_ms
        yield from _records(step(view, arrival.event, now_ms))
    yield from _pass_time(view, now_ms, end_ms, step, only_open=not to_the_end)


def _pass_time(view: View, now_ms: int, to_ms: int, step: Step, only_open: bool) -> Iterator[Record]:
    """Timers fire at their own time, as the clock of a partition makes them."""
    for _ in range(_MOST_TICKS):
        due = view.due(JOURNEYS, to_ms, _TIMERS)
        if not due or (only_open and not any(row.state in _OPEN for _, _, row in due)):
            return
        now_ms = max(now_ms, due[0][2].due_ms or 0)
        yield from _records(step(view, ClockTick(up_to=now_ms), now_ms))
    raise RuntimeError(f"timers were still due after {_MOST_TICKS} ticks: a journey waits for a time that has passed")


def _records(outgoing: Iterable[Outgoing]) -> list[Record]:
    return [entry.record for entry in outgoing]


def _wrong(
    file: ScenarioFile, expected: Expected | None, decision: Decision | None, message: SendMessage | None
) -> list[str]:
    if expected is None or decision is None:
        return ["nothing more was expected" if expected is None else "it did not come"]
    wrong: list[str] = []

    def compare(name: str, wanted: object, found: object) -> None:
        if wanted is not None and wanted != found:
            wrong.append(f"{name}: expected {wanted}, found {found or 'none'}")

    compare("at", _normal(file, expected.at), file.time_text(decision.decided_at))
    compare("outcome", expected.outcome, decision.outcome)
    compare("reason", expected.reason, decision.reason)
    compare("until", _normal(file, expected.until), file.time_text(decision.until) if decision.until else None)
    compare("channel", expected.channel, decision.channel)
    if decision.outcome is DecisionOutcome.FIRED:
        compare("to", expected.to, message.to if message else None)
        compare("subject", expected.subject, message.subject if message else None)
        text = message.text if message else ""
        wrong += [
            f"text: expected it to contain {part!r}, found {text!r}" for part in expected.text if part not in text
        ]
    elif expected.text or expected.to or expected.subject:
        wrong.append("text, to and subject are of a message, and none was sent")
    return wrong


def _normal(file: ScenarioFile, text: str | None) -> str | None:
    return None if text is None else file.time_text(file.time_ms(text))


def _wanted(expected: Expected) -> str:
    parts = [expected.at, expected.outcome, expected.reason, expected.channel]
    return " ".join(part for part in parts if part) + (f" until {expected.until}" if expected.until else "")


def _told(file: ScenarioFile, decision: Decision) -> str:
    parts = [file.time_text(decision.decided_at), decision.outcome, decision.reason, decision.channel]
    text = " ".join(part for part in parts if part)
    text += f" until {file.time_text(decision.until)}" if decision.until else ""
    return f"{text} ({decision.detail})" if decision.detail else text
