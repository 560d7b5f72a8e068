"""The topics of ``schemas/topics`` on a real broker: what is missing or different, and making it so.

Blocking (librdkafka's admin client); call it outside an event loop. Nothing is ever deleted, a topic's partitions are
never changed, and what would make the broker delete records happens only when asked for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented here, not in the package's __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from schemas.catalogue import Topic, topics
from schemas.errors import ConfigurationError, Unavailable

_ANSWER_SECONDS = 10.0
_TRY_SECONDS = 2.0
_CHANGE_SECONDS = 30.0
_MAX_MESSAGE_BYTES = 1_048_588
# A dead letter carries the record that failed and says why.
_DEAD_LETTER_BYTES = 2 * _MAX_MESSAGE_BYTES
# A worker that was away for longer than its tombstones are kept must restore from nothing.
_TOMBSTONES_MS = 7 * 86_400_000
_AWAY = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE})


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """One setting of an existing topic that differs; ``destructive``: records are deleted when it is set."""

    topic: str
    key: str
    actual: str | None
    expected: str
    destructive: bool
    applied: bool = False


@dataclass(frozen=True, slots=True)
class PartitionMismatch:
    """A topic whose partition count is not the declared one; it is never changed."""

    topic: str
    actual: int
    expected: int

    @property
    def why(self) -> str:
        """Why it is left alone, and what can be done."""
        return (
            f"{self.topic} has {self.actual} partitions, {self.expected} are declared. A key lives in partition "
            "murmur2(key) mod n, so another n would part keys from their rows and their order. Keep the count "
            f"(--partitions {self.actual}), or move the data to new topics"
        )


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """What differs between the declared topics and a broker, and what was done about it; names carry the prefix."""

    bootstrap: str
    missing: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    changes: tuple[ConfigChange, ...] = ()
    refused: tuple[PartitionMismatch, ...] = ()
    unknown: tuple[str, ...] = ()
    """Topics on the broker that no file declares: listed, never touched."""

    @property
    def in_order(self) -> bool:
        """True when nothing is left to do."""
        return not (self.missing or self.refused or any(not change.applied for change in self.changes))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self) | {"in_order": self.in_order}


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    partitions: int
    topic: Topic

    def config(self, replication_factor: int) -> dict[str, str]:
        """Settings that are stated rather than left to the broker's defaults."""
        is_dead_letters = any(other.dead_letter == self.topic.topic for other in topics().values())
        settings = {
            "cleanup.policy": self.topic.cleanup,
            "retention.ms": str(self.topic.retention_ms),
            "max.message.bytes": str(_DEAD_LETTER_BYTES if is_dead_letters else _MAX_MESSAGE_BYTES),
            "compression.type": "producer",
            # `now` of a partition comes from these times, so the broker must not overwrite them with its own.
            "message.timestamp.type": "CreateTime",
        }
        if self.topic.cleanup == "compact":
            settings["delete.retention.ms"] = str(_TOMBSTONES_MS)
        if replication_factor >= 3:
            settings["min.insync.replicas"] = "2"
        return settings


def diff_topics(
    bootstrap: str,
    partitions: int | None = None,
    prefix: str = "",
    *,
    replication_factor: int | None = None,
    client_settings: Mapping[str, str] | None = None,
) -> TopicsReport:
    """What :func:`apply_topics` would find, changing nothing."""
    return _Broker(bootstrap, client_settings).compare(_wanted(partitions, prefix), prefix, replication_factor)


def apply_topics(
    bootstrap: str,
    partitions: int | None = None,
    prefix: str = "",
    *,
    replication_factor: int | None = None,
    allow_destructive: bool = False,
    client_settings: Mapping[str, str] | None = None,
) -> TopicsReport:
    """Create the missing topics, set differing settings, wait until every partition has a leader, and report.

    ``partitions`` replaces the declared count (topics declared with one partition keep one); ``prefix`` is put before
    each name; ``replication_factor`` is for new topics, the broker's default when not given. Settings that would
    delete records are only set with ``allow_destructive``. ``client_settings``: further settings of librdkafka.

    Raises :class:`Unavailable` when no broker answers and :class:`ConfigurationError` when it refuses.
    """
    broker = _Broker(bootstrap, client_settings)
    wanted = _wanted(partitions, prefix)
    found = broker.compare(wanted, prefix, replication_factor)
    broker.create([topic for topic in wanted if topic.name in found.missing], replication_factor)
    changes = tuple(replace(change, applied=allow_destructive or not change.destructive) for change in found.changes)
    broker.set_configs([change for change in changes if change.applied])
    return replace(found, missing=(), created=found.missing, changes=changes)


def _wanted(partitions: int | None, prefix: str) -> list[_Wanted]:
    if partitions is not None and partitions < 1:
        raise ConfigurationError(f"partitions must be at least 1, not {partitions}")
    return [
        _Wanted(prefix + name, topic.partitions if partitions is None or topic.partitions == 1 else partitions, topic)
        for name, topic in topics().items()
    ]


