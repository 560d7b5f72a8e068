"""Starting a JVM under its supervisor, and waiting until the broker in it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ops.embedded_kafka import ports
from ops.embedded_kafka.locations import DataDir
from ops.embedded_kafka.settings import FOREIGN_JVM_VARIABLES, HOST

GRACE_SECONDS = 15.0
"""How long a JVM may take to end before it is killed: Kafka flushes and closes its logs."""

_POLL_SECONDS = 0.02
_IMPATIENT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 50, "log_level": 0}
_SUPERVISOR = Path(__file__).with_name("supervisor.py")


def jvm_environment() -> dict[str, str]:
    """This process's environment without what would change the JVM's flags or class path."""
    return {name: value for name, value in os.environ.items() if name not in FOREIGN_JVM_VARIABLES}


def launch(
    data: DataDir, command: Sequence[str], state: Mapping[str, Any], *, owned: bool
) -> tuple[subprocess.Popen[str], int]:
    """Start ``command`` in ``data.root``; returns its supervisor and the JVM's process id (0: none came up).

    ``owned``: it ends when the last owner of ``data.owners`` is gone; the caller must be one of them already.
    """
    order = {
        "command": list(command),
        "cwd": str(data.root),
        "environment": jvm_environment(),
        "state_file": str(data.state_file),
        "state": dict(state),
        "owners": str(data.owners) if owned else None,
        "grace_seconds": GRACE_SECONDS,
    }
    with data.console_log.open("wb") as console:
        supervisor = subprocess.Popen(
            # -I and -S: nothing of the user's Python settings; the marker makes the process recognisable as ours
            [sys.executable, "-I", "-S", str(_SUPERVISOR), data.marker],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=console,
            start_new_session=True,
            text=True,
        )
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    try:
        with supervisor.stdin, supervisor.stdout:
            json.dump(order, supervisor.stdin)
            supervisor.stdin.close()
            answer = supervisor.stdout.readline()
    except BaseException:
        supervisor.terminate()
        supervisor.wait(GRACE_SECONDS)
        raise
    return supervisor, int(answer or 0)


def await_ready(port: int, cluster_id: str, alive: Callable[[], bool], deadline: float) -> bool:
    """Wait until the broker of ``cluster_id`` serves metadata on ``port``.

    False when ``alive`` turned false or ``deadline`` (monotonic seconds) passed. The cluster id makes sure that it is
    our broker that answers, not one that was quicker to take the port.
    """
    admin: AdminClient | None = None
    while alive() and time.monotonic() < deadline:
        # librdkafka backs off after a refused connection, so it is not asked before somebody listens.
        if admin is None and ports.is_open(port):
            admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}", **_IMPATIENT})
        if admin is not None:
            try:
                metadata = admin.list_topics(timeout=1.0)
            except KafkaException:
                pass  # it listens before it serves
            else:
                if metadata.brokers and metadata.cluster_id == cluster_id:
                    return True
        time.sleep(_POLL_SECONDS)
    return False
