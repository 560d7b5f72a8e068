"""Sinks: one message in, one provider call, one outcome out."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession

from connectors.sinks.email_smtp import SmtpSettings, SmtpSink, build_tls_context
from connectors.sinks.line import LineSettings, LineSink
from connectors.sinks.model import Sink
from connectors.sinks.sms_twilio import TwilioSettings, TwilioSink

__all__ = ["LineSettings", "SmtpSettings", "TwilioSettings", "open_sinks"]


async def open_sinks(
    http: ClientSession,
    *,
    line: LineSettings | None = None,
    sms: TwilioSettings | None = None,
    email: SmtpSettings | None = None,
) -> dict[str, Sink]:
    """The configured sinks by channel. A channel without settings is absent; the caller states that as a suppression.

    `http` is shared by the HTTP sinks and stays the caller's to close; it should keep no cookies (`DummyCookieJar`).
    Opening connects to nobody. Raises ValueError when `email.ca_file` cannot be read.
    """
    sinks: dict[str, Sink] = {}
    if line is not None:
        sinks["line"] = LineSink(http, line)
    if sms is not None:
        sinks["sms"] = TwilioSink(http, sms)
    if email is not None:
        sinks["email"] = SmtpSink(email, await asyncio.to_thread(build_tls_context, email))
    return sinks
