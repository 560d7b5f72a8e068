"""What the gateway's integration tests share: a gateway in front of a real Kafka, and a look into the log."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage
from prometheus_client import CollectorRegistry

from connectors.gateway.settings import GatewaySettings
from schemas.catalogue import ROOT, record_names, topics
from schemas.codec import Codec
from schemas.partitioning import partition_of

NOW_MS = int(time.time() * 1000)
CUSTOMER = "6f1d8a52-6c0e-5d0b-9a4b-2d5a4b7c1e90"
PEPPER = b"a pepper for this test"
PARTITIONS = 3
SHOP, SECRET = "aoba.myshopify.com", "shpss_test"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "shopify"
CODEC = Codec({name: number for number, name in enumerate(record_names(), 1)}, lambda _id: "")


@dataclass
class Log:
    """What lies in Kafka under one prefix."""

    bootstrap: str
    prefix: str

    def __post_init__(self) -> None:
        self.producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def read(self, *names: str) -> list[KafkaMessage]:
        """Every record of the named topics (default: all that the gateway writes), from the first to the last."""
        wanted = names or [topic.topic for topic in topics().values() if "gateway" in topic.producers]
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "unused",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            known = consumer.list_topics(timeout=10).topics
            places = {
                (self.prefix + name, number) for name in wanted for number in known[self.prefix + name].partitions
            }
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for topic, number in places])
            found = []
            while places:
                message = consumer.poll(10)
                assert message is not None, "the broker does not answer"
                error = message.error()
                if error is None:
                    found.append(message)
                else:
                    assert error.code() == KafkaError._PARTITION_EOF
                    places.discard((message.topic(), message.partition()))
            return found
        finally:
            consumer.close()

    def write(self, name: str, key: str, value: bytes, partitions: int = PARTITIONS, *, flush: bool = True) -> None:
        """Writes one record; without ``flush`` it goes with the next that has it."""
        self.producer.produce(self.prefix + name, value, key.encode(), partition_of(key, partitions), timestamp=NOW_MS)
        assert not flush or self.producer.flush(10) == 0

    def events(self) -> dict[str, Any]:
        """Decoded channel events by event id; each id at most once."""
        found = [CODEC.decode(message.value()) for message in self.read()]
        ids = [event.envelope.event_id for event in found]  # type: ignore[union-attr]
        assert len(set(ids)) == len(ids), "an event stands twice in the log"
        return dict(zip(ids, found, strict=True))


@dataclass
class Running:
    url: str
    http: ClientSession
    keys: dict[str, str]
    log: Log
    registry: CollectorRegistry = field(repr=False)

    async def post(
        self, body: object, *, path: str = "/v1/events", key: str = "all", **headers: str
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {self.keys[key]}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.url + path, data=data, headers=sent) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.url + path, headers={"Authorization": f"Bearer {self.keys['all']}"}) as answer:
            return answer.status, await answer.json(content_type=None)


def settings(keys_file: Path, bootstrap: str, prefix: str, **changes: Any) -> GatewaySettings:
    return GatewaySettings(
        **{
            "kafka": {"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": "200"},
            "topic_prefix": prefix,
            "keys_file": keys_file,
            "pepper": PEPPER,
            "worker_token": "a token for this test",
            "port": 0,
            "webhooks": {"shopify": {"shops": {SHOP: {"brand": "aoba", "secrets": [SECRET]}}}},
        }
        | changes
    )


def example(name: str, **changes: Any) -> dict[str, Any]:
    flat: dict[str, Any] = json.loads((ROOT / "examples" / f"{name}.json").read_text())
    return flat | {"event_id": uuid.uuid4().hex} | changes
