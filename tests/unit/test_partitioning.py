"""murmur2 against the values Kafka's own tests hold (``org.apache.kafka.common.utils.UtilsTest.testMurmur2``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partitioning import murmur2, partition_of

KAFKAS_OWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "signed"), KAFKAS_OWN.items())
def test_murmur2_is_kafkas(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed & 0xFFFFFFFF


@pytest.mark.parametrize(("data", "signed"), KAFKAS_OWN.items())
def test_the_partition_is_the_hash_without_its_sign_bit(data: bytes, signed: int) -> None:
    for partitions in (1, 2, 3, 12, 64):
        assert partition_of(data.decode(), partitions) == (signed & 0x7FFFFFFF) % partitions


@given(st.text(), st.integers(1, 1000))
def test_every_key_has_one_partition(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
    assert partition_of(key, partitions) == partition_of(str(key), partitions)


@given(st.binary(max_size=40))
def test_the_hash_has_32_bits(data: bytes) -> None:
    assert 0 <= murmur2(data) < 2**32


def test_keys_spread_over_the_partitions() -> None:
    counts = [0] * 12
    for number in range(12_000):
        counts[partition_of(f"customer-{number}", 12)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150
