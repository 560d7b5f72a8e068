"""The integration tests once more on a Kafka in a container, where a Docker engine is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGE = "confluentinc/cp-kafka:7.9.0"  # Apache Kafka 3.9; the image that testcontainers' module knows to start
ON_ANY_BROKER = [
    "tests/integration/engine",
    "tests/integration/gateway/test_intake.py",
    "tests/integration/test_partitioner.py",
    "tests/integration/test_topics.py",
]


def why_no_docker() -> str | None:
    """Why containers can't run here; ``None`` when they can."""
    docker = pytest.importorskip("docker", reason="the docker client is not installed")
    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException as error:
        return f"no Docker engine answers: {type(error).__name__}"
    return None


@pytest.mark.timeout(900)
def test_the_integration_suite_passes_on_a_kafka_container() -> None:
    if (reason := why_no_docker()) is not None:
        pytest.skip(reason)
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415 - only where it can be used

    container = KafkaContainer(IMAGE).with_kraft()
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
    container.with_env("KAFKA_TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS", "1000")
    with container:
        environment = {**os.environ, "TSUNAGI_TEST_BOOTSTRAP": container.get_bootstrap_server()}
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", *ON_ANY_BROKER],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stdout[-8_000:]
