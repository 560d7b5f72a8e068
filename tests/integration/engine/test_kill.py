"""Nothing is lost and nothing is there twice, whoever dies, sleeps, joins or leaves."""

from __future__ import annotations

import shutil
import signal
import threading
import time

import pytest

from tests.integration.engine.bench import Bench, eventually, skus

FEW = skus(0, 1, 0, 1)


class Sales(threading.Thread):
    """Sells so many of each SKU, evenly, while a test does its worst."""

    def __init__(self, bench: Bench, each: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._bench = bench
        self._each = each
        self._pause = seconds / each

    def run(self) -> None:
        """One of each, and a pause."""
        for _ in range(self._each):
            for sku in FEW:
                self._bench.send_sale(sku)
            self._bench.flush()
            time.sleep(self._pause)


def all_of(each: int) -> dict[str, int]:
    return dict.fromkeys(FEW, each)


def test_kill_9_at_any_time(bench: Bench) -> None:
    """Four times, at moments that differ; the state directory survives, is lost, or is another one's."""
    sales = Sales(bench, each=400, seconds=12)
    worker = bench.worker()
    sales.start()
    for name, wanted, pause in (
        ("worker-1", 60, 0.0),
        ("worker-2", 300, 0.013),
        ("worker-1", 600, 0.037),
        ("worker-3", 900, 0.071),
    ):
        bench.until_outputs(wanted)
        time.sleep(pause)  # not at a cycle's end, where the output was seen
        worker.kill()
        if name == "worker-3":
            shutil.rmtree(bench.directory / "worker-1")
        worker = bench.worker(name)
    bench.until_outputs(4 * 400)
    sales.join()
    bench.check(all_of(400))


def test_workers_that_join_and_leave(bench: Bench) -> None:
    """Partitions move five times under load: joins, a SIGTERM, a kill -9."""
    sales = Sales(bench, each=500, seconds=14)
    one = bench.worker("worker-1")
    one.wait_ready()
    sales.start()
    two = bench.worker("worker-2")
    eventually(lambda: two.states != {} and set(two.states.values()) == {"running"}, "worker-2 has its share")
    assert len(one.states) == len(two.states) == 1
    one.terminate()
    eventually(lambda: list(two.states.values()) == ["running"] * 2, "worker-2 has all")
    three = bench.worker("worker-3")
    eventually(lambda: list(three.states.values()) == ["running"], "worker-3 has its share")
    two.kill()
    eventually(lambda: list(three.states.values()) == ["running"] * 2, "worker-3 has all")
    bench.until_outputs(4 * 500)
    sales.join()
    bench.check(all_of(500))


@pytest.mark.parametrize(("how", "seconds"), [("SIGTERM", 5.0), ("kill -9", 12.0)])
def test_partitions_move_on_quickly(bench: Bench, how: str, seconds: float) -> None:
    one = bench.worker("worker-1")
    one.wait_ready()
    two = bench.worker("worker-2")
    two.wait_ready()
    bench.sell(all_of(1))
    bench.until_outputs(4)
    started = time.monotonic()
    if how == "SIGTERM":
        one.signal(signal.SIGTERM)
    else:
        one.kill()
    bench.sell(all_of(1))
    bench.until_outputs(8)
    took = time.monotonic() - started
    print(f"\n{how}: records of the other worker's partition were out after {took:.2f} s")
    assert took < seconds
    bench.check(all_of(2))


def test_a_zombie_does_nothing_and_comes_back(bench: Bench) -> None:
    """It sleeps past its session in the middle of its work; another one takes over; then it wakes up."""
    zombie = bench.worker("worker-1")
    zombie.wait_ready()
    bench.sell(all_of(50))
    bench.until_outputs(20)
    zombie.signal(signal.SIGSTOP)
    bench.sell(all_of(50))
    other = bench.worker("worker-2")
    bench.until_outputs(400)
    assert list(other.states.values()) == ["running"] * 2
    zombie.signal(signal.SIGCONT)
    bench.sell(all_of(50))
    bench.until_outputs(600)
    eventually(
        lambda: (
            sorted((*zombie.states, *other.states)) == ["0", "1"]
            and {*zombie.states.values(), *other.states.values()} == {"running"}
        ),
        "both have their share",
    )
    bench.sell(all_of(50))
    bench.until_outputs(800)
    bench.check(all_of(200))


def test_a_worker_in_reserve_is_there_when_it_is_needed(bench: Bench) -> None:
    """It owns no partition and fetches nothing, for longer than aiokafka suffers an idle consumer in a group."""
    workers = [bench.worker(f"worker-{number}", max_poll_seconds=2.0) for number in (1, 2, 3)]
    for worker in workers:
        worker.wait_ready()
    eventually(lambda: sum(len(worker.states) for worker in workers) == 2, "two partitions among three")
    time.sleep(4.0)  # the time itself is what is tested
    (reserve,) = [worker for worker in workers if not worker.states]
    for worker in workers:
        if worker is not reserve:
            worker.kill()
    bench.sell(all_of(20))
    bench.until_outputs(80)
    eventually(lambda: list(reserve.states.values()) == ["running"] * 2, "it owns both")
    bench.check(all_of(20))


def test_a_cycle_that_outlasts_the_rebalance(bench: Bench) -> None:
    """The partition is revoked and given back while its cycle hangs: it must go on, not stand still in silence."""
    gate = bench.directory / "gate"
    gate.touch()
    wait = "wait"
    one = bench.worker("worker-1")
    one.wait_ready()
    bench.send_sale(wait, location=str(gate))
    bench.flush()
    bench.until(lambda seen: bool(seen.inputs), "the record is in the log")
    two = bench.worker("worker-2")
    # Each join and leave revokes everything; the cycle is still in the record.
    eventually(lambda: two.get("/readyz")[0] != 0 and len(two.states) == 1, "worker-2 has joined")
    two.kill()
    eventually(lambda: len(one.states) == 2, "worker-1 has both again")
    gate.unlink()
    bench.sell({**all_of(10), wait: 3})
    bench.until_outputs(44)
    bench.check({**all_of(10), wait: 4})
