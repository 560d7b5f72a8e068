"""What stays in a data directory between starts: whose it is, and the formatted metadata log.

A fresh directory is formatted without a JVM: ``meta.properties`` is four lines, and ``bootstrap.checkpoint`` (the
feature levels of a Kafka version, no ids) is copied from the one that Kafka's own StorageTool wrote into the cache.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.embedded_kafka.errors import DataDirRefused
from ops.embedded_kafka.locations import KAFKA_VERSION, DataDir
from ops.embedded_kafka.settings import NODE_ID

_START_ANEW = "Choose another data directory, or delete this one's data with `tsunagi broker wipe`."


@dataclass(frozen=True, slots=True)
class Cluster:
    """``cluster.json``. ``port_given``: somebody asked for this port, so it is never exchanged silently."""

    kafka_version: str
    cluster_id: str
    directory_id: str
    port: int
    controller_port: int
    port_given: bool


def new_kafka_id() -> str:
    """A random id as Kafka writes them: URL-safe base64 of a UUID, 22 characters, never starting with ``-``.

    Source: ``org.apache.kafka.common.Uuid.randomUuid`` (a leading ``-`` would read as an option on a command line).
    """
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def read_cluster(data: DataDir) -> Cluster | None:
    """Whose directory it is; None for an absent or empty one. Raises `DataDirRefused` for anything not ours to use."""
    if "," in str(data.root):
        raise DataDirRefused(f"The data directory {data.root} has a ',' in its name. Choose one without.")
    if not data.cluster_file.exists():
        beginnings = (data.mutex, data.cluster_file.with_suffix(".partial"))  # of a start that was killed
        found = data.root.iterdir() if data.root.exists() else ()
        strangers = sorted(path.name for path in found if path not in beginnings)
        if strangers:
            raise DataDirRefused(
                f"{data.root} is not a broker's data directory: it holds {', '.join(strangers[:3])}, and no "
                f"{data.cluster_file.name}. Choose an empty or a new directory."
            )
        return None
    try:
        cluster = Cluster(**json.loads(data.cluster_file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as problem:
        raise DataDirRefused(f"{data.cluster_file} cannot be read ({problem}). {_START_ANEW}") from problem
    if cluster.kafka_version != KAFKA_VERSION:
        raise DataDirRefused(
            f"{data.root} was formatted by Kafka {cluster.kafka_version}; this is Kafka {KAFKA_VERSION}. {_START_ANEW}"
        )
    _check_formatted_for(cluster, data)
    return cluster


def _check_formatted_for(cluster: Cluster, data: DataDir) -> None:
    meta = data.log_dir / "meta.properties"
    if not meta.exists():
        if any(path.is_dir() for path in data.log_dir.glob("*")):
            raise DataDirRefused(f"{data.log_dir} holds topics but no {meta.name}: the data is damaged. {_START_ANEW}")
        return
    lines = meta.read_text(encoding="utf-8").splitlines()
    found = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")).get("cluster.id")
    if found != cluster.cluster_id:
        raise DataDirRefused(
            f"{data.log_dir} belongs to cluster {found}, {data.cluster_file.name} names {cluster.cluster_id}: "
            f"two data directories were mixed. {_START_ANEW}"
        )


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def write_cluster(data: DataDir, cluster: Cluster) -> None:
    """Write ``cluster.json``."""
    write_whole(data.cluster_file, json.dumps(asdict(cluster), indent=2) + "\n")


def format_log_dir(data: DataDir, cluster: Cluster, bootstrap_checkpoint: Path) -> None:
    """Make ``log_dir`` one that Kafka starts from; leaves a formatted one alone. ``meta.properties`` comes last."""
    meta = data.log_dir / "meta.properties"
    if meta.exists():
        return
    data.log_dir.mkdir(exist_ok=True)
    shutil.copyfile(bootstrap_checkpoint, data.log_dir / "bootstrap.checkpoint")
    ids = f"cluster.id={cluster.cluster_id}\ndirectory.id={cluster.directory_id}\nnode.id={NODE_ID}\n"
    write_whole(meta, f"{ids}version=1\n")


def erase(data: DataDir) -> None:
    """Delete what a broker wrote into ``root``, and ``root`` itself unless something else lies there."""
    for path in (*data.root.glob("*.partial"), *data.everything()):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty: what is left is not ours
        data.root.rmdir()
