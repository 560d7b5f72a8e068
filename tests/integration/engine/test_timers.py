"""Timers: a tick fires what is due, in order, at most so many at a time, and each once, whoever dies meanwhile."""

from __future__ import annotations

from tests.integration.engine.bench import Bench, now_ms, skus
from tests.integration.engine.counting import HOLDS_A_TICK

LEFT, RIGHT = skus(0, 1)


def test_holds_end_in_order_once_and_not_before_their_time(bench: Bench) -> None:
    past, soon = now_ms() - 60_000, now_ms() + 6_000
    expected = {}
    for number in range(3 * HOLDS_A_TICK + 7):
        # Due times out of order, and several the same.
        expected[f"past-{number:03}"] = past + (number * 7) % 50
    for number in range(10):
        expected[f"soon-{number:03}"] = soon + number
    for reservation, due in expected.items():
        for sku in (LEFT, RIGHT):
            bench.hold(sku, f"{reservation}-{sku}", due)
    bench.flush()
    first = bench.worker()
    bench.until(lambda seen: len(seen.released) >= HOLDS_A_TICK, "the first tick has fired")
    first.kill()
    bench.worker("worker-2")
    bench.until(lambda seen: len(seen.released) >= 2 * len(expected), "all holds have ended")
    told_at = now_ms()
    bench.until_folded()
    bench.check_folds()
    for partition, sku in ((0, LEFT), (1, RIGHT)):
        released = [record for at, record in bench.seen.released if at == partition]
        in_order = sorted((due, f"{reservation}-{sku}") for reservation, due in expected.items())
        assert [(record.released_at, record.reservation_id) for record in released] == in_order
    assert told_at >= soon
    assert not any(bench.seen.rows[partition].keys() for partition in (0, 1)), "a hold that has ended is no row"


def test_a_hold_ends_when_its_time_comes(bench: Bench) -> None:
    worker = bench.worker()
    worker.wait_ready()
    due = now_ms() + 700
    bench.hold(LEFT, "r", due)
    bench.flush()
    bench.until(lambda seen: len(seen.released) == 1, "the hold has ended")
    late_ms = now_ms() - due
    assert 0 <= late_ms < 1_500, "half a second of a machine's other work is none of the timer's"
