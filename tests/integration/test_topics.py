"""The declared topics on a real broker."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented there, not in the package's __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from typer.testing import CliRunner

from ops.cli_topics import app
from ops.embedded_kafka import EmbeddedBroker
from ops.topics import apply_topics, diff_topics
from schemas.catalogue import topics
from schemas.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from tests.kafka import Kafka


@pytest.fixture
def admin(kafka: Kafka) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})


@pytest.fixture
def prefix(admin: AdminClient) -> Iterator[str]:
    """A name before all topics of one test; what it created is deleted afterwards."""
    own = f"t{uuid.uuid4().hex[:8]}."
    yield own
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(own)]
    for deleted in admin.delete_topics(names).values() if names else ():
        deleted.result(20)


def _config(admin: AdminClient, topic: str) -> dict[str, str]:
    (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {key: entry.value for key, entry in future.result(10).items()}


def _set(admin: AdminClient, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    _eventually(lambda: _config(admin, topic)[key] == value)


def _eventually(condition: Callable[[], bool]) -> None:
    """A broker follows its controller a moment after the controller has answered."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline


def test_a_new_broker_gets_every_topic_as_declared(kafka: Kafka, admin: AdminClient, prefix: str) -> None:
    assert set(diff_topics(kafka.bootstrap, 2, prefix).missing) == {prefix + name for name in topics()}
    report = apply_topics(kafka.bootstrap, 2, prefix)
    assert report.in_order
    assert set(report.created) == {prefix + name for name in topics()}
    there = admin.list_topics(timeout=10).topics
    assert len(there[prefix + "customer-events"].partitions) == 2
    assert len(there[prefix + "worker-directory"].partitions) == 1
    changelog = _config(admin, prefix + "changelog.customer")
    assert (changelog["cleanup.policy"], changelog["retention.ms"]) == ("compact", "-1")
    channel = _config(admin, prefix + "channel.app")
    assert (channel["cleanup.policy"], channel["retention.ms"]) == ("delete", str(7 * 86_400_000))
    assert channel["message.timestamp.type"] == "CreateTime"
    assert int(_config(admin, prefix + "dead-letters")["max.message.bytes"]) > int(channel["max.message.bytes"])


def test_applying_again_changes_nothing(kafka: Kafka, prefix: str) -> None:
    apply_topics(kafka.bootstrap, 1, prefix)
    again = apply_topics(kafka.bootstrap, 1, prefix)
    assert again.in_order
    assert (again.created, again.changes, again.unknown) == ((), (), ())


def test_a_setting_that_differs_is_shown_and_set(kafka: Kafka, admin: AdminClient, prefix: str) -> None:
    apply_topics(kafka.bootstrap, 1, prefix)
    _set(admin, prefix + "decisions", "max.message.bytes", "1000")
    (change,) = diff_topics(kafka.bootstrap, 1, prefix).changes
    assert (change.topic, change.key, change.actual) == (prefix + "decisions", "max.message.bytes", "1000")
    assert not change.destructive
    assert apply_topics(kafka.bootstrap, 1, prefix).in_order
    assert _config(admin, prefix + "decisions")["max.message.bytes"] == change.expected


@pytest.mark.parametrize(
    "other",
    [("channel.app", "retention.ms", "-1"), ("changelog.customer", "cleanup.policy", "delete")],
    ids=["shorter-retention", "another-cleanup"],
)
def test_what_deletes_records_needs_a_word(
    kafka: Kafka, admin: AdminClient, prefix: str, other: tuple[str, str, str]
) -> None:
    topic, key, longer = other
    apply_topics(kafka.bootstrap, 1, prefix)
    _set(admin, prefix + topic, key, longer)
    report = apply_topics(kafka.bootstrap, 1, prefix)
    assert not report.in_order
    assert [(change.key, change.destructive, change.applied) for change in report.changes] == [(key, True, False)]
    assert _config(admin, prefix + topic)[key] == longer
    assert apply_topics(kafka.bootstrap, 1, prefix, allow_destructive=True).in_order
    assert _config(admin, prefix + topic)[key] != longer


def test_another_partition_count_is_refused_and_explained(kafka: Kafka, admin: AdminClient, prefix: str) -> None:
    apply_topics(kafka.bootstrap, 1, prefix)
    report = apply_topics(kafka.bootstrap, 3, prefix)
    assert {mismatch.topic for mismatch in report.refused} == {
        prefix + name for name, topic in topics().items() if topic.partitions > 1
    }
    assert "murmur2(key) mod n" in report.refused[0].why
    assert not report.in_order
    assert len(admin.list_topics(timeout=10).topics[prefix + "channel.app"].partitions) == 1


def test_topics_that_no_file_declares_are_listed_and_left_alone(kafka: Kafka, admin: AdminClient, prefix: str) -> None:
    admin.create_topics([NewTopic(prefix + "someone-elses", 1)])[prefix + "someone-elses"].result(20)
    _eventually(lambda: prefix + "someone-elses" in admin.list_topics(timeout=10).topics)
    report = apply_topics(kafka.bootstrap, 1, prefix)
    assert report.unknown == (prefix + "someone-elses",)
    assert report.in_order
    assert prefix + "someone-elses" in admin.list_topics(timeout=10).topics


def test_more_replicas_than_brokers_is_the_operators_to_mend(kafka: Kafka, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="replication factor"):
        apply_topics(kafka.bootstrap, 1, prefix, replication_factor=3)


def test_a_broker_that_is_away_is_said_with_what_to_do() -> None:
    with socket.socket() as taken:  # bound, not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(Unavailable, match=f"no Kafka answers at {address}.*tsunagi broker start"):
            diff_topics(address)
    assert time.monotonic() - started < 9


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[str]:
    """A broker for one test: the command line knows no prefix, and other tests must not meet its topics."""
    broker = EmbeddedBroker(tmp_path / "kafka")
    yield broker.start().bootstrap
    broker.stop()


def test_command_line_says_by_its_exit_code_whether_something_is_left(own_broker: str) -> None:
    run = CliRunner()
    before = run.invoke(app, ["diff", "--bootstrap", own_broker, "--partitions", "1"])
    assert before.exit_code == 1
    assert "missing  customer-events" in before.stdout
    applied = run.invoke(app, ["apply", "--bootstrap", own_broker, "--partitions", "1", "--json"])
    assert applied.exit_code == 0, applied.output
    assert json.loads(applied.stdout)["in_order"] is True
    after = run.invoke(app, ["diff", "--bootstrap", own_broker, "--partitions", "1"])
    assert after.exit_code == 0
    assert "as declared" in after.stdout
    refused = run.invoke(app, ["diff", "--bootstrap", own_broker, "--partitions", "2"])
    assert refused.exit_code == 1
    assert "murmur2(key) mod n" in refused.stdout


@pytest.mark.parametrize("arguments", [["diff"], ["diff", "--bootstrap", "h:1", "--partitions", "0"], ["aply"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2
