"""Fixtures of the engine's unit tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import DbClosedError

from tests.unit.engine.stores import Opener


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    opener = Opener(tmp_path / "store")
    yield opener
    for one in opener.opened:
        with contextlib.suppress(DbClosedError):
            one.close()
