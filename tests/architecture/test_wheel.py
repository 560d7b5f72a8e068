"""The check of the wheel finds what it is there to find. ``make check`` runs it on the real wheel."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ops.check_wheel import DATA, PACKAGES, ROOT, findings, main


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small source tree with one module a package and one file for each kind of data."""
    root = tmp_path / "source"
    names = [f"{package}/module.py" for package in PACKAGES] + [pattern.replace("*", "one") for pattern in DATA]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def contents(source: Path) -> list[str]:
    files = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    return [*files, "tsunagi-0.1.0.dist-info/METADATA"]


def test_a_whole_wheel_is_fine(source: Path) -> None:
    assert list(findings(contents(source), source)) == []


@pytest.mark.parametrize("stranger", ["tests/test_cart.py", "docs/events.md", "bench/run.py", "setup.py"])
def test_a_stranger_is_found(source: Path, stranger: str) -> None:
    (found,) = findings([*contents(source), stranger], source)
    assert stranger.split("/", maxsplit=1)[0] in found


@pytest.mark.parametrize("index", range(len(PACKAGES) + len(DATA)))
def test_whatever_is_missing_is_found(source: Path, index: int) -> None:
    names = contents(source)
    ours = sorted(name for name in names if ".dist-info" not in name)
    gone = ours[index]
    assert f"{gone} is missing from the wheel" in list(findings([name for name in names if name != gone], source))


def test_a_pattern_that_matches_nothing_is_found(source: Path) -> None:
    (source / "ops/embedded_kafka/kafka.lock").unlink()
    assert any("kafka.lock matches no file" in found for found in findings(contents(source), source))


def test_a_missing_package_and_compiled_code_are_found(source: Path) -> None:
    names = [name for name in contents(source) if not name.startswith("tables/")]
    found = list(findings([*names, "ops/__pycache__/module.pyc"], source))
    assert "tables/ is missing from the wheel" in found
    assert "ops/__pycache__/module.pyc is compiled code of somebody's machine" in found


def test_the_patterns_match_the_real_tree() -> None:
    assert all(any(ROOT.glob(pattern)) for pattern in DATA)


def test_the_command_reads_a_wheel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = tmp_path / "tsunagi-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tests/test_cart.py", "")
    assert main([str(wheel)]) == 1
    assert "tests/ is in the wheel" in capsys.readouterr().err
    wheel.write_bytes(b"no zip")
    assert main([str(wheel)]) == 2
    assert main([str(tmp_path / "absent.whl")]) == 2
