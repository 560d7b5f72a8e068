"""For maintainers: write ``kafka.lock`` anew with ``python -m ops.embedded_kafka.relock``.

Resolves Kafka's dependencies, fetches every jar and writes its size and SHA-256. To move to another Kafka, change
`locations.KAFKA_VERSION` first; read the diff before committing it.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import Artifact, MavenContext

from ops.embedded_kafka.artifacts import sha256_of
from ops.embedded_kafka.errors import EmbeddedKafkaError
from ops.embedded_kafka.locations import KAFKA_VERSION
from ops.embedded_kafka.lockfile import LOCK_FILE, LockedJar, render_lock

_KAFKA_GROUP = "org.apache.kafka"
_LOG4J_GROUP = "org.apache.logging.log4j"


def resolve_jars(staging: Path) -> list[LockedJar]:
    """Kafka with its runtime dependencies and a logging backend, fetched into ``staging``."""
    context = MavenContext(repo_cache=staging)
    root = context.create_dependency(f"{_KAFKA_GROUP}:kafka_2.13:jar:{KAFKA_VERSION}:compile")
    inputs, transitive = context.resolver.resolve([root])
    artifacts = [dependency.artifact for dependency in inputs + transitive]
    # Kafka brings log4j, but not what ties it to slf4j: without it Kafka would be silent. Added by itself, because the
    # resolver applies the versions that a second root manages to all (log4j's would bring an old kafka-clients).
    log4j = next(a.version for a in artifacts if (a.groupId, a.artifactId) == (_LOG4J_GROUP, "log4j-core"))
    artifacts.append(context.project(_LOG4J_GROUP, "log4j-slf4j-impl").at_version(log4j).artifact())
    with ThreadPoolExecutor(6) as pool:
        jars = list(pool.map(_lock, artifacts))
    for jar in jars:
        if jar.group == _KAFKA_GROUP and jar.version != KAFKA_VERSION:
            raise EmbeddedKafkaError(
                f"Resolved {jar.coordinate}, expected version {KAFKA_VERSION}: nothing was written."
            )
    return jars


def _lock(artifact: Artifact) -> LockedJar:
    path = artifact.resolve()
    size = path.stat().st_size
    return LockedJar(artifact.groupId, artifact.artifactId, artifact.version, size, sha256_of(path))


def main() -> int:
    """Write the lock file; prints what it did."""
    with tempfile.TemporaryDirectory() as staging:
        jars = resolve_jars(Path(staging))
    LOCK_FILE.write_text(render_lock(jars), encoding="utf-8")
    print(f"{LOCK_FILE.name}: {len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
