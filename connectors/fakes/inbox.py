"""What the fake providers have accepted, in order of arrival."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Received:
    """One accepted message. `idempotency_key` is what the provider would tell repeats by: LINE's retry key, the
    e-mail's Message-ID, nothing for SMS. `headers` are an e-mail's, decoded, or the further parameters of an SMS."""

    channel: str
    to: str
    text: str
    subject: str | None
    provider_message_id: str
    idempotency_key: str | None
    received_at_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The message as the control path shows it; times in epoch millis."""
        return {
            "channel": self.channel,
            "to": self.to,
            "text": self.text,
            "subject": self.subject,
            "provider_message_id": self.provider_message_id,
            "idempotency_key": self.idempotency_key,
            "received_at_ms": self.received_at_ms,
            "headers": dict(self.headers),
        }


class Inbox:
    """Kept in memory until cleared: whoever checks for losses and duplicates needs all of it."""

    def __init__(self) -> None:
        self._messages: list[Received] = []

    def add(self, message: Received) -> None:
        """Keep an accepted message."""
        self._messages.append(message)

    def messages(self, channel: str | None = None, to: str | None = None) -> list[Received]:
        """The messages of a channel, to a destination; None means any."""
        return [m for m in self._messages if channel in (None, m.channel) and to in (None, m.to)]

    def clear(self) -> int:
        """Forget all messages; returns how many there were. What a provider recognises repeats by stays."""
        count = len(self._messages)
        self._messages.clear()
        return count
