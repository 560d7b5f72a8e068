"""Which message channel a rule uses for a customer: the first in order that has an address and consent."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration_rules.model import Rule
from orchestration_rules.reasons import SuppressionReason
from schemas.rows import ConsentRow, ProfileRow
from tables import consent
from tables.view import Rows


@dataclass(frozen=True, slots=True)
class Choice:
    """A channel with its address, or the reason why there is none; ``detail`` says what was passed over, and why."""

    channel: str | None
    address: str
    reason: SuppressionReason | None
    detail: str


def in_order(rule: Rule, preferred: str | None) -> tuple[str, ...]:
    """The rule's channels; with ``prefer: customer`` the preferred one first, if the rule has it."""
    channels = rule.send.channels
    if rule.send.prefer == "customer" and preferred in channels:
        return (preferred, *(channel for channel in channels if channel != preferred))
    return channels


def choose(rule: Rule, profile: ProfileRow, consents: Rows[ConsentRow]) -> Choice:
    """The channel to use. Service messages ask for no consent."""
    passed_over: list[str] = []
    reason = SuppressionReason.NO_ADDRESS
    for channel in in_order(rule, profile.preferred_channel):
        address = profile.addresses.get(channel)
        if not address:
            passed_over.append(f"{channel}: no address")
        elif rule.needs_consent and not consent.allowed(consents, rule.purpose, channel):
            passed_over.append(f"{channel}: no consent for {rule.purpose}")
            reason = SuppressionReason.NO_CONSENT
        else:
            return Choice(channel, address, None, "; ".join(passed_over))
    return Choice(None, "", reason, "; ".join(passed_over))


def any_allowed(rule: Rule, consents: Rows[ConsentRow]) -> bool:
    """Whether the customer allows the rule's purpose on at least one of its channels."""
    return any(consent.allowed(consents, rule.purpose, channel) for channel in rule.send.channels)
