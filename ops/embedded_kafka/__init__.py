"""A real Apache Kafka for laptops and tests, without Docker and without an installed Java; production uses any Kafka.

It binds loopback only and keeps everything of a broker in one data directory. See `EmbeddedBroker`.
"""

from ops.embedded_kafka.artifacts import Progress
from ops.embedded_kafka.broker import EmbeddedBroker
from ops.embedded_kafka.errors import EmbeddedKafkaError
from ops.embedded_kafka.locations import KAFKA_VERSION, default_data_dir
from ops.embedded_kafka.status import BrokerState, BrokerStatus

__all__ = [
    "KAFKA_VERSION",
    "BrokerState",
    "BrokerStatus",
    "EmbeddedBroker",
    "EmbeddedKafkaError",
    "Progress",
    "default_data_dir",
]
