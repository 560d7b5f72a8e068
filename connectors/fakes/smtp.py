"""A mail server on aiosmtpd, running on the caller's event loop."""

from __future__ import annotations

import asyncio
import email
import logging
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default as modern
from weakref import WeakKeyDictionary, WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from connectors.fakes.faults import Fault, Faults
from connectors.fakes.inbox import Inbox, Received

_REFUSED = {
    Fault.RATE_LIMITED: "450 4.7.1 Too many messages, try again later",
    Fault.QUOTA_EXCEEDED: "550 5.4.5 Daily user sending limit exceeded",
    Fault.SERVER_ERROR: "451 4.3.0 Local error in processing",
    Fault.UNKNOWN_RECIPIENT: "550 5.1.1 <{to}>: Recipient address rejected: user unknown",
}


class SmtpFake:
    """Accepts mail for anyone, from whoever has logged in. `tls_context` alone offers STARTTLS; with `tls_from_start`
    the connection is encrypted from its first byte."""

    def __init__(
        self,
        inbox: Inbox,
        faults: Faults,
        *,
        username: str,
        password: str,
        clock: Callable[[], int],
        tls_context: ssl.SSLContext | None = None,
        tls_from_start: bool = False,
        smtputf8: bool = True,
    ) -> None:
        self._inbox = inbox
        self._faults = faults
        self._credentials = (username.encode(), password.encode())
        self._clock = clock
        self._tls_context = tls_context
        self._tls_from_start = tls_from_start
        self._smtputf8 = smtputf8
        self._server: asyncio.Server | None = None
        self._connections: WeakSet[SMTP] = WeakSet()
        self._after_data: WeakKeyDictionary[Envelope, Fault] = WeakKeyDictionary()
        self._accepted = 0

    async def start(self, host: str) -> int:
        """Listen on a free port of `host` and return it."""
        logging.getLogger("mail.log").addFilter(_worth_logging)
        loop = asyncio.get_running_loop()
        implicit = self._tls_context if self._tls_from_start else None
        self._server = await loop.create_server(self._connection, host, 0, ssl=implicit)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and cut what is still open."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            _abort(connection)
        await self._server.wait_closed()

    def _connection(self) -> SMTP:
        connection = SMTP(
            self,
            hostname="localhost",
            ident="mail server",
            enable_SMTPUTF8=self._smtputf8,
            tls_context=None if self._tls_from_start else self._tls_context,
            auth_require_tls=self._tls_context is not None and not self._tls_from_start,
            authenticator=self._authenticate,
            loop=asyncio.get_running_loop(),
        )
        self._connections.add(connection)
        return connection

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        granted = isinstance(data, LoginPassword) and (data.login, data.password) == self._credentials
        return AuthResult(success=granted, handled=False)

    async def handle_MAIL(  # noqa: N802  (aiosmtpd finds handlers by these names)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender, after a login."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient; faults that refuse strike here, the others after the data."""
        programmed = self._faults.take("email", address)
        if programmed is not None and programmed.fault in _REFUSED:
            return _REFUSED[programmed.fault].format(to=address)
        if programmed is not None:
            self._after_data[envelope] = programmed.fault
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the message."""
        fault = self._after_data.get(envelope)
        if fault is None or fault.accepts:
            self._accept(envelope)
        if fault is not None and fault.hangs:
            await self._faults.hang()
        if fault is not None:
            _abort(server)
        return f"250 2.0.0 OK: queued as {self._accepted:08X}"

    def _accept(self, envelope: Envelope) -> None:
        content = envelope.original_content or b""
        message = email.message_from_bytes(content, policy=modern)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        text = body.get_content() if isinstance(body, EmailMessage) else ""
        self._accepted += 1
        for recipient in envelope.rcpt_tos:
            self._inbox.add(
                Received(
                    "email",
                    recipient,
                    text.replace("\r\n", "\n").removesuffix("\n"),
                    message["Subject"],
                    f"{self._accepted:08X}",
                    message["Message-ID"],
                    self._clock(),
                    {name: str(value) for name, value in message.items()},
                )
            )


def _worth_logging(record: logging.LogRecord) -> bool:
    """aiosmtpd warns of its own use of a deprecated attribute, once a login."""
    return not record.getMessage().startswith("Session.login_data is deprecated")


def _abort(connection: SMTP) -> None:
    if isinstance(connection.transport, asyncio.WriteTransport):
        connection.transport.abort()
