"""The worker directory as a view of its topic."""

from __future__ import annotations

import json

from connectors.gateway.directory import Table
from schemas.partitioning import partition_of


def value(url: str, partitions: int = 4) -> bytes:
    return json.dumps({"url": url, "partitions": partitions}).encode()


def test_the_owner_of_a_key_is_the_owner_of_its_partition() -> None:
    table = Table()
    for number in range(4):
        table.apply(f"customer/{number}".encode(), value(f"http://worker-{number}:7000/"))
    for key in ("a", "b", "c", "d", "e"):
        assert table.owner("customer", key) == f"http://worker-{partition_of(key, 4)}:7000"
    assert table.owner("inventory", "a") is None


def test_a_later_record_wins_and_an_empty_one_forgets() -> None:
    table = Table()
    table.apply(b"customer/0", value("http://old", 1))
    table.apply(b"customer/0", value("http://new", 1))
    assert table.owner("customer", "any") == "http://new"
    assert table.workers("customer") == ["http://new"]
    table.apply(b"customer/0", None)
    assert table.owner("customer", "any") is None
    assert table.workers("customer") == []


def test_a_partition_without_owner_has_none_though_others_do() -> None:
    table = Table()
    key = "a"
    other = (partition_of(key, 4) + 1) % 4
    table.apply(f"customer/{other}".encode(), value("http://other"))
    assert table.owner("customer", key) is None


def test_records_that_are_none_change_nothing() -> None:
    table = Table()
    table.apply(b"customer/0", value("http://good", 1))
    for key, content in [
        (None, value("http://x", 1)),
        (b"customer", value("http://x", 1)),
        (b"customer/x", value("http://x", 1)),
        (b"\xff/0", value("http://x", 1)),
        (b"customer/0", b"not json"),
        (b"customer/0", b'{"url": 7}'),
        (b"customer/0", value("file:///etc/passwd", 1)),
        (b"customer/0", value("http://x", 0)),
    ]:
        table.apply(key, content)
    assert table.owner("customer", "any") == "http://good"
