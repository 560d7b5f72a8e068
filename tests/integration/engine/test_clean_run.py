"""A worker that nothing happens to, and one that is started again on what the last one left."""

from __future__ import annotations

import shutil

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.rowcodec import encode_row
from schemas.rows import PositionRow
from streams.engine import keys
from streams.engine.store import PartitionStore
from streams.engine.view import BatchView
from tests.integration.engine.bench import PARTITIONS, Bench, skus
from tests.integration.engine.counting import COUNTS, HOLDS, CountRow

FEW = skus(0, 1, 0)


def test_every_record_is_counted_once_in_order(bench: Bench) -> None:
    worker = bench.worker()
    bench.sell(dict.fromkeys(FEW, 700))
    worker.wait_ready()
    bench.until_outputs(2_100)
    bench.sell({FEW[0]: 5, FEW[1]: 300}, topic=1)
    bench.until_outputs(2_405)
    worker.terminate()
    assert worker.events("partition_failed") == []
    counts = {sku: len(records) for sku, records in bench.seen.sold.items()}
    assert counts == {FEW[0]: 705, FEW[1]: 1_000, FEW[2]: 700}
    for sku, count in counts.items():
        assert [record.quantity for record in bench.seen.sold[sku]] == list(range(1, count + 1))


def test_a_worker_goes_on_where_the_last_one_stopped(bench: Bench) -> None:
    first = bench.worker()
    bench.sell(dict.fromkeys(FEW, 50))
    bench.until_outputs(150)
    first.terminate()
    bench.sell(dict.fromkeys(FEW, 50))
    second = bench.worker()
    bench.until_outputs(300)
    second.terminate()
    assert [words["restored"] for words in second.events("partition_owned")] == [0, 0], "the store was up to date"
    bench.look()
    assert sorted(bench.seen.sold) == sorted(FEW)
    for records in bench.seen.sold.values():
        assert [record.quantity for record in records] == list(range(1, 101))


def test_a_lost_directory_is_restored_from_a_changelog_of_many_pieces(bench: Bench) -> None:
    """10,000 records are one piece; every SKU is a row."""
    bench.worker()
    many = [f"sku-{number}" for number in range(21_000)]
    for sku in many:
        bench.send_sale(sku)
    bench.flush()
    bench.until_outputs(len(many))
    bench.workers[0].terminate()
    shutil.rmtree(bench.directory / "worker-1")
    again = bench.worker()
    again.wait_ready()
    restored = [words["restored"] for words in again.events("partition_owned")]
    assert sum(restored) >= len(many)
    assert max(restored) > 10_000
    probes = many[::3_000]
    bench.sell(dict.fromkeys(probes, 1))
    bench.until_outputs(len(many) + len(probes))
    assert {sku: bench.seen.sold[sku][-1].quantity for sku in probes} == dict.fromkeys(probes, 2)
    bench.check({sku: 2 if sku in probes else 1 for sku in many})


def test_a_directory_of_another_cluster_is_not_believed(bench: Bench) -> None:
    """Its rows are wrong, and its position would skip everything there is."""
    for partition in range(PARTITIONS):
        path = bench.store_path("worker-1", partition)
        path.mkdir(parents=True)
        store = PartitionStore(path, (COUNTS, HOLDS), "another-cluster/x/topology-1/2")
        view = BatchView(store)
        for sku in FEW:
            view.put(COUNTS, sku, "", CountRow(1_000, 1_000))
        position = PositionRow(dict.fromkeys(bench.names.inputs, 10), 0)
        store.apply(view.changes(), encode_row(position), 5)
        store.close()
    bench.sell(dict.fromkeys(FEW, 20))
    worker = bench.worker()
    bench.until_outputs(60)
    bench.check(dict.fromkeys(FEW, 20))
    assert {words["reason"].partition(":")[0] for words in worker.events("store_rebuilt")} == {
        "of another cluster or topology"
    }


def test_a_store_that_is_ahead_of_its_changelog_is_not_believed(bench: Bench) -> None:
    """The changelog was made anew (or lost its end): the rows here are of another history."""
    first = bench.worker()
    bench.sell({FEW[0]: 1})
    bench.until_outputs(1)
    first.terminate()
    path = bench.store_path("worker-1", 0)
    store = PartitionStore(path, (COUNTS, HOLDS), _identity_in(path))
    view = BatchView(store)
    view.put(COUNTS, FEW[0], "", CountRow(500, 500))
    store.apply(view.changes(), store.position_bytes() or b"", 1_000)
    store.close()
    second = bench.worker()
    bench.sell({FEW[0]: 1})
    bench.until_outputs(2)
    assert [record.quantity for record in bench.seen.sold[FEW[0]]] == [1, 2]
    assert "stands at 1000" in second.events("store_rebuilt")[0]["reason"]


def _identity_in(path: object) -> str:
    from rocksdict import Options, Rdict  # noqa: PLC0415

    options = Options(raw_mode=True)
    db = Rdict(str(path), options=options)
    try:
        return bytes(db[keys.local("identity")] or b"").decode()
    finally:
        db.close()


def test_the_groups_committed_offsets_are_not_the_truth(bench: Bench) -> None:
    """They expire, and operators reset them: nothing is folded again."""
    first = bench.worker()
    bench.sell(dict.fromkeys(FEW, 40))
    bench.until_outputs(120)
    first.terminate()
    group = f"{first.run.application}-{bench.names.processor}"
    admin = AdminClient({"bootstrap.servers": bench.bootstrap, "log_level": 0})
    start = [TopicPartition(topic, p, 0) for topic in bench.names.inputs for p in range(PARTITIONS)]
    for reset in admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, start)]).values():
        reset.result(10)
    second = bench.worker()
    bench.sell(dict.fromkeys(FEW, 10))
    bench.until_outputs(150)
    second.terminate()
    for deleted in admin.delete_consumer_groups([group]).values():
        deleted.result(10)
    bench.worker()
    bench.sell(dict.fromkeys(FEW, 10))
    bench.until_outputs(180)
    bench.check(dict.fromkeys(FEW, 60))
