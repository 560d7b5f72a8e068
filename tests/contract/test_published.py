"""What is published, the files around it, and the command line that publishes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import ROOT, channel_record_names, record_names, resolve
from schemas.compatibility import check
from schemas.docs import render
from schemas.errors import ContractError
from schemas.history import EXAMPLES, PUBLISHED, example, published, schema_id, stray_files, unpublished

GIFT = {"name": "gift", "type": "boolean", "doc": "Wrapped as a gift.", "default": False, "example": True}


@pytest.mark.parametrize("name", record_names())
def test_todays_schemas_are_published_and_safe(name: str) -> None:
    assert check(name, resolve(name), published(name)) == []
    assert name not in unpublished(), "run `tsunagi schemas publish`"


def test_no_published_version_is_in_conflict_with_those_before_it() -> None:
    for name in record_names():
        versions = published(name)
        for number, version in enumerate(versions):
            assert check(name, version, versions[:number]) == []


def test_ids_are_distinct_and_fit_the_frame() -> None:
    schemas = [schema for name in record_names() for schema in published(name)]
    ids = {schema_id(schema) for schema in schemas}
    assert len(ids) == len(schemas)
    assert all(0 < identifier < 2**31 for identifier in ids)


def test_no_file_is_stray_and_none_is_missing() -> None:
    assert list(stray_files()) == []
    assert {path.stem for path in EXAMPLES.glob("*.json")} == channel_record_names()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    shutil.copytree(PUBLISHED, tmp_path / "published")
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    return tmp_path / "published", tmp_path / "examples"


def test_stray_and_missing_files_are_told(folders: tuple[Path, Path]) -> None:
    versions, examples = folders
    (versions / "Nothing").mkdir()
    (versions / "ClockTick" / "draft.avsc").write_text("{}")
    (examples / "Nothing.json").write_text("{}")
    (examples / "OrderPlaced.json").unlink()
    told = " ".join(stray_files(versions, examples))
    for expected in (
        "published/Nothing",
        "ClockTick/draft.avsc",
        "examples/Nothing.json",
        "OrderPlaced.json is missing",
    ):
        assert expected in told
    with pytest.raises(ContractError, match=r"examples/OrderPlaced\.json is missing"):
        example("OrderPlaced", examples)


def test_a_version_gap_and_a_broken_file_are_refused(folders: tuple[Path, Path]) -> None:
    versions, _ = folders
    shutil.copy(versions / "ClockTick" / "1.avsc", versions / "ClockTick" / "3.avsc")
    with pytest.raises(ContractError, match=r"ClockTick/3\.avsc: version 2 is missing"):
        published("ClockTick", versions)
    (versions / "OrderPlaced" / "1.avsc").write_text('{\n"type": }')
    with pytest.raises(ContractError, match=r"OrderPlaced/1\.avsc:2: not JSON"):
        published("OrderPlaced", versions)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the contract and its command line, to be changed on disk."""
    for package in ("schemas", "ops"):
        shutil.copytree(ROOT.parent / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs").mkdir()
    return tmp_path


def _tsunagi_schemas(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from ops.cli_schemas import app; app(prog_name='tsunagi schemas')"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _edit(checkout: Path, file: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = checkout / "schemas" / "avro" / file
    schema = json.loads(path.read_text())
    change(schema)
    path.write_text(json.dumps(schema))


def test_the_command_refuses_an_incompatible_change_and_publishes_nothing(checkout: Path) -> None:
    without_default = {key: word for key, word in GIFT.items() if key != "default"}
    _edit(checkout, "common/Envelope.avsc", lambda schema: schema["fields"].append(without_default))
    refused = _tsunagi_schemas(checkout, "check")
    assert refused.returncode == 1
    assert "Envelope.avsc: gift: the field is new and has no default" in refused.stdout
    assert refused.stdout.count("has no default") == 1, "told once, with the records it is in"
    assert "[in CallEnded, CartLineAdded," in refused.stdout
    published_nothing = _tsunagi_schemas(checkout, "publish", "--json")
    assert published_nothing.returncode == 1
    report = json.loads(published_nothing.stdout)
    assert report["published"] == []
    assert len(report["findings"][0]["records"]) == len(channel_record_names())
    assert not (checkout / "schemas" / "published" / "OrderPlaced" / "2.avsc").exists()


def test_the_command_publishes_a_safe_change_as_the_next_version(checkout: Path) -> None:
    _edit(checkout, "channel/OrderPlaced.avsc", lambda schema: schema["fields"].append(GIFT))
    waiting = _tsunagi_schemas(checkout, "check")
    assert waiting.returncode == 0
    assert "Not published yet: OrderPlaced" in waiting.stdout
    done = _tsunagi_schemas(checkout, "publish", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["published"] == ["published/OrderPlaced/2.avsc"]
    written = json.loads((checkout / "schemas" / "published" / "OrderPlaced" / "2.avsc").read_text())
    assert written["fields"][-1]["name"] == "gift"
    assert json.loads(_tsunagi_schemas(checkout, "publish", "--json").stdout)["published"] == []


def test_the_command_writes_the_page_and_finds_it_stale(checkout: Path) -> None:
    assert _tsunagi_schemas(checkout, "docs", "--check").returncode == 1
    assert _tsunagi_schemas(checkout, "docs").returncode == 0
    assert _tsunagi_schemas(checkout, "docs", "--check").returncode == 0
    _edit(checkout, "channel/OrderPlaced.avsc", lambda schema: schema.update(doc="Said better."))
    stale = _tsunagi_schemas(checkout, "docs", "--check")
    assert stale.returncode == 1
    assert "events.md is stale" in stale.stdout
    assert _tsunagi_schemas(checkout, "docs", "--output", "nowhere/page.md").returncode == 2


def test_the_page_in_docs_is_fresh() -> None:
    assert (ROOT.parent / "docs" / "events.md").read_text() == render(), "run `tsunagi schemas docs`"
