"""What the partitions of one processor on one worker share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.codec import Codec
from schemas.metrics import WorkerMetrics
from streams.engine.budget import StoreBudget
from streams.engine.processor import Clock, Effects, Processor


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every :class:`streams.engine.task.PartitionTask` is given."""

    processor: Processor
    codec: Codec
    clock: Clock
    connection: Mapping[str, Any]
    """librdkafka settings that reach the broker: bootstrap.servers, security."""
    application: str
    """Prefix of transactional ids: one deployment."""
    identity: str
    """Cluster and topology version: a local store of another one is rebuilt."""
    directory: Path
    budget: StoreBudget
    partitions_of: Callable[[str], int]
    log_bounds: Callable[[int], Mapping[str, tuple[int, int]]]
    """(first offset that is still there, next offset to be written) of each input of a partition."""
    position: Callable[[int, Mapping[str, int]], bool]
    """Seek the inputs of a partition in the group's consumer and let its records through; False: not assigned now."""
    unposition: Callable[[int], None]
    """Let no more records of a partition through."""
    confirm_membership: Callable[[int], bool]
    """False when this worker is not in the current generation of the group."""
    effects: Effects | None
    metrics: WorkerMetrics
