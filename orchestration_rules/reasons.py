"""Every "no" has a reason from this closed set; so has every hold and every early end of a waiting journey."""

from __future__ import annotations

from enum import StrEnum


class SuppressionReason(StrEnum):
    """Why a rule did not send, holds a message, or ended a journey. ``Decision.reason`` carries one of these."""

    NO_CONSENT = "NO_CONSENT"
    """No channel of the rule has both an address and consent for its purpose (and at least one has an address)."""
    NO_ADDRESS = "NO_ADDRESS"
    """On no channel of the rule does the customer have an address."""
    QUIET_HOURS = "QUIET_HOURS"
    """It is night for the customer. With outcome HELD: sent when it ends; SUPPRESSED: the rule drops it, or it would no
    longer be valid by then."""
    CAP_REACHED = "CAP_REACHED"
    """The customer had as many messages of this cap group as one of its limits allows."""
    CONDITION_NOT_MET = "CONDITION_NOT_MET"
    """``when`` was false at the trigger, or ``still`` after a wait or hold."""
    MISSING_FIELD = "MISSING_FIELD"
    """A condition or the correlation needs a field that is not there; that is no match, never an error."""
    ALREADY_OPEN = "ALREADY_OPEN"
    """A journey of this rule with the same correlation is waiting, and this trigger does not restart it."""
    ALREADY_SENT = "ALREADY_SENT"
    """It was sent before: ``re_entry`` does not allow it again yet, or this very event already caused it."""
    TOO_LATE = "TOO_LATE"
    """``valid_for`` is over, counted from the trigger event's own time."""
    TEMPLATE_FAILED = "TEMPLATE_FAILED"
    """The template could not be rendered, or its text is empty or too long for the channel."""
    RULE_FAILED = "RULE_FAILED"
    """The rule could not be evaluated. It is stopped for this customer and event alone."""
    UNKNOWN_BRAND = "UNKNOWN_BRAND"
    """The event names a brand that brands.yaml does not have, so zone and quiet hours are unknown."""
    EXIT_EVENT = "EXIT_EVENT"
    """With outcome EXITED: one of the rule's exit events came while the journey waited."""
    CONSENT_WITHDRAWN = "CONSENT_WITHDRAWN"
    """With outcome EXITED: consent for the rule's purpose was withdrawn while the journey waited."""
    RULE_GONE = "RULE_GONE"
    """With outcome EXITED: the ruleset in force has no such rule for this brand any more."""
