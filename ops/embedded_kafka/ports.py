"""Ports on loopback: picking free ones, telling when one is taken."""

from __future__ import annotations

import errno
import secrets
import socket
from dataclasses import replace

from ops.embedded_kafka.errors import PortTaken
from ops.embedded_kafka.locations import KAFKA_VERSION
from ops.embedded_kafka.settings import HOST
from ops.embedded_kafka.storage import Cluster, new_kafka_id

# Below the ranges that Linux (from 32768) and macOS (from 49152) hand out to outgoing connections: a remembered port is
# not lost to one.
_PICK_FROM = range(20_000, 32_768)


def is_open(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


def why_not(port: int) -> str | None:
    """Why a broker cannot listen on ``port``, in words; None when it can."""
    if is_open(port):
        return "another program listens there"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Java does: connections of an earlier broker that linger in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as problem:
            if problem.errno == errno.EACCES:
                return "ports below 1024 need an administrator's rights"
            return f"it cannot be bound ({problem.strerror})"
    return None


def pick(*taken: int) -> int:
    """A free port, none of ``taken``."""
    for _ in range(200):
        port = secrets.choice(_PICK_FROM)
        if port not in taken and why_not(port) is None:
            return port
    raise PortTaken(f"No free port found between {_PICK_FROM.start} and {_PICK_FROM.stop}: close some programs.")


def taken_error(port: int, why: str) -> PortTaken:
    """The error for a port that somebody asked for."""
    return PortTaken(
        f"Port {port} cannot be used: {why}. Stop that program (`lsof -i :{port}` shows it) or choose another port."
    )


def settle(cluster: Cluster | None, asked: int) -> tuple[Cluster, tuple[str, ...]]:
    """The cluster (None: a new one) with ports that are free now, and notices for people.

    ``asked`` 0: the port used before, or a picked one. `PortTaken` for a port that somebody asked for, now or before.
    """
    if cluster is None:
        cluster = Cluster(KAFKA_VERSION, new_kafka_id(), new_kafka_id(), asked or pick(), 0, asked != 0)
    elif asked:
        cluster = replace(cluster, port=asked, port_given=True)
    notices: tuple[str, ...] = ()
    why = why_not(cluster.port)
    if why is not None:
        if cluster.port_given:
            raise taken_error(cluster.port, why)
        new = pick()
        notices = (f"Port {cluster.port}, used before, is taken now; the broker moves to {new}.",)
        cluster = replace(cluster, port=new)
    # Nobody but the broker itself talks to the controller, so its port may change at any start.
    if cluster.controller_port in (0, cluster.port) or why_not(cluster.controller_port) is not None:
        cluster = replace(cluster, controller_port=pick(cluster.port))
    return cluster, notices