class _Broker:
    def __init__(self, bootstrap: str, client_settings: Mapping[str, str] | None) -> None:
        self._bootstrap = bootstrap
        self._reason = ""
        self._all_down = False
        # Silent: what librdkafka would print about a broker that is away is said once, by the error raised.
        quiet: dict[str, Any] = {"log_level": 0, "error_cb": self._note}
        self._admin = AdminClient({**quiet, **(client_settings or {}), "bootstrap.servers": bootstrap})

    def _note(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._all_down = True
        else:
            self._reason = str(error.str())

    def compare(self, wanted: list[_Wanted], prefix: str, replication_factor: int | None) -> TopicsReport:
        there = self._metadata()
        existing = [topic for topic in wanted if topic.name in there]
        actual = self._configs([topic.name for topic in existing])
        changes = []
        for topic in existing:
            replicas = min((len(part.replicas) for part in there[topic.name].partitions.values()), default=1)
            for key, expected in topic.config(replicas).items():
                value = actual[topic.name].get(key)
                if value != expected:
                    changes.append(ConfigChange(topic.name, key, value, expected, _deletes(key, value, expected)))
        names = {topic.name for topic in wanted}
        counts = {name: len(topic.partitions) for name, topic in there.items()}
        return TopicsReport(
            self._bootstrap,
            missing=tuple(topic.name for topic in wanted if topic.name not in there),
            changes=tuple(changes),
            refused=tuple(
                PartitionMismatch(topic.name, counts[topic.name], topic.partitions)
                for topic in existing
                if counts[topic.name] != topic.partitions
            ),
            unknown=tuple(
                sorted(name for name in there if name.startswith(prefix) and name not in names and name[:2] != "__")
            ),
        )

    def create(self, wanted: list[_Wanted], replication_factor: int | None) -> None:
        if not wanted:
            return
        factor = -1 if replication_factor is None else replication_factor
        new = [NewTopic(topic.name, topic.partitions, factor, config=topic.config(factor)) for topic in wanted]
        self._wait(self._admin.create_topics(new, request_timeout=_CHANGE_SECONDS).values())
        self._until(lambda: self._have_leaders(wanted), "new topics have no leaders")

    def set_configs(self, changes: list[ConfigChange]) -> None:
        by_topic: dict[str, list[ConfigEntry]] = {}
        for change in changes:
            entry = ConfigEntry(change.key, change.expected, incremental_operation=AlterConfigOpType.SET)
            by_topic.setdefault(change.topic, []).append(entry)
        if by_topic:
            resources = [
                ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
                for name, entries in by_topic.items()
            ]
            self._wait(self._admin.incremental_alter_configs(resources).values())
            self._until(lambda: self._are_set(changes), "changed settings are not in force")

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        """Brokers follow their controller a moment later; who reads right after us should see what was done."""
        deadline = time.monotonic() + _CHANGE_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise Unavailable(f"Kafka at {self._bootstrap}: {otherwise} after {_CHANGE_SECONDS:.0f} s")
            time.sleep(0.02)

    def _are_set(self, changes: list[ConfigChange]) -> bool:
        actual = self._configs(sorted({change.topic for change in changes}))
        return all(actual[change.topic].get(change.key) == change.expected for change in changes)

    def _have_leaders(self, wanted: list[_Wanted]) -> bool:
        there = self._metadata()
        return all(
            topic.name in there
            and len(there[topic.name].partitions) == topic.partitions
            and all(part.leader >= 0 for part in there[topic.name].partitions.values())
            for topic in wanted
        )

    def _metadata(self) -> Mapping[str, Any]:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while True:
            try:
                return self._admin.list_topics(timeout=_TRY_SECONDS).topics
            except KafkaException as error:
                self._admin.poll(0)  # lets _note hear why
                if self._all_down or error.args[0].code() not in _AWAY or time.monotonic() > deadline:
                    raise self._told(error) from error

    def _configs(self, names: list[str]) -> dict[str, dict[str, str | None]]:
        if not names:
            return {}
        asked = self._admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
        return {
            resource.name: {key: entry.value for key, entry in self._result(future).items()}
            for resource, future in asked.items()
        }

    def _wait(self, futures: Iterable[Any]) -> None:
        for future in futures:
            self._result(future)

    def _result(self, future: Any) -> Any:
        try:
            return future.result(_CHANGE_SECONDS)
        except KafkaException as error:
            # Someone else applied the same files at the same time.
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return None
            raise self._told(error) from error
        except TimeoutError as error:
            raise Unavailable(f"Kafka at {self._bootstrap} did not answer in {_CHANGE_SECONDS:.0f} s") from error

    def _told(self, error: KafkaException) -> Exception:
        problem = error.args[0]
        if problem.retriable() or problem.code() in _AWAY:
            return Unavailable(
                f"no Kafka answers at {self._bootstrap} ({self._reason or problem.str()}): "
                "start one with `tsunagi broker start`, or give another address"
            )
        return ConfigurationError(f"Kafka at {self._bootstrap} refused: {problem.str()}")


def _deletes(key: str, actual: str | None, expected: str) -> bool:
    if key == "cleanup.policy":
        return True
    return key == "retention.ms" and _span(expected) < _span(actual)


def _span(value: str | None) -> float:
    return math.inf if value in (None, "-1") else int(value)
