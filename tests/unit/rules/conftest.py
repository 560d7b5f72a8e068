"""A copy of the packaged rules to make mistakes in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration_rules.loader import PACKAGED, load

Edit = Callable[[str, str, str], None]
Found = Callable[[], list[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the packaged rules."""
    for name in ("rules", "templates"):
        shutil.copytree(PACKAGED / name, tmp_path / name)
    for name in ("brands.yaml", "caps.yaml"):
        shutil.copy(PACKAGED / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Replaces text in a file of the folder; the text must be there."""

    def replace(file: str, old: str, new: str) -> None:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


@pytest.fixture
def found(folder: Path) -> Found:
    """What is wrong with the folder, as lines; a folder has a ruleset exactly when nothing is."""

    def find() -> list[str]:
        loaded = load(folder)
        assert (loaded.ruleset is None) == bool(loaded.findings)
        return [str(finding) for finding in loaded.findings]

    return find
