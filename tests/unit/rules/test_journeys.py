"""Journeys: waits, restarts, exits, re-entry, correlation, and what a new ruleset does to those in flight."""

from __future__ import annotations

from msgspec.structs import replace

from orchestration_rules import engine
from orchestration_rules.durations import LONGEST_MS
from schemas.events import DecisionOutcome, ProductViewed
from tables.journeys import JOURNEYS
from tests.builders import envelope
from tests.rulekit import CUSTOMER, HOUR, LINE, World, at, order, rule, ruleset


def test_a_wait_counts_from_the_event_and_survives_a_late_arrival() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H"})))
    (waiting,) = world.view_product(at("10:00"), arrives_ms=at("10:40"))
    assert (waiting.outcome, waiting.until) == (DecisionOutcome.WAITING, at("11:00"))
    (late,) = world.send("ProductViewed", at("08:00"), arrives_ms=at("13:00"), sku="SKU-2")
    assert late.until == at("13:00"), "a wait that is over already ends at the next tick, not in the past"
    world.pass_time(at("13:01"))
    assert [entry.decided_at for entry in world.messages] == [at("11:00"), at("13:00")]


def test_a_clock_that_runs_ahead_does_not_stretch_a_wait() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H"})))
    (waiting,) = world.view_product(at("10:04"), arrives_ms=at("10:00"))
    assert waiting.until == at("11:00")


def test_a_restart_begins_the_wait_anew_and_a_late_trigger_does_not_shorten_it() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H", "restart": True})))
    world.view_product(at("10:00"))
    world.view_product(at("10:30"))
    world.view_product(at("10:10"), arrives_ms=at("10:40"))
    world.pass_time(at("23:00"))
    assert world.told == ["WAITING", "RESTARTED", "SUPPRESSED ALREADY_OPEN", "FIRED"]
    assert world.messages[0].decided_at == at("11:30")
    assert world.messages[0].trigger_event_id == "e-2"


def test_without_restart_a_second_trigger_finds_it_open() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H"})))
    world.view_product(at("10:00"))
    world.view_product(at("10:30"))
    world.pass_time(at("20:00"))
    assert world.told == ["WAITING", "SUPPRESSED ALREADY_OPEN", "FIRED"]
    assert world.messages[0].decided_at == at("11:00")


def test_a_restart_takes_a_held_message_back_into_the_wait() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H", "restart": True})))
    world.view_product(at("20:30"))
    world.view_product(at("22:00"))
    world.pass_time(at("23:30"))
    assert world.told == ["WAITING", "HELD QUIET_HOURS", "RESTARTED", "HELD QUIET_HOURS"]
    world.pass_time(at("10:00", day=25))
    assert [entry.decided_at for entry in world.messages] == [at("09:00", day=25)]


def test_one_open_journey_per_correlation_value() -> None:
    world = World(ruleset(rule(correlation="event.sku", wait={"for": "PT1H"})))
    world.view_product(at("10:00"), sku="A")
    world.view_product(at("10:10"), sku="B")
    world.view_product(at("10:20"), sku="A")
    assert world.told == ["WAITING", "WAITING", "SUPPRESSED ALREADY_OPEN"]
    assert [row.correlation for row in world.journeys] == ["A", "B"]


def test_a_correlation_field_that_is_absent_is_a_missing_field() -> None:
    world = World(ruleset(rule(correlation="event.store_id")))
    (decision,) = world.view_product(at("10:00"))
    assert (decision.outcome, decision.reason, decision.detail) == ("SUPPRESSED", "MISSING_FIELD", "store_id")


def test_a_correlation_value_is_bounded_and_still_distinct() -> None:
    world = World(ruleset(rule(correlation="event.sku", wait={"for": "PT1H"})))
    world.view_product(at("10:00"), sku="x" * 400 + "a")
    world.view_product(at("10:01"), sku="x" * 400 + "b")
    assert world.told == ["WAITING", "WAITING"]
    assert all(len(row.correlation) <= 200 for row in world.journeys)


def test_re_entry_never_always_and_after_a_duration() -> None:
    rules = ruleset(rule("again", re_entry="PT2H"), rule("always"), rule("never", re_entry="never"))
    world = World(rules)
    fired = []
    for clock in ("10:00", "11:59", "12:00"):
        fired.append([entry.rule for entry in world.view_product(at(clock)) if entry.outcome == "FIRED"])
    assert fired == [["again", "always", "never"], ["always"], ["again", "always"]]
    assert {entry.reason for entry in world.decisions if entry.outcome == "SUPPRESSED"} == {"ALREADY_SENT"}


