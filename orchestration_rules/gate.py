"""Whether and how a message goes out now: validity, condition, channel, quiet hours, caps, text, in this order.

The same gate stands at the trigger, after a wait and after a hold, so nothing that changed meanwhile is overlooked.
"""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from orchestration_rules import caps, channels, quiet
from orchestration_rules.conditions import Answer, Condition, Verdict
from orchestration_rules.facts import CustomerFacts
from orchestration_rules.model import SERVICE, Brand, Quiet
from orchestration_rules.reasons import SuppressionReason
from orchestration_rules.ruleset import CompiledRule, RuleSet
from orchestration_rules.shapes import BrandView
from orchestration_rules.templates import Rendered, TemplateRefused
from schemas.identifiers import derived_id
from schemas.rows import JourneyRow
from tables.consent import CONSENT
from tables.sends import SENDS
from tables.view import Rows


@dataclass(frozen=True, slots=True)
class Refused:
    """Not now and not later."""

    reason: SuppressionReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Not now; to be asked again at ``until_ms``."""

    until_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Goes out now."""

    action_id: str
    channel: str
    address: str
    message: Rendered
    valid_until_ms: int
    detail: str


Outcome = Refused | Held | Passed

_REASONS = {
    Answer.NO: SuppressionReason.CONDITION_NOT_MET,
    Answer.MISSING: SuppressionReason.MISSING_FIELD,
    Answer.FAILED: SuppressionReason.RULE_FAILED,
}


def refusal(verdict: Verdict, name: str) -> Refused | None:
    """Why a condition stands in the way; ``None`` when it holds."""
    reason = _REASONS.get(verdict.answer)
    return None if reason is None else Refused(reason, f"{name}: {verdict.detail}" if verdict.detail else name)


def ask(condition: Condition | None, facts: CustomerFacts, name: str) -> Refused | None:
    """Evaluate a condition of the rule; no condition always holds."""
    return None if condition is None else refusal(condition.holds(facts), name)


def where(brand: Brand, facts: CustomerFacts) -> ZoneInfo:
    """The customer's zone, else the brand's: there is no "no zone, send anyway"."""
    found = quiet.zone(facts.profile.time_zone) if facts.profile.time_zone else None
    return found or quiet.zone(brand.time_zone) or ZoneInfo("UTC")


def action_id(customer_id: str, row: JourneyRow, channel: str) -> str:
    """The same journey step never has two ids: hash of rule, customer, correlation, trigger event, step, channel.

    Customer and correlation are in it because an event id is unique within its source only.
    """
    return derived_id(row.rule, customer_id, row.correlation, row.trigger_event_id, "send", channel)


def pass_through(rules: RuleSet, rule: CompiledRule, row: JourneyRow, facts: CustomerFacts, resumed: bool) -> Outcome:
    """What becomes of the message of a journey at ``facts.now_ms``.

    ``resumed``: after a wait or hold, when the precondition is checked again; at the trigger the caller has asked it.
    """
    now_ms = facts.now_ms
    if now_ms > row.valid_until_ms:
        return Refused(SuppressionReason.TOO_LATE, f"{(now_ms - row.valid_until_ms) // 1000} s past valid_for")
    if resumed and (refused := ask(rule.still, facts, "still" if rule.rule.still else "when")):
        return refused
    brand = rules.brands.get(row.brand)
    if brand is None:
        return Refused(SuppressionReason.UNKNOWN_BRAND, row.brand)
    choice = channels.choose(rule.rule, facts.profile, Rows(facts.view, CONSENT, facts.customer_id))
    if choice.channel is None:
        return Refused(choice.reason or SuppressionReason.NO_ADDRESS, choice.detail)
    zone = where(brand, facts)
    night = _night(rule, row, brand, zone, now_ms)
    if night is not None:
        return night
    ids: dict[str, str] = {channel: action_id(facts.customer_id, row, channel) for channel in rule.rule.send.channels}
    sends = Rows(facts.view, SENDS, facts.customer_id)
    if caps.was_sent(sends, ids.values()):
        return Refused(SuppressionReason.ALREADY_SENT, "this event already caused it")
    if refused := _capped(rules, rule, row, facts, zone):
        return refused
    try:
        message = _render(rules, rule, row, facts, choice.channel)
    except TemplateRefused as error:
        return Refused(SuppressionReason.TEMPLATE_FAILED, str(error))
    valid_until = min(row.valid_until_ms, _not_at_night(rule, brand, zone, now_ms) or row.valid_until_ms)
    return Passed(ids[choice.channel], choice.channel, choice.address, message, valid_until, choice.detail)


def _night(rule: CompiledRule, row: JourneyRow, brand: Brand, zone: ZoneInfo, now_ms: int) -> Outcome | None:
    if rule.rule.quiet is Quiet.IGNORE:
        return None
    until_ms = quiet.quiet_until(now_ms, brand.quiet_hours.from_, brand.quiet_hours.to, zone)
    if until_ms is None:
        return None
    detail = f"quiet {brand.quiet_hours.from_:%H:%M}-{brand.quiet_hours.to:%H:%M} {zone.key}"
    if rule.rule.quiet is Quiet.DROP:
        return Refused(SuppressionReason.QUIET_HOURS, detail)
    if until_ms > row.valid_until_ms:
        return Refused(SuppressionReason.QUIET_HOURS, f"{detail}; not valid any more when they end")
    return Held(until_ms, detail)


def _not_at_night(rule: CompiledRule, brand: Brand, zone: ZoneInfo, now_ms: int) -> int | None:
    """Until when delivery may retry. What is not a service notice ends when the night begins, or a provider that is
    down in the evening would get it sent at night; a service notice rather comes late than never."""
    if rule.rule.quiet is Quiet.IGNORE or (rule.rule.purpose == SERVICE and rule.rule.quiet is Quiet.HOLD):
        return None
    return quiet.quiet_from(now_ms, brand.quiet_hours.from_, brand.quiet_hours.to, zone) - 1


def _capped(
    rules: RuleSet, rule: CompiledRule, row: JourneyRow, facts: CustomerFacts, zone: ZoneInfo
) -> Refused | None:
    if not rule.rule.cap:
        return None
    limits = rules.caps.get(rule.rule.cap)
    if limits is None:
        return Refused(SuppressionReason.RULE_FAILED, f"no cap group {rule.rule.cap}")
    group = caps.group_key(row.brand, rule.rule.cap)
    used_up = caps.reached(Rows(facts.view, SENDS, facts.customer_id), limits, group, facts.now_ms, zone)
    if used_up is None:
        return None
    return Refused(SuppressionReason.CAP_REACHED, f"{rule.rule.cap}: {used_up.limit} per {used_up.window}")


def _render(rules: RuleSet, rule: CompiledRule, row: JourneyRow, facts: CustomerFacts, channel: str) -> Rendered:
    brand = rules.brands[row.brand]
    locales = rules.templates[rule.rule.send.template]
    template = locales.get(rules.locale_for(brand, facts.profile.locale)) or locales.get(brand.default_locale)
    if template is None:
        raise TemplateRefused(f"no template {rule.rule.send.template} in {brand.default_locale}")
    values = {name: facts.root(name) for name in template.roots - {"brand"}}
    values["brand"] = BrandView(row.brand, brand.title.get(template.locale, row.brand))
    return template.render(channel, values, where(brand, facts))
