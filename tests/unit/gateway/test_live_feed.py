"""A watcher's queue is bounded, and says what it dropped."""

from __future__ import annotations

import asyncio
import json

from connectors.gateway.live_feed import Watcher
from connectors.gateway.live_line import sse


def lines(first: int, count: int) -> list[bytes]:
    return [sse({"n": number}) for number in range(first, first + count)]


def read(chunk: bytes) -> list[dict[str, object]]:
    return [json.loads(part.removeprefix(b"data: ")) for part in chunk.split(b"\n\n") if part]


async def test_lines_come_once_and_in_order() -> None:
    watcher = Watcher(10)
    watcher.put(lines(0, 3))
    watcher.put(lines(3, 2))
    assert read(await watcher.take()) == [{"n": number} for number in range(5)]
    waiting = asyncio.ensure_future(watcher.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    watcher.put(lines(5, 1))
    assert read(await waiting) == [{"n": 5}]


async def test_a_slow_reader_gets_the_newest_and_is_told_what_it_missed() -> None:
    watcher = Watcher(4)
    assert watcher.put(lines(0, 3)) == 0
    assert watcher.put(lines(3, 3)) == 2
    assert watcher.put(lines(6, 20)) == 20
    assert read(await watcher.take()) == [{"kind": "skipped", "count": 22}, *({"n": n} for n in range(22, 26))]
    watcher.put(lines(30, 1))
    assert read(await watcher.take()) == [{"n": 30}]


async def test_nothing_new_wakes_nobody_and_closing_ends_it() -> None:
    watcher = Watcher(4)
    watcher.put([])
    waiting = asyncio.ensure_future(watcher.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    watcher.close()
    assert await waiting == b""
    assert await watcher.take() == b""


def test_text_with_line_breaks_stays_one_line() -> None:
    assert sse({"text": "a\nb\r\n\u2028c"}).count(b"\n") == 2
