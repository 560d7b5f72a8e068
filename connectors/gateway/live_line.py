"""A record of the log as one server-sent event."""

from __future__ import annotations

import msgspec
from confluent_kafka import Message

from connectors.gateway.live_view import View, view
from schemas.codec import Codec
from schemas.errors import Undecodable

Line = tuple[int, bytes]
"""Time of the record and the bytes to send."""
READY = b'data: {"kind":"ready"}\n\n'
"""Sent once, between the past and what happens from now on."""


def sse(shown: View) -> bytes:
    """Source: HTML Living Standard, section 9.2.5; JSON holds no line break."""
    return b"data: " + msgspec.json.encode(shown) + b"\n\n"


def line(codec: Codec, message: Message) -> Line | None:
    """The line of a record; ``None`` when it says nothing to a viewer, or is not a record.

    ``id`` is the record's place in the log, so that a line which comes twice can be told.
    """
    if message.error() is not None:
        return None
    at_ms = int(message.timestamp()[1])
    try:
        shown = view(codec.decode(message.value()), at_ms)
    except Undecodable:
        # A processor dead-letters it, and that is shown.
        return None
    if shown is None:
        return None
    return at_ms, sse({"id": f"{message.topic()}/{message.partition()}/{message.offset()}", **shown})
