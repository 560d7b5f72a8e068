"""What the tests of the sinks share: messages to send, and sinks that talk to the fake providers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
from pydantic import BaseModel

from connectors.fakes import ProviderFakes
from connectors.sinks import open_sinks
from connectors.sinks.model import Message, Sink

CHANNELS = ("line", "sms", "email")
ADDRESSES = {"line": "U" + "0a1b2c3d" * 4, "sms": "+819012345678", "email": "yamada@example.jp"}
TEXT = "ご注文の品が渋谷店で受け取れます。🎁\n. 店頭で番号をお見せください。\n\nhttps://example.com/o/17?a=1&b=2"
SUBJECT = "【渋谷店】受け取り準備ができました 🎁" + "とても長い件名でも折り返して届きます" * 3
NOW_MS = 1_795_000_000_000
MINUTE_MS = 60_000
DAY_MS = 24 * 3600 * 1000


class Clock:
    """The wall clock of the fakes in epoch millis, moved by hand."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def message(channel: str, number: int = 1, **changes: Any) -> Message:
    """A message valid for two days; `number` makes its action id."""
    made = Message(
        action_id=f"{number:032x}",
        channel=channel,
        to=ADDRESSES[channel],
        text=TEXT,
        subject=SUBJECT if channel == "email" else None,
        brand="tsunagi",
        valid_until_ms=NOW_MS + 2 * DAY_MS,
    )
    return replace(made, **changes)


def settings_of(fakes: ProviderFakes, channel: str) -> Any:
    """The settings block that reaches the fake of a channel."""
    return {"line": fakes.line_settings, "sms": fakes.twilio_settings, "email": fakes.smtp_settings}[channel]


async def sink_of(http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str, **changes: Any) -> Sink:
    """The sink of one channel, its settings changed; impatient, so that a mistake here costs little time."""
    current: BaseModel = settings_of(fakes, channel)
    impatient = {"connect_timeout_seconds": 5.0, "response_timeout_seconds": 5.0}
    changed: Any = type(current).model_validate({**dict(current), **impatient, **changes})
    return (await open_sinks(http, **{channel: changed}))[channel]
