"""Processes that `tsunagi up` and the demo run: started, watched, restarted, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from ops.watch_parent import VARIABLE
from schemas.errors import ConfigurationError

log = structlog.get_logger(__name__)

_TERM_SECONDS = 12.0
_RESTART_SECONDS = (0.2, 1.0, 2.0, 5.0, 10.0)
_STEADY_SECONDS = 30.0


class Child:
    """One part of the pipeline as a process of its own; standard error goes to ``log_file``.

    It is started again when it dies, slower each time; a child that refuses its configuration (exit code 2) is not.
    """

    def __init__(self, name: str, arguments: list[str], environment: Mapping[str, str], log_file: Path) -> None:
        self.name = name
        self.restarts = 0
        self.health_url = ""
        self._arguments = arguments
        self._environment = {**os.environ, **environment, VARIABLE: "1", "PYTHONUNBUFFERED": "1"}
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = False
        self._refused: str | None = None

    @property
    def pid(self) -> int:
        """Process id of the running incarnation."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and keep it running."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def _spawn(self) -> None:
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ops.cli",
                *self._arguments,
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends its children in order
            )

    async def _keep(self) -> None:
        quick_deaths = 0
        while True:
            assert self._process is not None
            started = time.monotonic()
            code = await self._process.wait()
            if self._stopping:
                return
            if code == 2:
                self._refused = self._last_words()
                return
            quick_deaths = 0 if time.monotonic() - started > _STEADY_SECONDS else quick_deaths + 1
            pause = _RESTART_SECONDS[min(quick_deaths, len(_RESTART_SECONDS)) - 1] if quick_deaths else 0.2
            log.warning("child_restarted", child=self.name, exit_code=code, after_seconds=pause)
            await asyncio.sleep(pause)
            self.restarts += 1
            await self._spawn()

    def check(self) -> None:
        """Raises :class:`ConfigurationError` with its own words when the child refused to start."""
        if self._refused is not None:
            raise ConfigurationError(f"{self.name} refused to start: {self._refused}")

    def _last_words(self) -> str:
        lines = self._log_file.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"see {self._log_file}"

    def kill(self) -> None:
        """kill -9, as a crash would."""
        os.kill(self.pid, signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not leave in time."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _TERM_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MiB; 0 when it is gone or the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
