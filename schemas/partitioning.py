"""Where a key lives: murmur2 as Kafka's Java clients compute it, in one place and always explicit.

librdkafka hashes with CRC32 unless told otherwise, so a producer that left it to the default would put one customer
into two partitions. Source: ``org.apache.kafka.common.utils.Utils.murmur2`` and ``BuiltInPartitioner``.
"""

from __future__ import annotations

from functools import lru_cache

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Unsigned 32-bit murmur2 of ``data``."""
    length = len(data)
    h = _SEED ^ length
    full = length & ~3
    for i in range(0, full, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    tail = data[full:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_of(key: str, partitions: int) -> int:
    """Partition of a string key among ``partitions`` (at least 1), as a Java producer would choose it."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
