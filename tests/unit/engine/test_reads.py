"""Read views over real stores: whose they are, who may ask, what they show while a partition moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from schemas.metrics import WorkerMetrics
from schemas.partitioning import partition_of
from schemas.rows import InquiryIndexRow, InquiryRow, InquiryState, ProfileRow
from streams.engine.budget import StoreBudget
from streams.engine.group import PartitionGroup
from streams.engine.store import PartitionStore
from streams.engine.surroundings import Surroundings
from streams.engine.task import PartitionTask, TaskState
from streams.engine.view import BatchView
from streams.processors.customer import CUSTOMER
from streams.reads import Reads
from tables import inquiries, profile
from tests.unit.engine.cycles import CODEC, Clock
from tests.unit.engine.stores import break_blocks

TOKEN = "a token for this test"
COUNT = 4


def customer_in(partition: int) -> str:
    return next(name for name in (f"c-{n}" for n in range(100)) if partition_of(name, COUNT) == partition)


MINE, OTHERS = customer_in(1), customer_in(2)


@dataclass
class Desk:
    """One worker that owns partition 1 of ``customer``."""

    group: PartitionGroup
    store: PartitionStore
    client: TestClient[web.Request, web.Application]

    @property
    def task(self) -> PartitionTask:
        return self.group.tasks[1]

    def put(self, customer: str = MINE, name: str = "Yamada", event_id: str = "e-1") -> None:
        """Commit a profile that has seen one event of the app."""
        view = BatchView(self.store)
        seen = ((profile.event_hash("shop-app", event_id), 5),)
        view.put(profile.PROFILE, customer, "", ProfileRow("aoba", 1, name=name, recent_events=seen))
        self.store.apply(view.changes(), b"", 1)

    async def get(self, path: str, token: str | None = TOKEN) -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.client.get(path, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status == 200 else None


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    unused: Any = None

    def surroundings(_: PartitionGroup) -> Surroundings:
        return Surroundings(
            processor=CUSTOMER,
            codec=CODEC,
            clock=Clock(),
            connection={},
            application="test",
            identity="test",
            directory=tmp_path,
            budget=StoreBudget(),
            partitions_of=lambda _topic: COUNT,
            log_bounds=unused,
            position=unused,
            unposition=unused,
            confirm_membership=unused,
            effects=None,
            metrics=WorkerMetrics(CollectorRegistry()),
        )

    group = PartitionGroup(surroundings, unused)
    store = PartitionStore(tmp_path / "1", CUSTOMER.tables, "test")
    task = PartitionTask(group.surroundings, 1)
    task.store, task.state, task.as_of_ms = store, TaskState.RUNNING, 77
    group.tasks[1] = task
    application = web.Application()
    application.add_routes(Reads({CUSTOMER.name: group}, TOKEN).routes())
    async with TestClient(TestServer(application)) as client:
        yield Desk(group, store, client)
    store.close()


async def test_a_committed_row_is_shown_with_its_time(desk: Desk) -> None:
    desk.put()
    status, shown = await desk.get(f"/v1/customers/{MINE}")
    assert status == 200
    assert (shown["profile"]["name"], shown["as_of_ms"], shown["stale"]) == ("Yamada", 77, False)


@pytest.mark.parametrize("path", [f"/v1/customers/{MINE}", "/v1/inventory/sku", "/v1/inquiries/i", "/v1/identifiers/x"])
@pytest.mark.parametrize("token", [None, "", "another token", TOKEN + "x", "ü"])
async def test_nobody_reads_without_the_token(desk: Desk, path: str, token: str | None) -> None:
    desk.put()
    status, _ = await desk.get(path, token)
    assert status == 401


async def test_what_another_worker_owns_is_misdirected(desk: Desk) -> None:
    assert (await desk.get(f"/v1/customers/{OTHERS}"))[0] == 421
    assert (await desk.get("/v1/inventory/sku"))[0] == 421, "this worker runs no inventory"


async def test_nobody_knows_a_customer_that_is_not_there(desk: Desk) -> None:
    assert (await desk.get(f"/v1/customers/{MINE}"))[0] == 404


@pytest.mark.parametrize("state", [TaskState.SUSPENDED, TaskState.TAKING_OVER, TaskState.HALTED])
async def test_while_a_partition_moves_the_last_state_is_shown_as_stale(desk: Desk, state: TaskState) -> None:
    desk.put()
    desk.task.state = state
    status, shown = await desk.get(f"/v1/customers/{MINE}")
    assert (status, shown["stale"]) == (200, True)


@pytest.mark.parametrize("state", [TaskState.SUSPENDED, TaskState.TAKING_OVER, TaskState.HALTED])
async def test_while_a_partition_moves_nobody_is_said_to_be_unknown(desk: Desk, state: TaskState) -> None:
    """Another worker may have met the person by now; 404 would be taken for the truth."""
    desk.task.state = state
    assert (await desk.get(f"/v1/customers/{MINE}"))[0] == 503
    assert (await desk.get("/v1/inquiries/i-1"))[0] == 503


async def test_a_partition_that_is_restored_shows_nothing_yet(desk: Desk) -> None:
    desk.put()
    desk.task.store = None
    assert (await desk.get(f"/v1/customers/{MINE}"))[0] == 503


async def test_a_store_that_closes_meanwhile_is_asked_again(desk: Desk, tmp_path: Path) -> None:
    desk.put()
    closed = PartitionStore(tmp_path / "other", CUSTOMER.tables, "test")
    closed.close()
    desk.task.store = closed
    assert (await desk.get(f"/v1/customers/{MINE}"))[0] == 503
    assert (await desk.get(f"/v1/customers/{MINE}?after=e-1"))[0] == 503


async def test_a_damaged_store_knows_nothing(desk: Desk, tmp_path: Path) -> None:
    broken = PartitionStore(tmp_path / "broken", CUSTOMER.tables, "test")
    break_blocks(broken, tmp_path / "broken", profile.PROFILE, lambda text: ProfileRow("aoba", 1, name=text))
    broken = PartitionStore(tmp_path / "broken", CUSTOMER.tables, "test")
    desk.task.store = broken
    mine = [name for name in (f"p-{number:06}" for number in range(3_000)) if partition_of(name, COUNT) == 1]
    assert {(await desk.get(f"/v1/customers/{name}"))[0] for name in mine} == {200, 503}
    broken.close()


async def test_after_waits_for_the_event(desk: Desk) -> None:
    desk.put(event_id="e-1")
    asked = asyncio.create_task(desk.get(f"/v1/customers/{MINE}?after=e-2"))
    await asyncio.sleep(0.05)
    assert not asked.done()
    desk.put(name="Yamada-Sato", event_id="e-2")
    _, shown = await asked
    assert shown["profile"]["name"] == "Yamada-Sato"


async def test_after_an_event_that_is_there_there_is_no_wait(desk: Desk) -> None:
    desk.put(event_id="e-1")
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert (await desk.get(f"/v1/customers/{MINE}?after=e-1"))[0] == 200
    assert loop.time() - started < 0.5


async def test_after_an_event_that_never_comes_the_state_is_shown_all_the_same(desk: Desk) -> None:
    desk.put(event_id="e-1")
    loop = asyncio.get_running_loop()
    started = loop.time()
    status, shown = await desk.get(f"/v1/customers/{MINE}?after=never")
    assert (status, shown["profile"]["name"]) == (200, "Yamada")
    assert 0.9 < loop.time() - started < 3


async def test_after_waits_for_a_customer_that_is_new(desk: Desk) -> None:
    asked = asyncio.create_task(desk.get(f"/v1/customers/{MINE}?after=e-1"))
    await asyncio.sleep(0.05)
    desk.put(event_id="e-1")
    assert (await asked)[0] == 200


async def test_an_inquiry_is_found_in_whichever_partition(desk: Desk) -> None:
    view = BatchView(desk.store)
    row = InquiryRow(
        inquiry_id="i-1",
        topic="delivery",
        state=InquiryState.OPEN,
        channels=("chat",),
        opened_at_ms=1,
        last_activity_ms=2,
        state_at_ms=1,
    )
    view.put(inquiries.INQUIRIES, MINE, "i-1", row)
    view.put(inquiries.INQUIRY_INDEX, "i-1", "", InquiryIndexRow(MINE))
    desk.store.apply(view.changes(), b"", 1)
    status, shown = await desk.get("/v1/inquiries/i-1")
    assert (status, shown["customer_id"], shown["topic"]) == (200, MINE, "delivery")
    assert (await desk.get("/v1/inquiries/i-2"))[0] == 404
