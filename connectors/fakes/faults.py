"""Programmed failures of the fake providers, by destination."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

ANY_DESTINATION = "*"


class Fault(StrEnum):
    """What a provider can do to one attempt."""

    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    SERVER_ERROR = "server_error"  # before accepting
    SERVER_ERROR_AFTER_ACCEPT = "server_error_after_accept"  # accept, answer 500 (mail: cut)
    UNKNOWN_RECIPIENT = "unknown_recipient"
    HANG_BEFORE_ACCEPT = "hang_before_accept"  # read the request, never answer, never accept
    HANG_AFTER_ACCEPT = "hang_after_accept"  # accept, never answer
    DROP_BEFORE_ACCEPT = "drop_before_accept"  # read the request, cut the connection
    DROP_AFTER_ACCEPT = "drop_after_accept"  # accept, cut the connection

    @property
    def accepts(self) -> bool:
        """Whether the message arrives all the same."""
        return self in (Fault.SERVER_ERROR_AFTER_ACCEPT, Fault.HANG_AFTER_ACCEPT, Fault.DROP_AFTER_ACCEPT)

    @property
    def hangs(self) -> bool:
        """Whether the answer never comes."""
        return self in (Fault.HANG_BEFORE_ACCEPT, Fault.HANG_AFTER_ACCEPT)

    @property
    def drops(self) -> bool:
        """Whether the connection is cut."""
        return self in (Fault.DROP_BEFORE_ACCEPT, Fault.DROP_AFTER_ACCEPT)


@dataclass(frozen=True, slots=True)
class Programmed:
    """A fault due now. `retry_after_seconds` goes into the Retry-After header of a refusal."""

    fault: Fault
    retry_after_seconds: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Extra response headers."""
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}


class Faults:
    """Faults wait in line per channel and destination; each strikes one attempt."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], deque[Programmed]] = {}
        self._released = asyncio.Event()

    def add(
        self,
        channel: str,
        to: str,
        fault: Fault,
        *,
        times: int = 1,
        retry_after_seconds: int | None = None,
    ) -> None:
        """Let the next `times` attempts to `to` (or ANY_DESTINATION) fail."""
        programmed = Programmed(fault, retry_after_seconds)
        self._waiting.setdefault((channel, to), deque()).extend([programmed] * times)

    def take(self, channel: str, to: str) -> Programmed | None:
        """The fault for this attempt, used up by asking."""
        for destination in (to, ANY_DESTINATION):
            waiting = self._waiting.get((channel, destination))
            if waiting:
                return waiting.popleft()
        return None

    def clear(self) -> None:
        """Forget the faults still waiting."""
        self._waiting.clear()

    def waiting(self) -> list[dict[str, object]]:
        """The faults still waiting, as the control path shows them."""
        return [
            {"channel": channel, "to": to, "fault": str(programmed.fault)}
            for (channel, to), line in self._waiting.items()
            for programmed in line
        ]

    async def hang(self) -> None:
        """Wait until the fakes close."""
        await self._released.wait()

    def release(self) -> None:
        """Let everything that hangs go, for good."""
        self._released.set()