def test_never_is_remembered_for_a_year_and_then_swept() -> None:
    world = World(ruleset(rule(re_entry="never")))
    world.view_product(at("10:00"))
    world.pass_time(at("10:00") + LONGEST_MS - 1)
    assert len(world.journeys) == 1
    world.pass_time(at("10:00") + LONGEST_MS)
    assert world.journeys == []
    assert world.told == ["FIRED"], "sweeping is not a decision"


def test_what_was_not_sent_does_not_block_re_entry() -> None:
    world = World(ruleset(rule(re_entry="never", when="has(event.url)")))
    world.view_product(at("10:00"))
    world.view_product(at("10:05"), url="https://shop.example/p")
    assert world.told == ["SUPPRESSED CONDITION_NOT_MET", "FIRED"]


def test_the_same_event_again_never_sends_twice() -> None:
    rules = ruleset(rule())
    world = World(rules)
    world.view_product(at("10:00"))
    again = ProductViewed(envelope=replace(envelope(at("10:00"), event_id="e-1"), customer_id=CUSTOMER), sku="SKU-1")
    decided = engine.decide(rules, world.view, CUSTOMER, again, at("10:30"))
    assert [(entry.outcome, entry.reason) for entry in decided] == [("SUPPRESSED", "ALREADY_SENT")]  # type: ignore[union-attr]


def test_an_event_that_happened_too_long_ago_is_too_late() -> None:
    world = World(ruleset(rule(valid_for="PT2H")))
    assert [entry.outcome for entry in world.view_product(at("10:00"), arrives_ms=at("12:00"))] == ["FIRED"]
    (late,) = world.view_product(at("10:00"), arrives_ms=at("12:01"))
    assert (late.outcome, late.reason) == ("SUPPRESSED", "TOO_LATE")


def test_a_timer_that_fires_after_valid_for_is_too_late() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H"}, valid_for="PT2H")))
    world.view_product(at("10:00"))
    world.now_ms = at("13:00")  # nothing ran for hours
    world.pass_time(at("13:00"))
    assert world.told == ["WAITING", "SUPPRESSED TOO_LATE"]
    assert world.journeys == []


def test_the_precondition_is_asked_again_after_a_wait() -> None:
    cart_rule = rule(trigger={"event": "CartLineAdded"}, when="cart.units > 0", wait={"for": "PT1H"})
    world = World(ruleset(cart_rule))
    world.send("CartLineAdded", at("10:00"), cart_id="c", line=LINE)
    world.send("CartLineRemoved", at("10:10"), cart_id="c", sku="SKU-1")
    world.pass_time(at("12:00"))
    assert world.told == ["WAITING", "SUPPRESSED CONDITION_NOT_MET"]
    assert world.decisions[-1].detail == "when"


def test_still_replaces_when_after_a_wait_and_sees_the_trigger() -> None:
    world = World(
        ruleset(
            rule(
                trigger={"event": "CartLineAdded"},
                when="event.line.quantity == 1",
                wait={"for": "PT1H"},
                still="event.line.sku == 'SKU-1' && !has(event.cart_idd)",
            )
        )
    )
    world.send("CartLineAdded", at("10:00"), cart_id="c", line=LINE)
    (row,) = world.journeys
    assert set(row.context) == {"line"}, "only what is needed later is kept"
    world.pass_time(at("12:00"))
    assert world.told == ["WAITING", "FIRED"]


def test_exit_events_end_only_the_journey_they_are_about() -> None:
    pickup = rule(
        trigger={"event": "PickupReady"},
        correlation="event.order_id",
        wait={"for": "PT1H"},
        exit=[{"event": ["PickupCollected", "ProductViewed"]}],
    )
    world = World(ruleset(pickup))
    world.send("PickupReady", at("10:00"), order_id="A", store_id="s")
    world.send("PickupReady", at("10:01"), order_id="B", store_id="s")
    (exited,) = world.send("PickupCollected", at("10:05"), order_id="A", store_id="s")
    assert (exited.outcome, exited.reason, exited.correlation) == ("EXITED", "EXIT_EVENT", "A")
    assert (exited.detail, exited.step, exited.trigger_event_id) == ("PickupCollected", "exit", "e-1")
    # an event without that field concerns every journey of the rule
    assert [entry.correlation for entry in world.view_product(at("10:06"))] == ["B"]
    world.pass_time(at("20:00"))
    assert world.messages == []


