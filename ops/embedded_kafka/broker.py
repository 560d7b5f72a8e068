"""A real Apache Kafka for one machine: started, found, stopped, wiped.

Which processes there are: the starter (you), a small supervisor, the JVM. The supervisor is the JVM's parent and ends
it when the last owner of the data directory is gone; owners are the processes that started it, or found it running,
without ``detached``. Nothing is ever signalled by process id alone: its command line must carry the data directory.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from ops.embedded_kafka import ports, processes
from ops.embedded_kafka.artifacts import Progress
from ops.embedded_kafka.diagnosis import explain_end
from ops.embedded_kafka.errors import (
    EmbeddedKafkaError,
    RunningElsewhere,
    StartTimedOut,
    StillRunning,
)
from ops.embedded_kafka.launch import GRACE_SECONDS, await_ready, launch
from ops.embedded_kafka.locations import (
    DataDir,
    default_cache_dir,
    disk_errors_explained,
    require_free_space,
)
from ops.embedded_kafka.locks import Share, exclusive
from ops.embedded_kafka.runtime import Runtime, prepare_runtime
from ops.embedded_kafka.settings import HOST, KAFKA, LOG4J_PROPERTIES, java_command, server_properties
from ops.embedded_kafka.status import BrokerState, BrokerStatus, RunRecord, read_run, words_since
from ops.embedded_kafka.storage import Cluster, erase, format_log_dir, read_cluster, write_cluster

START_SECONDS = 90.0
MIN_FREE_BYTES = 256_000_000
_SETTLE_SECONDS = 5.0
_MUTEX_SECONDS = START_SECONDS + 2 * GRACE_SECONDS


class EmbeddedBroker:
    """One data directory and the broker that works in it.

    ``port`` 0: the one used before, or a free one that is remembered. ``detached``: the broker stays when this process
    ends; otherwise it ends with `stop`, or when every process that started or joined it has closed it or died, kill -9
    included. ``on_progress(what, done, total)`` is called while fetching (bytes) and preparing (steps), only the first
    time on a machine. ``cache_dir`` and ``repository`` (address of a Maven repository): None for the user's cache and
    the default one. ``min_free_bytes``: refuse to start with less space. Also a context manager: `start`, `close`.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        on_progress: Progress | None = None,
        *,
        detached: bool = False,
        cache_dir: Path | None = None,
        repository: str | None = None,
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        if not 0 <= port <= 65_535:
            raise ValueError(f"port must be between 0 and 65535, not {port}")
        self._data = DataDir(data_dir.expanduser().resolve())
        self._port = port
        self._on_progress = on_progress
        self._detached = detached
        self._cache = (cache_dir or default_cache_dir()).expanduser().resolve()
        self._repository = repository
        self._min_free_bytes = min_free_bytes
        self._share = Share(self._data.owners)
        self._supervisor: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> BrokerStatus:
        """The running broker: the one found, or a new one that serves requests. Raises the errors of the tree."""
        read_cluster(self._data)
        run = read_run(self._data)
        # Before the mutex: a first fetch may take minutes, and nobody should wait for it who only wants to stop.
        runtime = None if run is not None and self._lives(run) else self._runtime()
        with disk_errors_explained(self._data.root, "starting Kafka"), self._mutex():
            found = self._join()
            if found is not None:
                return found
            return self._start_new(runtime or self._runtime())

    def stop(self) -> BrokerStatus:
        """End the broker whoever started it, and clear what a crash left; fine when there is none."""
        if not self._data.cluster_file.exists():
            return BrokerStatus(BrokerState.STOPPED, self._data.root)
        with self._mutex():
            status = self._stop()
        self._forget()
        return status

    def close(self) -> None:
        """Let go of it: the last owner ends it; a detached broker, or one with other owners, stays. Idempotent."""
        if not self._share.joined:
            return
        with self._mutex():
            if self._share.is_last():
                self._stop()
            self._forget()

    def status(self) -> BrokerStatus:
        """How it is now; changes nothing."""
        run = self._settled_run()
        if run is None:
            return BrokerStatus(BrokerState.STOPPED, self._data.root)
        if self._lives(run):
            return self._alive(run)
        error = explain_end(words_since(self._data, run.log_offset), run.exit_code, self._data.root, run.port)
        return BrokerStatus(
            BrokerState.CRASHED, self._data.root, cluster_id=run.cluster_id, detached=run.detached, detail=str(error)
        )

    def wipe(self) -> None:
        """Delete the broker's data, its topics with it; `StillRunning` while it lives. The cache stays."""
        if not self._data.root.exists():
            return
        if not self._data.cluster_file.exists():
            read_cluster(self._data)  # refuses a directory that holds anything but a broker's data
        with self._mutex():
            run = read_run(self._data)
            if run is not None and self._lives(run):
                raise StillRunning(
                    f"The broker of {self._data.root} runs (process {run.pid}). Stop it first: tsunagi broker stop."
                )
            erase(self._data)

    # The steps, all under the mutex.

    def _join(self) -> BrokerStatus | None:
        """The status of a broker that runs already, of which this process is an owner from now on; None without one."""
        run = read_run(self._data)
        if run is None or not self._lives(run):
            return None
        if self._port not in (0, run.port):
            raise RunningElsewhere(
                f"The broker of {self._data.root} runs already, on port {run.port}. Leave the port out, or stop it."
            )
        if not run.detached:
            if not self._share.join():
                # Its last owner is gone, and the supervisor is ending it.
                processes.wait_gone(run.supervisor_pid, self._data.marker, 2 * GRACE_SECONDS)
                return None
            atexit.register(self._close_at_exit)
        # Its starter may have been killed while it was starting.
        deadline = time.monotonic() + START_SECONDS
        if not await_ready(run.port, run.cluster_id, lambda: self._lives(run), deadline):
            if self._lives(run):
                raise StartTimedOut(
                    f"Process {run.pid} lives but does not answer on port {run.port}. Stop it, and start."
                )
            return None
        status = self._alive(run)
        if self._detached and not run.detached:
            note = "It belongs to the process that started it, and ends with that one."
            return replace(status, notices=(note,))
        return status

    def _start_new(self, runtime: Runtime) -> BrokerStatus:
        data = self._data
        notices = self._clear_stale_run()
        require_free_space(data.root, self._min_free_bytes, "Kafka's data")
        cluster, port_notices = ports.settle(read_cluster(data), self._port)
        write_cluster(data, cluster)
        format_log_dir(data, cluster, runtime.bootstrap_checkpoint)
        shutil.rmtree(data.scratch, ignore_errors=True)
        data.scratch.mkdir()
        data.logs.mkdir(exist_ok=True)
        data.log4j_properties.write_text(LOG4J_PROPERTIES, encoding="utf-8")
        data.server_properties.write_text(server_properties(cluster.port, cluster.controller_port), encoding="utf-8")
        flags = () if runtime.aot_cache is None else (f"-XX:AOTCache={runtime.aot_cache}",)
        command = java_command(runtime.java, runtime.jars, data, KAFKA, flags)
        try:
            self._launch(command, cluster)
        except BaseException:
            self._stop()
            self._forget()
            raise
        run = read_run(data)
        assert run is not None, "the supervisor wrote it, and the broker answered"
        return replace(self._alive(run), notices=(*notices, *port_notices))

    def _launch(self, command: list[str], cluster: Cluster) -> None:
        data = self._data
        if not self._detached:
            if not self._share.join():
                raise EmbeddedKafkaError(f"{data.owners} is held by another program. Choose another data directory.")
            atexit.register(self._close_at_exit)
        log_offset = data.server_log.stat().st_size if data.server_log.exists() else 0
        state = {
            "port": cluster.port,
            "cluster_id": cluster.cluster_id,
            "detached": self._detached,
            "log_offset": log_offset,
        }
        deadline = time.monotonic() + START_SECONDS
        supervisor, _ = launch(data, command, state, owned=not self._detached)
        self._supervisor = supervisor
        if await_ready(cluster.port, cluster.cluster_id, lambda: supervisor.poll() is None, deadline):
            return
        words = words_since(data, log_offset)
        if supervisor.poll() is None:
            raise StartTimedOut(
                f"The broker did not answer within {START_SECONDS:.0f} s and was stopped. Is the machine very busy? "
                f"Its log is in {data.logs}."
            )
        run = read_run(data)
        raise explain_end(words, None if run is None else run.exit_code, data.root, cluster.port)

    def _stop(self) -> BrokerStatus:
        notices = self._clear_stale_run()
        run = read_run(self._data)
        if run is not None:
            if not processes.end(run.pid, self._data.marker, GRACE_SECONDS):
                notices += (
                    f"It did not end within {GRACE_SECONDS:.0f} s and was killed; the next start recovers its data.",
                )
            if self._supervisor is not None:
                self._supervisor.wait(GRACE_SECONDS)
            processes.wait_gone(run.supervisor_pid, self._data.marker, GRACE_SECONDS)
            self._data.state_file.unlink(missing_ok=True)
        return BrokerStatus(BrokerState.STOPPED, self._data.root, notices=notices)

    def _clear_stale_run(self) -> tuple[str, ...]:
        """Remove the state file of a broker that is gone; says so. The process id in it may be anybody's by now."""
        run = self._settled_run()
        if run is not None and self._lives(run):
            return ()
        if run is None:
            if not self._data.state_file.exists():
                return ()
            self._data.state_file.unlink()
            return (f"{self._data.state_file.name} was unreadable and has been removed.",)
        detail = self.status().detail
        self._data.state_file.unlink(missing_ok=True)
        return (
            f"The last run (process {run.pid}) was not stopped properly; its state file has been removed. {detail}",
        )

    def _forget(self) -> None:
        self._share.leave()
        self._supervisor = None
        atexit.unregister(self._close_at_exit)

    def _close_at_exit(self) -> None:
        # Whatever goes wrong here, the supervisor ends it as soon as this process is gone.
        with contextlib.suppress(EmbeddedKafkaError, OSError):
            self.close()

    # Small questions.

    def _settled_run(self) -> RunRecord | None:
        run = read_run(self._data)
        if run is not None and not self._lives(run):
            # Between the JVM's end and its supervisor's, the file does not say yet how it ended.
            processes.wait_gone(run.supervisor_pid, self._data.marker, _SETTLE_SECONDS)
            run = read_run(self._data)
        return run

    def _lives(self, run: RunRecord) -> bool:
        return processes.is_ours(run.pid, self._data.marker)

    def _alive(self, run: RunRecord) -> BrokerStatus:
        return BrokerStatus(
            BrokerState.RUNNING if ports.is_open(run.port) else BrokerState.STARTING,
            self._data.root,
            bootstrap=f"{HOST}:{run.port}",
            pid=run.pid,
            rss_bytes=processes.rss_bytes(run.pid),
            uptime_seconds=max(0.0, time.time() - run.started_at_ms / 1000),
            detached=run.detached,
            cluster_id=run.cluster_id,
        )

    def _runtime(self) -> Runtime:
        return prepare_runtime(self._cache, self._on_progress, self._repository)

    def _mutex(self) -> contextlib.AbstractContextManager[None]:
        busy = f"Another process is starting or stopping the broker of {self._data.root}. Try again in a moment."
        return exclusive(self._data.mutex, _MUTEX_SECONDS, busy)
