"""Records that cannot be processed leave as dead letters in the transaction of their batch; the rest goes on."""

from __future__ import annotations

from schemas.events import AttemptOutcome, AttemptReported, DeadLetterReason
from tests.integration.engine.bench import Bench, skus
from tests.integration.engine.counting import CODEC

LEFT, RIGHT = skus(0, 1)
FOREIGN = AttemptReported(
    action_id="a", customer_id="c", attempt=1, outcome=AttemptOutcome.UNKNOWN, reported_at=1, detail="taro@example.jp"
)


def test_poison_is_set_aside_and_nothing_else_is(bench: Bench) -> None:
    largest = b"\xff" * 1_048_000  # about as much as a topic takes
    bench.sell({LEFT: 10, RIGHT: 10})
    for poison in (b"", None, b"not framed", largest, b"\x00\x00\x00\x00\x01\xff", CODEC.encode(FOREIGN)):
        bench.send(LEFT, poison)
    bench.send_sale("poison", location="taro@example.jp")
    bench.send_sale("poison", location="taro@example.jp")
    bench.sell({LEFT: 10})
    worker = bench.worker()
    bench.until_outputs(30)
    bench.until(lambda seen: len(seen.dead) == 8, "8 dead letters")
    bench.check({LEFT: 20, RIGHT: 10})
    reasons = [letter.reason for letter in bench.seen.dead]
    assert reasons.count(DeadLetterReason.UNDECODABLE) == 5
    assert reasons.count(DeadLetterReason.FOLD_FAILED) == 3
    assert largest in {letter.value for letter in bench.seen.dead}
    assert not any("taro" in letter.error + letter.traceback for letter in bench.seen.dead)
    # Again by another process: they are behind the position.
    worker.kill()
    bench.worker()
    bench.sell({LEFT: 1, RIGHT: 1})
    bench.until_outputs(32)
    assert len(bench.seen.dead) == 8
    assert all("taro" not in str(words) for words in worker.words())
