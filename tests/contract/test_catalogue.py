"""Schemas, channels and topics as one: nothing is orphaned, every reference has its other end."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from schemas.catalogue import (
    AVRO,
    TOPICS,
    Topic,
    channel_record_names,
    channels,
    declared,
    record_names,
    resolve,
    topics,
)
from schemas.errors import ContractError
from schemas.events import RECORD_TYPES
from schemas.generate import TARGET, formatted
from schemas.validation import destination

PROCESSORS = {"identity", "customer", "inventory", "delivery"}
WRITERS = PROCESSORS | {"gateway", "operator"}
READERS = PROCESSORS | {"gateway", "console", "operator"}


def test_the_event_types_are_generated_from_todays_schemas() -> None:
    assert TARGET.read_text() == formatted(), "run `python -m schemas.generate`"
    assert set(RECORD_TYPES) == set(record_names())


@pytest.mark.parametrize("name", sorted(path.stem for path in TOPICS.glob("*.yaml")))
def test_a_topics_producers_consumers_and_dead_letters_exist(name: str) -> None:
    topic = topics()[name]
    assert topic.producers
    assert set(topic.producers) <= WRITERS
    assert topic.consumers
    assert set(topic.consumers) <= READERS
    assert topic.dead_letter is None or "DeadLetter" in topics()[topic.dead_letter].records
    assert len(set(topic.records)) == len(topic.records)


def test_what_a_processor_reads_can_be_put_aside() -> None:
    for topic in topics().values():
        if topic.records and set(topic.consumers) & PROCESSORS:
            assert topic.dead_letter == "dead-letters", topic.topic


def test_every_record_travels_in_some_topic() -> None:
    assert {record for topic in topics().values() for record in topic.records} == set(record_names())


def test_every_channel_has_its_topic_and_every_channel_topic_its_channel() -> None:
    names = {name for name in topics() if name.startswith("channel.")}
    assert names == {channel.topic for channel in channels().values()}
    for channel in channels().values():
        topic = topics()[channel.topic]
        assert set(topic.records) <= channel_record_names()
        assert (topic.producers, topic.consumers) == (("gateway",), ("identity",))
        assert channel.sources


def test_what_a_channel_sends_elsewhere_has_a_place_there() -> None:
    assert {channel.name for channel in channels().values() if channel.also} == {"web", "store"}
    for channel in channels().values():
        for record in channel.also:
            assert destination(record, channel.name) == "inventory-events"


def test_every_channel_event_reaches_the_customers_log_or_the_stocks() -> None:
    logs = set(topics()["customer-events"].records) | set(topics()["inventory-events"].records)
    assert channel_record_names() <= logs


def test_records_with_a_subject_have_a_compatibility_and_rows_have_neither() -> None:
    for topic in topics().values():
        assert (topic.subject is None) == (topic.compatibility is None) == (not topic.records)


def test_tables_are_kept_for_ever_and_compacted() -> None:
    changelogs = {name for name in topics() if name.startswith("changelog.")}
    assert changelogs == {f"changelog.{processor}" for processor in PROCESSORS}
    for name in changelogs:
        assert (topics()[name].cleanup, topics()[name].retention_ms) == ("compact", -1)


def test_topics_that_are_read_together_have_the_same_partitions() -> None:
    for processor in PROCESSORS:
        read = [topic for topic in topics().values() if processor in topic.consumers]
        assert len({topic.partitions for topic in read}) == 1, processor


def test_personal_data_is_short_lived_in_plain_topics() -> None:
    for channel in channels().values():
        assert topics()[channel.topic].retention_ms == 7 * 86_400_000


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"topic": "Customer_Events"}, "topic"),
        ({"partitions": 0}, "partitions"),
        ({"partitions": "many"}, "partitions"),
        ({"retention": "7 days"}, "retention"),
        ({"retention": "P1M"}, "retention"),
        ({"cleanup": "never"}, "cleanup"),
        ({"owner": "me"}, "owner"),
        ({"key": None}, "key"),
    ],
)
def test_a_mistake_in_a_topic_file_names_the_field(change: dict[str, Any], named: str) -> None:
    good = yaml.safe_load((TOPICS / "customer-events.yaml").read_text())
    with pytest.raises(ValidationError, match=named):
        Topic.model_validate(good | change)


def test_resolving_inlines_each_type_once_and_names_what_is_missing() -> None:
    text = str(resolve("OrderPlaced"))
    assert text.count("'name': 'Envelope'") == text.count("'name': 'OrderLine'") == 1
    broken = dict(declared())
    del broken["Identifier"]
    with pytest.raises(ContractError, match=r"OrderPlaced\.avsc refers to tsunagi\.Identifier"):
        resolve("OrderPlaced", broken)


def test_schema_files_are_named_after_their_records() -> None:
    assert {path.stem for path in AVRO.glob("*/*.avsc")} == set(declared())
    assert not [path for path in AVRO.rglob("*") if path.is_file() and path.suffix != ".avsc"]
