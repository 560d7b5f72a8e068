"""Rulesets from files into the log: one RulesetActivated for every partition of customer-events, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from ops.contracts import resolve_codec
from orchestration_rules.loader import PACKAGED, load
from orchestration_rules.ruleset import RuleSet
from schemas.errors import ConfigurationError, ContractError, Unavailable
from schemas.events import RulesetActivated
from streams.processors.topics import CUSTOMER_EVENTS

_TIMEOUT_SECONDS = 15.0


def load_rules(folder: Path | None) -> RuleSet:
    """The ruleset of a folder, the packaged one when none is given.

    Raises :class:`ContractError` with every mistake as ``file:line: what is wrong; what to do``.
    """
    loaded = load(PACKAGED if folder is None else folder)
    if loaded.ruleset is None:
        raise ContractError("\n".join(str(finding) for finding in loaded.findings))
    return loaded.ruleset


def publish_ruleset(
    rules: RuleSet,
    connection: Mapping[str, str],
    registry_url: str,
    now_ms: int,
    *,
    by: str,
    reason: str,
    application: str = "tsunagi",
) -> None:
    """Activate a ruleset in every partition at once. Publishing the active one again changes nothing.

    ``now_ms`` is the edge clock's time, ``application`` the deployment's name. Raises :class:`Unavailable` when Kafka
    does not take it.
    """
    codec = resolve_codec(registry_url)
    record = RulesetActivated(
        ruleset_hash=rules.hash,
        contents=rules.contents(),
        activated_by=by,
        reason=reason,
        activated_at=time.time_ns() // 1_000_000,
    )
    value = codec.encode(record)
    producer = Producer({"log_level": 3, **connection, "transactional.id": f"{application}-rulesets", "acks": "all"})
    try:
        found = AdminClient(dict(connection)).list_topics(CUSTOMER_EVENTS, timeout=_TIMEOUT_SECONDS)
        partitions = found.topics[CUSTOMER_EVENTS].partitions
        if not partitions:
            raise ConfigurationError(f"topic {CUSTOMER_EVENTS} is missing: run `tsunagi topics apply`")
        producer.init_transactions(_TIMEOUT_SECONDS)
        producer.begin_transaction()
        for partition in partitions:
            producer.produce(CUSTOMER_EVENTS, value, partition=partition, timestamp=now_ms)
        producer.commit_transaction(_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise Unavailable(f"the ruleset was not published: {error.args[0].str()}") from error
