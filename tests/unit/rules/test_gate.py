"""The gate: channel, consent, quiet hours, caps, text; at the trigger and again after a wait or hold."""

from __future__ import annotations

import pytest

from tests.rulekit import HOUR, LINE, MARKETING, World, at, rule, ruleset


def test_channels_passed_over_are_named_without_personal_data() -> None:
    world = World(ruleset(rule()))
    (decision,) = world.view_product(
        at("10:00"), identifiers=[{"type": "member_id", "value": "M-1"}, {"type": "email", "value": "a@example.com"}]
    )
    assert decision.channel == "email"
    assert decision.detail == "line: no address; sms: no address"
    assert world.messages[0].subject == "件"


@pytest.mark.parametrize(
    ("preferred", "prefer", "channel"),
    [("email", "customer", "email"), ("email", None, "line"), ("sms", "customer", "sms")],
)
def test_the_preferred_channel_comes_first_only_when_the_rule_says_so(
    preferred: str, prefer: str | None, channel: str
) -> None:
    send = {"template": "hello", "channels": ["line", "sms", "email"], "prefer": prefer}
    world = World(ruleset(rule(send=send)))
    world.send("ProfileUpdated", at("09:30"), preferred_channel=preferred)
    world.view_product(at("10:00"))
    assert world.messages[0].channel == channel


def test_a_preferred_channel_that_the_rule_does_not_have_is_not_used() -> None:
    world = World(ruleset(rule(send={"template": "hello", "channels": ["line"], "prefer": "customer"})))
    world.send("ProfileUpdated", at("09:30"), preferred_channel="sms")
    world.view_product(at("10:00"))
    assert world.messages[0].channel == "line"


def test_a_marketing_rule_needs_consent_and_a_service_rule_does_not() -> None:
    world = World(ruleset(rule("news", **MARKETING), rule("service")))
    decided = {entry.rule: entry for entry in world.view_product(at("10:00"))}
    assert decided["news"].reason == "NO_CONSENT"
    assert decided["news"].detail == (
        "line: no consent for marketing; sms: no consent for marketing; email: no consent for marketing"
    )
    assert decided["service"].outcome == "FIRED"


def test_consent_decides_the_channel() -> None:
    world = World(ruleset(rule(**MARKETING)))
    world.send("ConsentGiven", at("09:30"), purpose="marketing", channels=["email"])
    (decision,) = world.view_product(at("10:00"))
    assert (decision.outcome, decision.channel) == ("FIRED", "email")


def test_withdrawal_ends_what_waits_for_its_purpose_at_once() -> None:
    rules = ruleset(
        rule("all-channels", **MARKETING, wait={"for": "PT1H"}),
        rule("mail-only", **MARKETING, wait={"for": "PT1H"}, send={"template": "hello", "channels": ["email"]}),
        rule("service", wait={"for": "PT1H"}),
        rule("survey", purpose="survey", wait={"for": "PT1H"}),
    )
    world = World(rules)
    world.send("ConsentGiven", at("09:30"), purpose="marketing")
    world.send("ConsentGiven", at("09:30"), purpose="survey")
    world.view_product(at("10:00"))
    partly = world.send("ConsentWithdrawn", at("10:10"), purpose="marketing", channels=["email"])
    assert [(entry.rule, entry.reason) for entry in partly] == [("mail-only", "CONSENT_WITHDRAWN")]
    wholly = world.send("ConsentWithdrawn", at("10:20"), purpose="marketing")
    assert [(entry.rule, entry.reason) for entry in wholly] == [("all-channels", "CONSENT_WITHDRAWN")]
    world.pass_time(at("12:00"))
    assert [message.rule for message in world.messages] == ["service", "survey"]


def test_a_withdrawal_older_than_a_later_consent_ends_nothing() -> None:
    world = World(ruleset(rule(**MARKETING, wait={"for": "PT1H"})))
    world.send("ConsentGiven", at("09:30"), purpose="marketing")
    world.view_product(at("10:00"))
    assert world.send("ConsentWithdrawn", at("09:00"), arrives_ms=at("10:10"), purpose="marketing") == []
    world.pass_time(at("12:00"))
    assert len(world.messages) == 1


def test_quiet_hours_hold_drop_or_are_ignored() -> None:
    rules = ruleset(rule("drops", quiet="drop"), rule("holds"), rule("ignores", quiet="ignore"))
    world = World(rules)
    decided = {entry.rule: (entry.outcome, entry.reason, entry.until) for entry in world.view_product(at("23:00"))}
    assert decided == {
        "drops": ("SUPPRESSED", "QUIET_HOURS", None),
        "holds": ("HELD", "QUIET_HOURS", at("09:00", day=25)),
        "ignores": ("FIRED", "", None),
    }


def test_a_hold_that_would_outlive_the_message_is_a_suppression() -> None:
    world = World(ruleset(rule(valid_for="PT3H")))
    (decision,) = world.view_product(at("23:00"))
    assert (decision.outcome, decision.reason) == ("SUPPRESSED", "QUIET_HOURS")
    assert world.journeys == []


