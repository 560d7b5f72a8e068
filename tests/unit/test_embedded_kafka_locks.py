"""The mutex and the count of owners, across real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops.embedded_kafka.errors import Busy
from ops.embedded_kafka.locks import Share, exclusive

ROOT = Path(__file__).parents[2]
OTHER_OWNER = """
import sys
from pathlib import Path
from ops.embedded_kafka.locks import Share
share = Share(Path(sys.argv[1]))
print(share.join(), flush=True)
sys.stdin.readline()
"""


def test_the_mutex_excludes_and_says_who_is_at_fault(tmp_path: Path) -> None:
    path = tmp_path / "d" / ".mutex"
    with (
        exclusive(path, 0, "taken"),
        pytest.raises(Busy, match="somebody is at it"),
        exclusive(path, 0, "somebody is at it"),
    ):
        pass
    with exclusive(path, 0, "taken"):
        path.unlink()  # a wipe under the mutex
    with exclusive(path, 0, "taken"):
        assert path.exists()


def test_owners_are_counted_across_processes(tmp_path: Path) -> None:
    path = tmp_path / ".owners"
    one, two = Share(path), Share(path)
    assert one.join()
    assert one.is_last()
    one.leave()

    assert one.join()
    assert two.join()
    assert not one.is_last()
    two.leave()
    command = [sys.executable, "-c", OTHER_OWNER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not one.is_last()
        other.kill()
        other.wait()
    assert one.is_last(), "a killed process owns nothing"
    one.leave()
    assert not one.joined


def test_nobody_joins_what_is_being_ended(tmp_path: Path) -> None:
    path = tmp_path / ".owners"
    ending = Share(path)
    ending.join()
    assert ending.is_last()
    done = subprocess.run(
        [sys.executable, "-c", OTHER_OWNER, str(path)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
    ending.leave()


def test_owners_of_a_wiped_directory_do_not_count_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / ".owners"
    old, new = Share(path), Share(path)
    old.join()
    path.unlink()
    new.join()
    assert not old.is_last(), "what it owned is gone"
    old.leave()
    assert new.joined
    assert new.is_last()
    new.leave()
