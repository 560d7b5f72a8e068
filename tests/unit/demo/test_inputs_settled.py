"""Both inputs through the real steps: what the story promises and what the SQL expects is what comes out."""

from __future__ import annotations

from contextlib import closing
from typing import assert_never

from ops.demo.cast import latest_week_ms
from ops.demo.expected import expected_on_hand, expected_totals
from ops.demo.scenes import (
    CartIs,
    DecisionMade,
    Expectation,
    InquiryShows,
    MessageSent,
    NothingSent,
    OrderIs,
    ProfileIs,
    StockIs,
)
from ops.demo.story import Story, story
from ops.demo.tpcds import load
from orchestration_rules.loader import load as load_rules
from tests.settled import Settled

NOW_MS = 1_795_311_017_123


def test_orders_spend_and_shelves_of_generated_customers_are_what_the_source_says() -> None:
    with closing(load(60, 11, end_ms=NOW_MS)) as dataset:
        pipeline = Settled()
        for event in dataset.events:
            pipeline.send(event.raw)
        customer_of = {member: pipeline.customer_id("member_id", member) for member in dataset.people}

        assert {
            member: (found.orders, found.spent_minor)
            for member, customer in customer_of.items()
            if (found := pipeline.totals(customer))
        } == expected_totals(dataset)
        assert pipeline.customers() == set(customer_of.values())  # nobody was taken for two people
        assert {
            (sku, location["location_id"]): location["on_hand"]
            for sku in {sku for sku, _ in expected_on_hand(dataset)}
            for location in pipeline.stock(sku)["locations"]
        } == expected_on_hand(dataset)


def seen(expected: Expectation, told: Story, pipeline: Settled) -> bool:
    """Whether what is expected is there by now."""
    match expected:
        case MessageSent():
            return any(map(expected.matches, pipeline.messages))
        case NothingSent():
            return not any(map(expected.matches, pipeline.messages))
        case DecisionMade():
            return any(map(expected.matches, pipeline.decisions))
        case StockIs():
            return expected.holds(pipeline.stock(expected.sku))
        case ProfileIs() | CartIs() | OrderIs() | InquiryShows():
            return expected.holds(pipeline.customer(pipeline.customer_id(*told.cast.member)))
        case _:
            assert_never(expected)


def test_every_scene_of_the_story_comes_out_as_told() -> None:
    told = story(latest_week_ms(NOW_MS))
    rules = load_rules().ruleset
    assert rules is not None
    pipeline = Settled(rules)
    for scene in told.scenes:
        for event in scene.events:
            pipeline.send(event.raw)
        pipeline.pass_time(scene.stays_until_ms)
        for expected in scene.expect:
            assert seen(expected, told, pipeline), f"{scene.key}: {expected}; decided: {pipeline.decisions[-3:]}"

    promised = [expected for scene in told.scenes for expected in scene.expect if isinstance(expected, MessageSent)]
    assert [(sent.rule, sent.channel) for sent in pipeline.messages] == [(one.rule, one.channel) for one in promised]
    assert len(pipeline.customers()) == 1


def test_the_story_is_not_told_without_rules() -> None:
    told = story(latest_week_ms(NOW_MS))
    pipeline = Settled()
    for event in told.events:
        pipeline.send(event.raw)
    pipeline.pass_time(told.scenes[-1].stays_until_ms)

    by_rules = [one for scene in told.scenes for one in scene.expect if isinstance(one, MessageSent | DecisionMade)]
    assert len(by_rules) == 7
    assert not any(seen(expected, told, pipeline) for expected in by_rules)
