"""Rulesets as bytes, the model's own checks, and what generated files must agree with."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from orchestration_rules import rule_schema, shapes
from orchestration_rules.loader import PACKAGED, load
from orchestration_rules.model import MESSAGE_CHANNELS, MessageChannel
from orchestration_rules.ruleset import RuleSet
from schemas.catalogue import topics
from schemas.errors import ContractError
from schemas.event_models import message_channels
from schemas.events import RECORD_TYPES, Envelope
from tests.rulekit import BRAND, MARKETING, rule, ruleset


def packaged() -> RuleSet:
    loaded = load()
    assert loaded.ruleset is not None, [str(finding) for finding in loaded.findings]
    return loaded.ruleset


def test_a_ruleset_survives_its_bytes() -> None:
    rules = packaged()
    again = RuleSet.from_contents(rules.contents())
    assert again.hash == rules.hash
    assert again.contents() == rules.contents()
    assert set(again.rules) == set(rules.rules)
    assert {name: set(locales) for name, locales in again.templates.items()} == {
        "abandoned-cart": {"ja", "en"},
        "pickup-ready": {"ja", "en"},
        "thank-you-after-call": {"ja", "en"},
    }
    assert again.caps == rules.caps
    assert again.brands == rules.brands


def test_the_same_contents_are_compiled_once() -> None:
    contents = packaged().contents()
    assert RuleSet.from_contents(contents) is RuleSet.from_contents(bytes(bytearray(contents)))


def test_the_hash_is_of_the_rules_whatever_their_order_or_compression() -> None:
    one, other = ruleset(rule("a"), rule("b")), ruleset(rule("b"), rule("a"))
    assert [entry.name for entry in one.rules.values()] == [entry.name for entry in other.rules.values()]
    contents = packaged().contents()
    assert RuleSet.from_contents(zlib.compress(zlib.decompress(contents), 1)).hash == packaged().hash
    assert ruleset(rule("a", version=2)).hash != ruleset(rule("a")).hash


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"", "cut off"),
        (b"not zlib", "not a ruleset"),
        (zlib.compress(b"[]"), "cannot read"),
        (zlib.compress(b'{"rules": []}'), "templates: Field required"),
        (zlib.compress(b'{"format": 2, "rules": [], "templates": {}, "brands": {}, "caps": {}}'), "format"),
        (zlib.compress(b"x" * 40_000_000), "larger than 32 MiB"),
    ],
)
def test_bytes_that_are_no_ruleset_are_refused(contents: bytes, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        RuleSet.from_contents(contents)


def test_contents_that_do_not_compile_are_refused() -> None:
    plain: dict[str, Any] = json.loads(zlib.decompress(ruleset(rule()).contents()))
    for change, words in (
        ({"when": "1 +"}, "Syntax error"),
        ({"trigger": {"event": ["OrderTeleported"]}}, "no event type 'OrderTeleported'"),
        ({"send": {"template": "other", "channels": ["line"]}}, "no template 'other'"),
    ):
        changed = {**plain, "rules": [{**plain["rules"][0], **change}]}
        with pytest.raises(ContractError, match=words):
            RuleSet.from_contents(zlib.compress(json.dumps(changed).encode()))
    with pytest.raises(ContractError, match="two rules of the same name"):
        ruleset(rule("a"), rule("a"))


def test_an_empty_ruleset_travels_too() -> None:
    assert RuleSet.from_contents(RuleSet.EMPTY.contents()).rules == {}


def test_only_keeps_what_its_rules_need() -> None:
    rules = packaged()
    one = rules.only({"pickup-ready"})
    assert set(one.rules) == set(one.templates) == {"pickup-ready"}
    assert one.caps == rules.caps


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"valid_for": "PT1H", "wait": {"for": "PT1H"}}, "ends before the wait"),
        ({"cap": "few"}, "service messages are never capped"),
        ({**MARKETING, "quiet": "ignore"}, "service messages only"),
        ({"re_entry": "sometimes"}, "expected never, always, or a duration"),
        ({"valid_for": "P1M"}, "months and years differ in length"),
        ({"send": {"template": "hello", "channels": ["sms", "sms"]}}, "each channel once"),
        ({"send": {"template": "hello", "channels": []}}, "at least 1"),
        ({"send": {"template": "hello", "channels": ["fax"]}}, "'line', 'sms' or 'email'"),
        ({"rule": "Pick Up"}, "match pattern"),
        ({"correlation": "order"}, "match pattern"),
        ({"trigger": {"event": []}}, "at least 1"),
        ({"colour": "red"}, "Extra inputs"),
        ({"quiet": None}, "Field required"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        rule(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time_zone": "Asia/Tokio"}, "IANA time zone"),
        ({"default_locale": "fr"}, "not in locales"),
        ({"title": {"ja": "青葉"}}, "no name for locale en"),
        ({"quiet_hours": {"from": "21:00", "to": "21:00"}}, "must differ"),
        ({"quiet_hours": {"from": "9:00", "to": "21:00"}}, "HH:MM"),
        ({"quiet_hours": {"from": 1260, "to": "21:00"}}, "HH:MM"),
    ],
)
def test_brands_that_contradict_themselves_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ruleset(rule(), brands={"aoba": {**BRAND, **changes}})


@pytest.mark.parametrize("limit", [{"limit": 1}, {"limit": 1, "calendar": "day", "rolling": "P1D"}])
def test_a_cap_is_either_rolling_or_by_calendar(limit: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="either rolling"):
        ruleset(rule(), caps={"few": [limit]})


def test_the_schema_file_is_fresh() -> None:
    assert (PACKAGED / rule_schema.FILE_NAME).read_text(encoding="utf-8") == rule_schema.rendered(), (
        "run `tsunagi rules schema`"
    )


def rule_files() -> list[Path]:
    return [path for path in sorted((PACKAGED / "rules").glob("*.yaml")) if ".scenarios." not in path.name]


@pytest.mark.parametrize("path", rule_files(), ids=lambda path: path.stem)
def test_shipped_rules_fit_the_schema_that_editors_use(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../rule.schema.json\n")
    jsonschema.Draft202012Validator.check_schema(rule_schema.rule_schema())
    jsonschema.validate(yaml.safe_load(text), rule_schema.rule_schema())


def test_the_schema_refuses_what_the_model_refuses() -> None:
    good = yaml.safe_load(rule_files()[0].read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(rule_schema.rule_schema())
    assert not list(validator.iter_errors(good))
    for change in (
        {"colour": "red"},
        {"trigger": {"event": "OrderTeleported"}},
        {"valid_for": "P1M"},
        {"quiet": "loud"},
        {"send": {"template": "x", "channels": ["fax"]}},
    ):
        assert list(validator.iter_errors({**good, **change})), change


def test_message_channels_are_those_that_have_a_topic() -> None:
    assert set(MESSAGE_CHANNELS) == set(get_args(MessageChannel)) == set(message_channels())


def test_events_that_rules_listen_to_are_those_of_the_customers_log() -> None:
    listed = set(topics()["customer-events"].records)
    assert listed - set(shapes.event_types()) == {"ClockTick", "RulesetActivated", "IdentifierLinked"}
    assert set(shapes.event_types()) <= listed


def test_flat_events_have_no_field_twice() -> None:
    for name in shapes.event_types():
        assert not set(RECORD_TYPES[name].__struct_fields__) & {*Envelope.__struct_fields__, "type"}, name
