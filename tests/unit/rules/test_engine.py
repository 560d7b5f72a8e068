"""The engine: what a trigger does, which rules look at an event, and what a fault of one does to the others."""

from __future__ import annotations

from typing import Any

from orchestration_rules import engine
from orchestration_rules.ruleset import RuleSet
from schemas.events import ConsentWithdrawn, DecisionOutcome, OnUnknown, ProductViewed
from schemas.rows import CartLineRow
from tables.cart import CART
from tests.builders import envelope
from tests.rulekit import CUSTOMER, HOUR, MARKETING, World, at, rule, ruleset


def test_a_trigger_sends_on_the_first_channel_with_an_address() -> None:
    world = World(ruleset(rule()))
    (decision,) = world.view_product(at("10:00"))
    (message,) = world.messages
    assert (decision.outcome, decision.reason, decision.channel) == (DecisionOutcome.FIRED, "", "line")
    assert (message.channel, message.to, message.text, message.subject) == ("line", "U1", "helloです", None)
    assert message.action_id == decision.action_id
    assert message.valid_until == at("10:00") + 48 * HOUR
    assert (message.trigger_event_id, message.trigger_received_at) == ("e-1", at("10:00"))
    assert (message.on_unknown, message.purpose, message.decided_at) == (OnUnknown.DROP, "service", at("10:00"))


def test_events_that_no_rule_listens_to_cost_no_look_at_the_state() -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"the state was asked for {name}")

    viewed = ProductViewed(envelope=envelope(at("10:00")), sku="SKU-1")
    rules = ruleset(rule(trigger={"event": "CallEnded"}), rule("other", **MARKETING, trigger={"event": "CallEnded"}))
    assert engine.decide(rules, Untouchable(), CUSTOMER, viewed, at("10:00")) == []
    assert engine.decide(RuleSet.EMPTY, Untouchable(), CUSTOMER, viewed, at("10:00")) == []
    other = ConsentWithdrawn(envelope=envelope(at("10:00")), purpose="survey")
    assert engine.decide(rules, Untouchable(), CUSTOMER, other, at("10:00")) == []


def test_a_rule_of_another_brand_does_not_see_the_event() -> None:
    world = World(ruleset(rule(brand="midori"), rule("ours", brand="aoba")))
    assert [entry.rule for entry in world.view_product(at("10:00"))] == ["ours"]


def test_an_unknown_brand_is_a_suppression() -> None:
    world = World(ruleset(rule()))
    (decision,) = world.view_product(at("10:00"), brand="midori")
    assert (decision.reason, decision.brand, decision.detail) == ("UNKNOWN_BRAND", "midori", "midori")


def test_a_missing_field_in_a_condition_is_no_match_with_a_reason() -> None:
    world = World(ruleset(rule(when="event.store_id == 'shibuya'")))
    (decision,) = world.view_product(at("10:00"))
    assert (decision.outcome, decision.reason, decision.detail) == ("SUPPRESSED", "MISSING_FIELD", "when: store_id")


def test_a_rule_that_cannot_be_evaluated_is_stopped_alone() -> None:
    rules = ruleset(rule("broken", when="1 / (cart.units - cart.units) == 1"), rule("fine"))
    world = World(rules)
    decided = {entry.rule: (entry.outcome, entry.reason) for entry in world.view_product(at("10:00"))}
    assert decided == {"broken": ("SUPPRESSED", "RULE_FAILED"), "fine": ("FIRED", "")}


def test_a_rule_that_raises_is_stopped_alone() -> None:
    rules = ruleset(rule("broken", when="cart.units == 0"), rule("fine"))
    world = World(rules)
    damaged = CartLineRow("c", 1, "JPY", None, None, base_quantity="many", base_at_ms=0)  # type: ignore[arg-type]
    world.view.put(CART, CUSTOMER, "SKU-1", damaged)
    decided = {entry.rule: (entry.outcome, entry.reason, entry.detail) for entry in world.view_product(at("10:00"))}
    assert decided == {"broken": ("SUPPRESSED", "RULE_FAILED", "TypeError"), "fine": ("FIRED", "", "")}
