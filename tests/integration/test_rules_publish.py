"""``tsunagi rules publish`` on a real Kafka and registry: every partition gets the same ruleset, or nothing happens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from typer.testing import CliRunner, Result

from ops import cli_rules_publish, rulesets
from ops.cli_rules_publish import MAX_CONTENTS_BYTES, mount
from ops.contracts import resolve_codec
from ops.registry import start_registry
from ops.rulesets import publish_ruleset
from ops.topics import apply_topics
from orchestration_rules.loader import PACKAGED, load
from orchestration_rules.model import Template
from orchestration_rules.ruleset import Contents, RuleSet
from schemas.codec import Codec
from schemas.errors import Unavailable
from schemas.events import RulesetActivated
from streams.processors.topics import CUSTOMER_EVENTS
from tests.kafka import Kafka

PARTITIONS = 4
app = typer.Typer()
app.callback()(lambda: None)
mount(app)

# The topic has its real name, so these tests share it: each looks only at what it wrote itself.
pytestmark = pytest.mark.xdist_group("customer-events")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """An embedded registry in a thread of its own: the command blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(start_registry(tmp_path / "registry"), loop).result(10)
    yield running.url
    asyncio.run_coroutine_threadsafe(running.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def publish(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["publish", *arguments])


def ends(kafka: Kafka) -> list[int]:
    consumer = _consumer(kafka)
    try:
        return [_end(consumer, TopicPartition(CUSTOMER_EVENTS, partition)) for partition in range(PARTITIONS)]
    finally:
        consumer.close()


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """The partition's end; a broker that has just made it needs a moment before it leads it."""
    deadline = time.monotonic() + 20
    while True:
        try:
            end: int = consumer.get_watermark_offsets(partition, timeout=10)[1]
        except KafkaException as error:
            if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise
        else:
            return end


def records_since(kafka: Kafka, starts: list[int], codec: Codec) -> dict[int, RulesetActivated]:
    consumer = _consumer(kafka)
    consumer.assign([TopicPartition(CUSTOMER_EVENTS, p, start) for p, start in enumerate(starts)])
    found: dict[int, RulesetActivated] = {}
    while len(found) < PARTITIONS:
        message = consumer.poll(20)
        assert message is not None, f"only partitions {sorted(found)} have a ruleset"
        assert message.error() is None, message.error()
        record = codec.decode(message.value())
        assert isinstance(record, RulesetActivated)
        found[message.partition() or 0] = record
    consumer.close()
    return found


def _consumer(kafka: Kafka) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "test-rules-publish",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )


@pytest.fixture
def customer_events(kafka: Kafka) -> Kafka:
    apply_topics(kafka.bootstrap, PARTITIONS)
    return kafka


def test_every_partition_gets_the_ruleset_with_who_and_why(customer_events: Kafka, registry: str) -> None:
    starts = ends(customer_events)
    result = publish(
        "--kafka", customer_events.bootstrap, "--registry", registry, "--by", "aiko", "--reason", "first start"
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    wanted = load(PACKAGED).ruleset
    assert wanted is not None
    assert f"3 rules are active in every partition. Ruleset {wanted.hash}" in result.output
    found = records_since(customer_events, starts, resolve_codec(registry))
    assert {RuleSet.from_contents(record.contents).hash for record in found.values()} == {wanted.hash}
    assert {(record.ruleset_hash, record.activated_by, record.reason) for record in found.values()} == {
        (wanted.hash, "aiko", "first start")
    }


def test_a_mistake_is_told_with_its_line_and_nothing_is_published(
    customer_events: Kafka, registry: str, tmp_path: Path
) -> None:
    folder = tmp_path / "rules"
    shutil.copytree(PACKAGED, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    rule = folder / "rules" / "pickup-ready.yaml"
    rule.write_text(rule.read_text().replace("PickupReady", "PickupRaedy"))
    starts = ends(customer_events)
    arguments = ["--kafka", customer_events.bootstrap, "--registry", registry, "--by", "aiko", "--reason", "try"]
    result = publish(*arguments, "--rules", str(folder))
    assert result.exit_code == 1
    assert "pickup-ready.yaml:" in result.output
    assert "PickupRaedy" in result.output
    assert "Nothing was published" in result.output
    result = publish(*arguments, "--rules", str(folder), "--json")
    report = json.loads(result.output)
    assert result.exit_code == 1
    assert report["hash"] is None
    assert report["findings"][0]["file"] == "rules/pickup-ready.yaml"
    assert ends(customer_events) == starts


def test_a_ruleset_too_large_for_a_record_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_rules_publish, "MAX_CONTENTS_BYTES", 100)
    result = publish("--by", "aiko", "--reason", "too much")
    assert result.exit_code == 1
    assert "a record carries at most 100: take rules or templates out" in result.output


def test_a_ruleset_of_the_largest_size_gets_through(customer_events: Kafka, registry: str) -> None:
    rules = _ruleset_of(MAX_CONTENTS_BYTES)
    starts = ends(customer_events)
    connection = {"bootstrap.servers": customer_events.bootstrap}
    publish_ruleset(rules, connection, registry, time.time_ns() // 1_000_000, by="a" * 200, reason="b" * 1_000)
    found = records_since(customer_events, starts, resolve_codec(registry))
    assert {record.ruleset_hash for record in found.values()} == {rules.hash}


def _ruleset_of(size: int) -> RuleSet:
    """A ruleset whose compressed contents have about ``size`` bytes, not more: text that hardly compresses."""
    text = base64.b64encode(b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(size // 32))).decode()
    length = size
    while True:
        template = Template(text={"default": text[:length]})
        rules = RuleSet(Contents(rules=(), templates={"big": {"en": template}}, brands={}, caps={}))
        if len(rules.contents()) <= size:
            assert len(rules.contents()) > size * 0.7
            return rules
        length = length * 9 // 10


@pytest.mark.parametrize("missing", ["--by", "--reason"])
def test_who_and_why_are_needed(missing: str) -> None:
    given = [part for option in ("--by", "--reason") if option != missing for part in (option, "x")]
    result = publish(*given)
    assert result.exit_code == 2
    assert missing in result.output
    result = publish(*given, missing, "  ")
    assert result.exit_code == 2


def test_without_kafka_it_says_so(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulesets, "_TIMEOUT_SECONDS", 1.0)
    result = publish("--kafka", "127.0.0.1:1", "--registry", registry, "--by", "aiko", "--reason", "try")
    assert isinstance(result.exception, Unavailable)
    assert "not published" in str(result.exception)
