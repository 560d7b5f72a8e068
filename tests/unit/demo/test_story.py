"""The story: valid events, scenes in order, times that make waits and nights visible."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import phonenumbers
import pytest

from ops.demo.cast import latest_week_ms
from ops.demo.scenes import DecisionMade, MessageSent, NothingSent, Scene
from ops.demo.story import story
from ops.demo.window import ZONE
from schemas.events import DecisionOutcome
from schemas.validation import parse_event

NOW_MS = 1_795_311_017_123
WEEK_MS = latest_week_ms(NOW_MS)
STORY = story(WEEK_MS)
SCENES = {scene.key: scene for scene in STORY.scenes}
HOUR_MS = 3_600_000


def local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZONE)


def messages(scene: Scene) -> list[MessageSent]:
    return [expected for expected in scene.expect if isinstance(expected, MessageSent)]


def test_every_event_keeps_the_contract_and_has_its_own_id() -> None:
    for event in STORY.events:
        parse_event(event.raw, NOW_MS)
    assert len({event.event_id for event in STORY.events}) == len(STORY.events)


def test_scenes_follow_each_other_and_their_events_lie_within() -> None:
    for scene, following in zip(STORY.scenes, STORY.scenes[1:], strict=False):
        assert scene.stays_until_ms < following.at_ms
    for scene in STORY.scenes:
        times = [event.at_ms for event in scene.events]
        assert times == sorted(times)
        assert all(scene.at_ms <= at < scene.stays_until_ms for at in times)
        assert scene.narration
        assert scene.expect


def test_the_week_takes_less_than_a_minute_and_lies_in_the_past() -> None:
    assert 35 <= sum(scene.stay_seconds + scene.travel_seconds for scene in STORY.scenes) <= 60
    assert local(STORY.scenes[0].at_ms).strftime("%a %H:%M") == "Mon 09:30"
    assert local(STORY.scenes[-1].at_ms).strftime("%a %H:%M") == "Sun 09:00"
    assert STORY.scenes[-1].stays_until_ms < NOW_MS


@pytest.mark.parametrize(
    ("now", "monday"),
    [
        ("2026-11-22T11:59:59+09:00", "2026-11-09"),  # Sunday, not yet noon: the week before
        ("2026-11-22T12:00:00+09:00", "2026-11-16"),
        ("2026-11-22T23:00:00-08:00", "2026-11-16"),  # Monday afternoon in Tokyo
        ("2026-11-23T00:00:00+09:00", "2026-11-16"),
    ],
)
def test_the_latest_week_is_the_last_whose_story_is_over(now: str, monday: str) -> None:
    week = latest_week_ms(int(datetime.fromisoformat(now).timestamp() * 1000))

    assert local(week).isoformat() == f"{monday}T00:00:00+09:00"


def test_messages_go_out_by_day_and_the_night_call_is_held_till_morning() -> None:
    for scene in STORY.scenes:
        if messages(scene):
            assert 9 <= local(scene.at_ms).hour < 21
    (held,) = SCENES["night-call"].expect
    assert isinstance(held, DecisionMade)
    assert held.outcome is DecisionOutcome.HELD
    assert local(SCENES["night-call"].at_ms).hour >= 21
    assert held.until_ms == SCENES["morning"].at_ms
    assert not messages(SCENES["night-call"])


def test_the_hat_is_bought_within_the_hour_and_the_umbrella_is_not() -> None:
    assert SCENES["till"].at_ms - SCENES["left"].at_ms < HOUR_MS
    assert SCENES["order"].at_ms - SCENES["browse"].at_ms < HOUR_MS
    silence, left = SCENES["silence"], SCENES["left"]
    assert silence.at_ms - left.at_ms > HOUR_MS
    assert silence.expect == (NothingSent("abandoned-cart", left.at_ms),)
    assert SCENES["nudge"].at_ms - SCENES["left-again"].at_ms > HOUR_MS


def test_she_receives_two_line_messages_and_two_sms() -> None:
    sent = [(message.rule, message.channel) for scene in STORY.scenes for message in messages(scene)]

    assert sent == [
        ("pickup-ready", "line"),
        ("thank-you-after-call", "sms"),
        ("abandoned-cart", "line"),
        ("thank-you-after-call", "sms"),
    ]


def test_weak_identifiers_stand_alone_only_after_they_were_linked() -> None:
    linked: set[tuple[str, str]] = set()
    alone = []
    for event in STORY.events:
        pairs = {(item["type"], item["value"]) for item in event.raw["identifiers"]}
        if STORY.cast.member in pairs:
            linked |= pairs
        elif pairs:
            assert pairs <= linked
            alone += [kind for kind, _ in pairs]

    assert {"cookie", "phone", "loyalty_card"} == set(alone)


def test_identities_are_made_up_and_nobodys() -> None:
    ids = STORY.cast.identifiers
    number = phonenumbers.parse(ids["phone"])

    assert phonenumbers.is_possible_number(number)
    assert not phonenumbers.is_valid_number(number)
    assert ids["email"].endswith("@example.com")
    assert re.fullmatch(r"U[0-9a-f]{32}", ids["line_user_id"])


def test_another_run_shares_nothing_with_the_first() -> None:
    again = story(WEEK_MS, "2")

    def names(run: object) -> set[str]:
        return set(re.findall(r"(?:ORD|SKU|R|call|cart|story|cookie|device|M|LC)-[\w-]+|U[0-9a-f]{32}", str(run)))

    assert names(again.events)
    assert names(again.events).isdisjoint(names(STORY.events))
    assert {*again.cast.identifiers.values()}.isdisjoint(STORY.cast.identifiers.values())
    for event in again.events:
        parse_event(event.raw, NOW_MS)
    assert story(WEEK_MS).events == STORY.events


@pytest.mark.parametrize("run", ["a b", "x" * 17, "é", "a-b"])
def test_a_run_is_letters_and_digits(run: str) -> None:
    with pytest.raises(ValueError, match="give up to 16 letters and digits"):
        story(WEEK_MS, run)
