"""Writes down what was decided: the journey row, the send, the decision, the message. The last step; nothing in it
asks a question, so a rule either has all of its effects or none."""

from __future__ import annotations

from msgspec.structs import replace

from orchestration_rules import caps
from orchestration_rules.gate import Held, Outcome, Passed, Refused
from orchestration_rules.reasons import SuppressionReason
from orchestration_rules.ruleset import CompiledRule, RuleSet
from schemas.events import Decision, DecisionOutcome, OnUnknown, SendMessage
from schemas.identifiers import derived_id
from schemas.rows import JourneyRow, JourneyState, SendRow
from tables.journeys import JOURNEYS
from tables.sends import SENDS
from tables.view import Rows, View

Output = Decision | SendMessage


def journey_key(rule: str, correlation: str) -> str:
    """Row key of a journey."""
    return f"{rule}/{correlation}"


class Recorder:
    """The effects of one customer's rules at one moment; records to produce gather in ``out``."""

    def __init__(self, rules: RuleSet, view: View, customer_id: str, now_ms: int, out: list[Output]) -> None:
        self.rules = rules
        self.view = view
        self.customer_id = customer_id
        self.now_ms = now_ms
        self.out = out

    def settle(self, rule: CompiledRule, row: JourneyRow, outcome: Outcome, resumed: bool) -> None:
        """Carry out what the gate said."""
        match outcome:
            case Refused():
                self.refuse(row, outcome, opened=resumed)
            case Held():
                self._put(replace(row, state=JourneyState.HELD, due_ms=outcome.until_ms))
                reason = SuppressionReason.QUIET_HOURS
                self._decision(row, DecisionOutcome.HELD, reason, outcome.detail, until=outcome.until_ms)
            case Passed():
                self._send(rule, row, outcome)

    def refuse(self, row: JourneyRow, refused: Refused, opened: bool) -> None:
        """Not sent. ``opened``: a journey that waited ends with it; otherwise one that is open stays as it is."""
        if opened:
            self._delete(row)
        self._decision(row, DecisionOutcome.SUPPRESSED, refused.reason, refused.detail)

    def wait(self, row: JourneyRow, outcome: DecisionOutcome, until_ms: int) -> None:
        """A journey begins to wait, or begins anew."""
        self._put(row)
        self._decision(row, outcome, None, "", until=until_ms)

    def exit(self, row: JourneyRow, reason: SuppressionReason, detail: str) -> None:
        """A waiting or held journey ends."""
        self._delete(row)
        self._decision(row, DecisionOutcome.EXITED, reason, detail, step="exit")

    def note(self, row: JourneyRow, refused: Refused | None, step: str) -> None:
        """Something about a journey that goes on as it was."""
        if refused is not None:
            self._decision(row, DecisionOutcome.SUPPRESSED, refused.reason, refused.detail, step=step)

    def _send(self, rule: CompiledRule, row: JourneyRow, passed: Passed) -> None:
        if rule.re_entry_ms:
            # The row stays until re-entry is allowed; what the trigger said is no longer needed.
            due_ms = self.now_ms + rule.re_entry_ms
            self._put(replace(row, state=JourneyState.DONE, due_ms=due_ms, context={}))
        else:
            self._delete(row)
        sent = SendRow(
            at_ms=self.now_ms,
            rule=row.rule,
            cap_group=caps.group_key(row.brand, rule.rule.cap),
            channel=passed.channel,
            correlation=row.correlation,
        )
        caps.record(Rows(self.view, SENDS, self.customer_id), sent, passed.action_id, self.rules.caps)
        self._decision(
            row, DecisionOutcome.FIRED, None, passed.detail, channel=passed.channel, action_id=passed.action_id
        )
        self.out.append(
            SendMessage(
                action_id=passed.action_id,
                customer_id=self.customer_id,
                brand=row.brand,
                rule=row.rule,
                ruleset_hash=self.rules.hash,
                trigger_event_id=row.trigger_event_id,
                trigger_received_at=row.trigger_received_ms,
                channel=passed.channel,
                to=passed.address,
                subject=passed.message.subject if passed.channel == "email" else None,
                text=passed.message.text,
                purpose=rule.rule.purpose,
                valid_until=passed.valid_until_ms,
                on_unknown=OnUnknown(rule.rule.on_unknown.upper()),
                decided_at=self.now_ms,
            )
        )

    def _put(self, row: JourneyRow) -> None:
        changed = replace(row, changed_at_ms=self.now_ms, ruleset_hash=self.rules.hash)
        self.view.put(JOURNEYS, self.customer_id, journey_key(row.rule, row.correlation), changed)

    def _delete(self, row: JourneyRow) -> None:
        self.view.delete(JOURNEYS, self.customer_id, journey_key(row.rule, row.correlation))

    def _decision(
        self,
        row: JourneyRow,
        outcome: DecisionOutcome,
        reason: SuppressionReason | None,
        detail: str,
        *,
        step: str = "send",
        channel: str | None = None,
        action_id: str | None = None,
        until: int | None = None,
    ) -> None:
        # ``until`` is part of the id: a journey can be held twice, when its customer moves to another zone.
        parts = (row.rule, self.customer_id, row.correlation, row.trigger_event_id, step, outcome, str(until or ""))
        self.out.append(
            Decision(
                decision_id=derived_id(*parts),
                customer_id=self.customer_id,
                brand=row.brand,
                rule=row.rule,
                ruleset_hash=self.rules.hash,
                correlation=row.correlation,
                trigger_event_id=row.trigger_event_id,
                step=step,
                outcome=outcome,
                reason=reason or "",
                channel=channel,
                action_id=action_id,
                until=until,
                detail=detail,
                decided_at=self.now_ms,
            )
        )
