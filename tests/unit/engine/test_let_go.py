"""A partition that lets go lets go of everything: a store left open would lock its directory for ever."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.engine.task import PartitionTask
from tests.unit.engine.stores import Opener


class Fenced:
    """A producer that, as librdkafka's after a fence, tells its fatal error once more when it is closed."""

    def close(self) -> None:
        raise KafkaException(KafkaError(KafkaError._FENCED))


@pytest.mark.parametrize("wipe", [False, True])
def test_the_store_is_closed_though_the_producer_fails_to(tmp_path: Path, wipe: bool) -> None:
    surroundings = SimpleNamespace(processor=SimpleNamespace(name="notes"), unposition=lambda _: None)
    task = PartitionTask(cast(Any, surroundings), 0)
    task._producer = cast(Any, Fenced())
    opener = Opener(tmp_path)
    task._store = opener()
    task._drop(wipe)
    assert task._store is None
    opener().close()
