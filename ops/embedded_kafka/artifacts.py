"""Kafka's jars in the user's cache: there, checked against the lock file, or fetched once.

Every jar is hashed at every start (25 ms for all of them), so nothing runs that was not locked. When all are there, the
network is not touched and the fetcher is not even imported.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ops.embedded_kafka.errors import (
    ChecksumMismatch,
    EmbeddedKafkaError,
    NoNetwork,
    RepositoryRefused,
    RuntimeMissing,
)
from ops.embedded_kafka.locations import KAFKA_VERSION, disk_errors_explained, require_free_space
from ops.embedded_kafka.lockfile import Lock, LockedJar

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done and how much there is; from several threads, one at a time."""

FETCHING = f"fetching Kafka {KAFKA_VERSION}"
"""Progress in bytes."""

_PARALLEL = 6
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 30


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def present_jars(cache: Path, lock: Lock) -> list[Path] | None:
    """The checked class path, or None when a jar is not there yet. Raises `ChecksumMismatch`."""
    if ":" in str(cache):
        raise EmbeddedKafkaError(
            f"The cache directory {cache} has a ':' in its name; a Java class path cannot hold that."
        )
    paths = [cache / "jars" / jar.filename for jar in lock.jars]
    if not all(path.exists() for path in paths):
        return None
    for jar, path in zip(lock.jars, paths, strict=True):
        if sha256_of(path) != jar.sha256:
            raise ChecksumMismatch(
                f"{path} is not the jar that was locked ({jar.coordinate}, SHA-256 {jar.sha256}): it was damaged or "
                "exchanged after it was fetched. Nothing of it was run. Delete that file and start again, it is then "
                "fetched anew."
            )
    return paths


def fetch_missing(cache: Path, lock: Lock, on_progress: Progress | None, repository: str | None) -> list[Path]:
    """Fetch what is not there, check it, and return the class path; call it under the cache's mutex.

    ``repository`` is the address of a Maven repository, None the fetcher's default. Jars fetched before a failure stay.
    """
    jars = cache / "jars"
    missing = [jar for jar in lock.jars if not (jars / jar.filename).exists()]
    total = sum(jar.size for jar in missing)
    require_free_space(cache, int(total * 1.5), FETCHING)
    with disk_errors_explained(cache, FETCHING):
        jars.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as staging:
            fetch = _fetcher(Path(staging), jars, _Meter(total, on_progress), repository)
            pool = ThreadPoolExecutor(_PARALLEL)
            try:
                list(pool.map(fetch, missing))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
    paths = present_jars(cache, lock)
    assert paths is not None, "all missing jars were fetched"
    return paths


class _Meter:
    """Bytes of all downloads together."""

    def __init__(self, total: int, on_progress: Progress | None) -> None:
        self._total, self._report, self._done = total, on_progress, 0
        self._guard = threading.Lock()
        self.add(0)

    def add(self, count: int) -> None:
        with self._guard:
            self._done += count
            if self._report is not None:
                self._report(FETCHING, min(self._done, self._total), self._total)

    @contextmanager
    def one(self, _filename: str, _size: int) -> Iterator[Callable[[int], None]]:
        """The shape the fetcher wants: a context per file that yields the function to call with each chunk's size."""
        yield self.add


def _fetcher(staging: Path, jars: Path, meter: _Meter, repository: str | None) -> Callable[[LockedJar], None]:
    try:
        # Only here: a start from the cache must not load it.
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    except ImportError as problem:
        raise RuntimeMissing(
            "Kafka's jars are not in the cache yet, and the fetcher (jgo) is not installed. "
            "Install the extra: pip install 'tsunagi[embedded]'."
        ) from problem

    context = MavenContext(
        resolver=PythonResolver(progress_callback=meter.one),
        repo_cache=staging,
        remote_repos=None if repository is None else {"given": repository.rstrip("/")},
        timeout=_TIMEOUT_SECONDS,
    )

    def fetch(jar: LockedJar) -> None:
        # The artifact by itself, not a resolution: the lock file already says what belongs together.
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        path = _patiently(artifact.resolve, jar, staging)
        found = sha256_of(path)
        if found != jar.sha256:
            raise ChecksumMismatch(
                f"The repository gave another {jar.coordinate} than the one that was locked: expected SHA-256 "
                f"{jar.sha256}, got {found}. It was not kept. Try again; if it stays so, a proxy or mirror on the way "
                "changes what it passes on."
            )
        path.replace(jars / jar.filename)

    return fetch


def _patiently(resolve: Callable[[], Path], jar: LockedJar, staging: Path) -> Path:
    """Try ``resolve`` up to `_ATTEMPTS` times while the network is at fault."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return resolve()
        except RuntimeError as problem:
            raise RepositoryRefused(
                f"The repository does not have {jar.coordinate}: {problem}. Name another Maven repository."
            ) from problem
        except OSError as problem:
            # The HTTP client's errors are OSErrors without a number; those with one are the disk's.
            if problem.errno is not None:
                raise
            if attempt == _ATTEMPTS:
                raise NoNetwork(
                    f"Kafka {KAFKA_VERSION} has to be fetched once, and the repository cannot be reached: {problem}. "
                    "Connect to the network, set HTTPS_PROXY or name a Maven repository that you can reach, and start "
                    "again; what has arrived is kept."
                ) from problem
            for partial in staging.rglob(jar.filename):
                partial.unlink()
    raise AssertionError("the last attempt returns or raises")
