"""All fake providers together, on free loopback ports."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web
from pydantic import AnyHttpUrl, SecretStr

from connectors.fakes.control import control_app
from connectors.fakes.faults import Faults
from connectors.fakes.inbox import Inbox
from connectors.fakes.line import LineFake
from connectors.fakes.twilio import TwilioFake
from connectors.sinks.email_smtp import SmtpSettings, TlsMode
from connectors.sinks.line import LineSettings
from connectors.sinks.sms_twilio import TwilioSettings

_HOST = "127.0.0.1"
_CHANNEL_ACCESS_TOKEN = "fake-channel-access-token"  # noqa: S105  (opens nothing but these fakes)
_ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
_AUTH_TOKEN = "fake-auth-token"  # noqa: S105
_FROM_NUMBER = "+15005550006"  # Twilio's magic number for "a valid sender"
_SMTP_USERNAME = "shop"
_SMTP_PASSWORD = "fake-password"  # noqa: S105


class DemoExtraMissing(ImportError):
    """The mail server needs a package of the `demo` extra."""


def epoch_ms() -> int:
    """The wall clock in epoch millis."""
    return time.time_ns() // 1_000_000


class ProviderFakes:
    """LINE, Twilio and a mail server, and their control path.

        async with ProviderFakes() as fakes: sinks = await open_sinks(http, line=fakes.line_settings,
        sms=fakes.twilio_settings, email=fakes.smtp_settings)

    `inbox` and `faults` serve this process, `control_url` any other. The settings blocks may be handed to other
    processes of this machine; they are set once the context is entered, which raises DemoExtraMissing without
    aiosmtpd.
    """

    line_settings: LineSettings
    twilio_settings: TwilioSettings
    smtp_settings: SmtpSettings
    control_url: str

    def __init__(
        self, clock: Callable[[], int] = epoch_ms, *, sms_queue_ms: int = 0, inbox: Inbox | None = None
    ) -> None:
        """`clock` stamps arrivals (epoch millis); an SMS counts as sent `sms_queue_ms` after its arrival."""
        self.inbox = inbox or Inbox()
        self.faults = Faults()
        self._clock = clock
        self._sms_queue_ms = sms_queue_ms
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.faults.release()
        await self._resources.aclose()

    async def _start(self) -> None:
        try:
            from connectors.fakes.smtp import SmtpFake  # noqa: PLC0415  (an optional dependency)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] != "aiosmtpd":
                raise
            raise DemoExtraMissing(
                "the fake mail server needs aiosmtpd: install the demo extra, pip install 'tsunagi[demo]'"
            ) from error
        line = LineFake(self.inbox, self.faults, _CHANNEL_ACCESS_TOKEN, self._clock)
        self.line_settings = LineSettings(
            base_url=AnyHttpUrl(await self._serve(line.app())),
            channel_access_token=SecretStr(_CHANNEL_ACCESS_TOKEN),
        )
        twilio = TwilioFake(
            self.inbox,
            self.faults,
            account_sid=_ACCOUNT_SID,
            auth_token=_AUTH_TOKEN,
            from_number=_FROM_NUMBER,
            clock=self._clock,
            queue_ms=self._sms_queue_ms,
        )
        self.twilio_settings = TwilioSettings(
            base_url=AnyHttpUrl(await self._serve(twilio.app())),
            account_sid=_ACCOUNT_SID,
            auth_token=SecretStr(_AUTH_TOKEN),
            from_number=_FROM_NUMBER,
        )
        smtp = SmtpFake(self.inbox, self.faults, username=_SMTP_USERNAME, password=_SMTP_PASSWORD, clock=self._clock)
        self._resources.push_async_callback(smtp.stop)
        self.smtp_settings = SmtpSettings(
            host=_HOST,
            port=await smtp.start(_HOST),
            username=_SMTP_USERNAME,
            password=SecretStr(_SMTP_PASSWORD),
            sender="Tsunagi Demo <shop@example.com>",
            tls=TlsMode.NONE,
        )
        self.control_url = await self._serve(control_app(self.inbox, self.faults))

    async def _serve(self, app: web.Application) -> str:
        """Serve on a free port; a client that goes away ends its handler, and closing waits for nobody."""
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, _HOST, 0)
        await site.start()
        return f"http://{_HOST}:{runner.addresses[0][1]}"