def test_consent_cap_and_condition_are_asked_again_after_a_hold() -> None:
    limited = {**MARKETING, "cap": "few", "trigger": {"event": "CartLineAdded"}, "correlation": "event.cart_id"}
    rules = ruleset(rule(**limited, when="cart.units > 0"), caps={"few": [{"limit": 1, "calendar": "day"}]})
    world = World(rules)
    world.send("ConsentGiven", at("09:30"), purpose="marketing")
    world.send("CartLineAdded", at("22:00"), cart_id="1", line=LINE)
    world.send("CartLineAdded", at("22:10"), cart_id="2", line=LINE)
    world.pass_time(at("09:30", day=25))
    assert world.told == ["HELD QUIET_HOURS", "HELD QUIET_HOURS", "FIRED", "SUPPRESSED CAP_REACHED"]
    world.send("CartLineAdded", at("22:00", day=25), cart_id="3", line=LINE)
    world.send("CartLineRemoved", at("22:30", day=25), cart_id="3", sku="SKU-1")
    world.pass_time(at("09:30", day=26))
    assert world.told[-2:] == ["HELD QUIET_HOURS", "SUPPRESSED CONDITION_NOT_MET"]


def test_marketing_must_be_delivered_before_the_night_and_a_service_notice_rather_late_than_never() -> None:
    world = World(ruleset(rule("news", **MARKETING), rule("service"), rule("urgent", quiet="ignore")))
    world.send("ConsentGiven", at("09:30"), purpose="marketing")
    world.view_product(at("20:59"))
    until = {message.rule: message.valid_until for message in world.messages}
    assert until["news"] == at("21:00") - 1
    assert until["service"] == until["urgent"] == at("20:59") + 48 * HOUR


def test_rolling_and_calendar_caps_are_different_words() -> None:
    caps = {"rolling": [{"limit": 1, "rolling": "P1D"}], "calendar": [{"limit": 1, "calendar": "day"}]}
    rules = ruleset(rule("by-day", **MARKETING, cap="calendar"), rule("by-24h", **MARKETING, cap="rolling"), caps=caps)
    world = World(rules)
    world.send("ConsentGiven", at("09:30"), purpose="marketing")
    fired = []
    for clock, day in (("20:00", 24), ("20:30", 24), ("10:00", 25), ("19:59", 25), ("20:00", 25)):
        decided = world.view_product(at(clock, day=day))
        fired.append([entry.rule for entry in decided if entry.outcome == "FIRED"])
    # both at 20:00; the calendar's day is new at 10:00; the rolling one ends 24 h later to the millisecond
    assert fired == [["by-24h", "by-day"], [], ["by-day"], [], ["by-24h"]]


def test_service_messages_neither_count_nor_are_capped() -> None:
    caps = {"few": [{"limit": 1, "calendar": "day"}]}
    world = World(ruleset(rule("news", **MARKETING, cap="few"), rule("service"), caps=caps))
    world.send("ConsentGiven", at("09:30"), purpose="marketing")
    for clock in ("10:00", "10:10", "10:20"):
        world.view_product(at(clock))
    assert [message.rule for message in world.messages] == ["news", "service", "service", "service"]


def test_sends_are_forgotten_when_no_window_needs_them() -> None:
    caps = {"few": [{"limit": 5, "rolling": "P10D"}]}
    world = World(ruleset(rule("news", **MARKETING, cap="few"), rule("service"), caps=caps))
    world.send("ConsentGiven", at("09:30", day=1), purpose="marketing")
    for day in range(1, 29):
        world.view_product(at("10:00", day=day))
    marketing = sum(1 for message in world.messages if message.rule == "news")
    assert marketing == 15, "five, then none until the first of them is ten days old"
    assert world.sends <= 5 + 4, "capped ones within 10 days, the others within 72 h"


def test_a_template_that_fails_is_a_suppression() -> None:
    texts = {"hello": {"ja": {"text": "{{ event.url }}"}, "en": {"text": "x"}}}
    world = World(ruleset(rule(), templates=texts))
    (decision,) = world.view_product(at("10:00"))
    assert (decision.reason, decision.detail) == ("TEMPLATE_FAILED", "url is not there")
    assert world.messages == []
    assert world.sends == 0, "what was not sent does not count"


def test_the_messages_language_is_the_customers_else_the_brands() -> None:
    world = World(ruleset(rule()))
    texts = []
    for minute, locale in enumerate(("en-GB", "ja", "fr")):
        world.send("ProfileUpdated", at(f"10:0{minute}"), locale=locale)
        world.view_product(at(f"11:0{minute}"))
        texts.append(world.messages[-1].text)
    assert texts == ["hello", "helloです", "helloです"]


def test_the_most_restrictive_limit_wins_and_rules_share_a_group() -> None:
    caps = {"shared": [{"limit": 2, "calendar": "day"}, {"limit": 3, "rolling": "P7D"}]}
    rules = ruleset(rule("a", **MARKETING, cap="shared"), rule("b", **MARKETING, cap="shared"), caps=caps)
    world = World(rules)
    world.send("ConsentGiven", at("09:30"), purpose="marketing")
    for day in (24, 25, 26):
        world.view_product(at("10:00", day=day))
    fired = [(entry.decided_at, entry.rule) for entry in world.decisions if entry.outcome == "FIRED"]
    assert fired == [(at("10:00"), "a"), (at("10:00"), "b"), (at("10:00", day=25), "a")]
    assert world.decisions[-1].detail == "shared: 3 per rolling P7D"
