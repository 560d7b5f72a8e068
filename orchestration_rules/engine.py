"""The engine: (ruleset, state, event, now) -> decisions and messages. Pure; state changes go through the view.

A journey is one run of a rule for one correlation value: WAITING or HELD with a timer, or DONE while ``re_entry``
remembers it. A journey that ends without a message leaves no row; the decision tells. So a customer has at most one row
per rule and correlation value, each with a timer that fires or sweeps it, at most 365 days ahead.

Order within one event: withdrawal of consent, exits, then triggers; rules by name. An event that ends a journey of a
rule does not start a new one of the same rule. Every trigger match ends in a decision. A rule that fails is stopped
alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from orchestration_rules import channels, gate
from orchestration_rules.conditions import Answer
from orchestration_rules.facts import CustomerFacts, flat_event
from orchestration_rules.journeys import Output, Recorder, journey_key
from orchestration_rules.reasons import SuppressionReason as Why
from orchestration_rules.ruleset import CompiledRule, Listening, RuleSet, correlates
from schemas.events import ConsentWithdrawn, CustomerEvent, DecisionOutcome, Envelope
from schemas.identifiers import derived_id
from schemas.rows import JourneyRow, JourneyState
from tables.consent import CONSENT
from tables.journeys import JOURNEYS
from tables.keys import children
from tables.view import Rows, View

# What a fault of a rule or of its data raises here. The store's own errors pass: they are no rule's fault.
_RULE_FAULTS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
_OPEN = (JourneyState.WAITING, JourneyState.HELD)
_SILENT = Listening()
_MAX_CORRELATION = 200


def decide(rules: RuleSet, view: View, customer_id: str, event: CustomerEvent, now_ms: int) -> list[Output]:
    """What the rules make of an event, after the tables were folded with it.

    ``now_ms``: the partition's time. An event that no rule listens to costs one look-up.
    """
    listening = rules.listening.get(type(event), _SILENT)
    withdrawn = isinstance(event, ConsentWithdrawn) and event.purpose in rules.consent_purposes
    envelope: Envelope | None = getattr(event, "envelope", None)
    if envelope is None or not (listening.starts or listening.ends or withdrawn):
        return []
    turn = _Turn(rules, view, customer_id, now_ms, event, envelope)
    if isinstance(event, ConsentWithdrawn) and withdrawn:
        turn.withdraw(event)
    for rule in listening.ends:
        turn.guarded(turn.end, rule)
    for rule in listening.starts:
        if rule.rule.for_brand(envelope.brand) and rule.name not in turn.ended:
            turn.guarded(turn.start, rule)
    return turn.recorder.out


def fire_due(rules: RuleSet, view: View, up_to_ms: int, now_ms: int, limit: int = 1_000) -> list[Output]:
    """Fire at most ``limit`` timers due at or before ``up_to_ms``, in (due, customer, rule/correlation) order.

    Each fired timer is gone or later than ``now_ms`` afterwards, so calling again until ``view.due`` is empty ends.
    """
    out: list[Output] = []
    for customer_id, key, row in view.due(JOURNEYS, up_to_ms, limit):
        recorder = Recorder(rules, view, customer_id, now_ms, out)
        if row.state not in _OPEN:
            view.delete(JOURNEYS, customer_id, key)
            continue
        rule = rules.rules.get(row.rule)
        if rule is None or not rule.rule.for_brand(row.brand):
            recorder.exit(row, Why.RULE_GONE, "")
            continue
        try:
            kept = {name: json.loads(value) for name, value in row.context.items()}
            facts = CustomerFacts(view, customer_id, kept, now_ms)
            recorder.settle(rule, row, gate.pass_through(rules, rule, row, facts, resumed=True), resumed=True)
        except _RULE_FAULTS as error:
            recorder.refuse(row, gate.Refused(Why.RULE_FAILED, type(error).__name__), opened=True)
    return out


@dataclass(slots=True)
class _Turn:
    """One event of one customer."""

    rules: RuleSet
    view: View
    customer_id: str
    now_ms: int
    event: CustomerEvent
    envelope: Envelope
    recorder: Recorder = field(init=False)
    facts: CustomerFacts = field(init=False)
    ended: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.rules, self.view, self.customer_id, self.now_ms, [])
        self.facts = CustomerFacts(self.view, self.customer_id, self.event, self.now_ms)

    def guarded(self, work: Callable[[CompiledRule], None], rule: CompiledRule) -> None:
        """Do it; a fault becomes a decision, and the other rules go on."""
        try:
            work(rule)
        except _RULE_FAULTS as error:
            row = self._row(rule, self._correlation(rule) or "")
            self.recorder.refuse(row, gate.Refused(Why.RULE_FAILED, type(error).__name__), opened=False)

    def withdraw(self, event: ConsentWithdrawn) -> None:
        """End the open journeys of the purpose that no channel of their rule is allowed for any more."""
        consents = Rows(self.view, CONSENT, self.customer_id)
        for _, row in list(self.view.range(JOURNEYS, self.customer_id)):
            rule = self.rules.rules.get(row.rule)
            if row.state not in _OPEN or rule is None or rule.rule.purpose != event.purpose:
                continue
            touched = not event.channels or set(event.channels) & set(rule.rule.send.channels)
            if touched and not channels.any_allowed(rule.rule, consents):
                self.recorder.exit(row, Why.CONSENT_WITHDRAWN, event.purpose)
                self.ended.add(row.rule)

    def end(self, rule: CompiledRule) -> None:
        """End the open journeys of the rule that this event is about."""
        for _, row in list(self.view.range(JOURNEYS, self.customer_id, *children(rule.name))):
            if row.state not in _OPEN or not self._is_about(rule, row):
                continue
            for condition in rule.exits[type(self.event)]:
                verdict = condition.holds(self.facts) if condition else None
                if verdict is None or verdict.answer is Answer.YES:
                    self.recorder.exit(row, Why.EXIT_EVENT, type(self.event).__name__)
                    self.ended.add(rule.name)
                    break
                if verdict.answer is not Answer.NO:
                    self.recorder.note(row, gate.refusal(verdict, "exit"), step="exit")

    def start(self, rule: CompiledRule) -> None:
        """A trigger of the rule: open, restart, send, or say why not."""
        correlation = self._correlation(rule)
        row = self._row(rule, correlation or "")
        if correlation is None:
            return self.recorder.refuse(row, gate.Refused(Why.MISSING_FIELD, str(rule.correlation_field)), opened=False)
        known = self.view.get(JOURNEYS, self.customer_id, journey_key(rule.name, correlation))
        restarts = bool(known and known.state in _OPEN and rule.rule.wait and rule.rule.wait.restart)
        refused = self._not_now(known, row, restarts) or gate.ask(rule.when, self.facts, "when")
        if refused is not None:
            return self.recorder.refuse(row, refused, opened=False)
        if rule.wait_ms:
            due_ms = max(self.now_ms, row.triggered_at_ms + rule.wait_ms)
            row = replace(row, due_ms=due_ms, context=self._kept(rule))
            outcome = DecisionOutcome.RESTARTED if restarts else DecisionOutcome.WAITING
            return self.recorder.wait(row, outcome, due_ms)
        decided = gate.pass_through(self.rules, rule, row, self.facts, resumed=False)
        if isinstance(decided, gate.Held):
            row = replace(row, context=self._kept(rule))
        return self.recorder.settle(rule, row, decided, resumed=False)

    def _not_now(self, known: JourneyRow | None, row: JourneyRow, restarts: bool) -> gate.Refused | None:
        if self.now_ms > row.valid_until_ms:
            late_seconds = (self.now_ms - self.envelope.occurred_at) // 1000
            return gate.Refused(Why.TOO_LATE, f"happened {late_seconds} s ago")
        if row.brand not in self.rules.brands:
            return gate.Refused(Why.UNKNOWN_BRAND, row.brand)
        if known is None:
            return None
        if known.state in _OPEN:
            # A trigger that arrives after a later one must not shorten the wait which that one began.
            late = row.triggered_at_ms < known.triggered_at_ms
            return gate.Refused(Why.ALREADY_OPEN) if late or not restarts else None
        if self.now_ms < (known.due_ms or 0):
            return gate.Refused(Why.ALREADY_SENT, "re_entry")
        return None

    def _is_about(self, rule: CompiledRule, row: JourneyRow) -> bool:
        """Whether the event concerns this journey: the same correlation value, where the event has that field."""
        name = rule.correlation_field
        if name is None or not correlates(name, type(self.event)):
            return True
        value = self._correlation(rule)
        return value is None or value == row.correlation

    def _correlation(self, rule: CompiledRule) -> str | None:
        name = rule.correlation_field
        if name is None:
            return "customer"
        value = getattr(self.event, name, None)
        value = getattr(self.envelope, name, None) if value is None else value
        if value is None or value == "":
            return None
        text = str(value)
        return text if len(text) <= _MAX_CORRELATION else derived_id(text)

    def _row(self, rule: CompiledRule, correlation: str) -> JourneyRow:
        """A journey that would start with this event. A clock ahead of ours does not stretch it."""
        triggered_at_ms = min(self.envelope.occurred_at, self.now_ms)
        return JourneyRow(
            rule=rule.name,
            correlation=correlation,
            state=JourneyState.WAITING,
            trigger_event_id=self.envelope.event_id,
            trigger_type=type(self.event).__name__,
            trigger_received_ms=self.envelope.received_at,
            triggered_at_ms=triggered_at_ms,
            brand=self.envelope.brand,
            due_ms=None,
            valid_until_ms=triggered_at_ms + rule.valid_ms,
            changed_at_ms=self.now_ms,
            ruleset_hash=self.rules.hash,
        )

    def _kept(self, rule: CompiledRule) -> dict[str, str]:
        """The fields of the trigger that are needed again after a wait, as JSON texts."""
        flat = flat_event(self.event)
        names = flat.keys() if rule.kept_fields is None else rule.kept_fields & flat.keys()
        return {name: json.dumps(flat[name], ensure_ascii=False) for name in sorted(names)}
