"""What a processor's step returns: records for other partitions."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events import Record


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to produce in the partition's transaction; its partition is murmur2 of ``key``."""

    topic: str
    key: str
    record: Record