def test_an_exit_condition_decides_over_the_state_after_the_event() -> None:
    world = World(
        ruleset(
            rule(
                trigger={"event": "CartLineAdded"},
                wait={"for": "PT1H"},
                exit=[{"event": "OrderPlaced", "when": "cart.units == 0"}],
            )
        )
    )
    world.send("CartLineAdded", at("10:00"), cart_id="c", line=LINE)
    assert world.send("OrderPlaced", at("10:10"), **order("1", "OTHER")) == []
    assert [entry.reason for entry in world.send("OrderPlaced", at("10:20"), **order("2", "SKU-1"))] == ["EXIT_EVENT"]


def test_an_exit_condition_that_misses_a_field_leaves_the_journey_and_says_so() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H"}, exit=[{"event": "OrderPlaced", "when": "event.store_id == 'x'"}])))
    world.view_product(at("10:00"))
    (note,) = world.send("OrderPlaced", at("10:10"), **order("1", "SKU-1"))
    assert (note.outcome, note.reason, note.detail, note.step) == (
        "SUPPRESSED",
        "MISSING_FIELD",
        "exit: store_id",
        "exit",
    )
    world.pass_time(at("12:00"))
    assert len(world.messages) == 1


def test_an_event_that_ends_a_journey_does_not_start_it_anew() -> None:
    world = World(ruleset(rule(wait={"for": "PT1H"}, exit=[{"event": "ProductViewed", "when": "event.sku == 'END'"}])))
    world.view_product(at("10:00"))
    world.view_product(at("10:10"), sku="END")
    assert world.told == ["WAITING", "EXITED EXIT_EVENT"]
    assert world.journeys == []


def test_a_waiting_journey_that_raises_ends_and_the_others_fire() -> None:
    world = World(ruleset(rule("broken", wait={"for": "PT1H"}), rule("fine", wait={"for": "PT1H"})))
    world.view_product(at("10:00"))
    row = world.view.get(JOURNEYS, CUSTOMER, "broken/customer")
    assert row is not None
    world.view.put(JOURNEYS, CUSTOMER, "broken/customer", replace(row, context={"sku": "not JSON"}))
    world.pass_time(at("12:00"))
    assert {entry.rule: entry.reason for entry in world.decisions[2:]} == {"broken": "RULE_FAILED", "fine": ""}
    assert world.journeys == []


def test_a_rule_that_is_gone_ends_its_journeys_and_a_changed_one_goes_on_under_the_new_ruleset() -> None:
    world = World(ruleset(rule("gone", wait={"for": "PT1H"}), rule("changed", wait={"for": "PT1H"})))
    world.view_product(at("10:00"))
    new = ruleset(
        rule("changed", wait={"for": "PT5H"}, send={"template": "new", "channels": ["sms"]}, valid_for="P3D"),
        templates={"new": {"ja": {"text": "新しい"}, "en": {"text": "new"}}},
    )
    world.activate(new)
    world.pass_time(at("12:00"))
    assert world.told[2:] == ["FIRED", "EXITED RULE_GONE"]
    (message,) = world.messages
    assert (message.text, message.channel, message.ruleset_hash) == ("新しい", "sms", new.hash)
    assert message.decided_at == at("11:00"), "the wait that was promised stands"
    assert message.valid_until == at("10:00") + 48 * HOUR
    assert [row.state for row in world.journeys] == []


def test_at_most_limit_timers_fire_in_order_of_due_time() -> None:
    rules = ruleset(rule(correlation="event.sku", wait={"for": "PT1H"}))
    world = World(rules)
    for minute in (5, 3, 4, 1, 2):
        world.view_product(at(f"10:0{minute}"), arrives_ms=at("10:10"), sku=f"S{minute}")
    fired = engine.fire_due(rules, world.view, at("12:00"), at("12:00"), limit=3)
    assert [entry.correlation for entry in fired if hasattr(entry, "correlation")] == ["S1", "S2", "S3"]
    assert len(world.view.due(JOURNEYS, at("12:00"), 10)) == 2
