"""E-mail through an SMTP server.

Sources: RFC 5321 (4.2.1 reply codes, 6.1 responsibility passes with the 250 after the data), RFC 3463 and 5248
(enhanced status codes), RFC 3207 (STARTTLS), RFC 6531 (SMTPUTF8), RFC 2369 (List-Unsubscribe), RFC 3834
(Auto-Submitted); Google Workspace Admin Help, "Gmail SMTP errors and codes" (5.4.5: daily sending limit).

SMTP has no idempotency key and no way to ask. Message-ID comes from the action id, so that a repeat is the same
message to mail programs that merge duplicates, but no server promises that. Once the data has been offered, only the
server's answer settles the attempt; without it the outcome is Unknown and stays so.

One connection a message: a failure then belongs to one message alone, and idle connections cannot die unnoticed.
"""

from __future__ import annotations

import contextlib
import ssl
from enum import StrEnum
from pathlib import Path
from typing import Self

import aiosmtplib
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.sinks.email_message import Composed, compose, parse_sender
from connectors.sinks.http_call import is_loopback
from connectors.sinks.model import (
    Delivered,
    Message,
    Outcome,
    Rejected,
    RejectionReason,
    RetryAfter,
    RetryReason,
    Unknown,
    expired_outcome,
)
from connectors.sinks.smtp_reply import Step, refusal

_GOODBYE_SECONDS = 2.0


class TlsMode(StrEnum):
    """How the connection is encrypted. Never opportunistic: a server that does not offer what is set is not used."""

    NONE = "none"
    STARTTLS = "starttls"  # plain, then upgraded; port 587 by custom
    TLS = "tls"  # from the first byte; port 465 by custom


class SmtpSettings(BaseModel):
    """The mail server that takes our messages over (a relay or a provider's submission server)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(min_length=1)
    port: int = Field(default=587, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    sender: str = Field(
        description="address, or name and address, e.g. 'Shop <shop@example.com>'; also the envelope sender"
    )
    tls: TlsMode = TlsMode.STARTTLS
    ca_file: Path | None = Field(
        default=None, description="PEM bundle to trust beside the system's, for a private authority"
    )
    ehlo_name: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9.\-\[\]:]+$", description="name given in EHLO; default: the sender's domain"
    )
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=60, description="until the server has greeted us")
    response_timeout_seconds: float = Field(default=60.0, gt=0, le=600, description="for each later answer")

    @field_validator("sender")
    @classmethod
    def _is_an_address(cls, sender: str) -> str:
        parse_sender(sender)
        return sender

    @model_validator(mode="after")
    def _credentials_travel_encrypted(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password: set both or neither")
        if self.username is not None and self.tls is TlsMode.NONE and not is_loopback(self.host):
            raise ValueError(
                "tls: none would send the password in the clear; use starttls or tls (none is for loopback)"
            )
        return self


def build_tls_context(settings: SmtpSettings) -> ssl.SSLContext | None:
    """The TLS client context for these settings, None without TLS. Reads certificate files: call it off the event loop.

    Raises ValueError naming `ca_file` when that cannot be read.
    """
    if settings.tls is TlsMode.NONE:
        return None
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:  # ssl.SSLError is an OSError
            raise ValueError(f"ca_file: {settings.ca_file} is not a readable PEM bundle ({error})") from error
    return context


class SmtpSink:
    """Sends plain-text e-mail from one address."""

    channel: str = "email"
    settle_seconds: float = 0.0

    def __init__(self, settings: SmtpSettings, tls_context: ssl.SSLContext | None) -> None:
        """`tls_context` comes from `build_tls_context`: loading the authorities takes too long to do per message."""
        self._settings = settings
        self._tls_context = tls_context

    async def deliver(self, message: Message, now_ms: int) -> Outcome:
        """Hand the message to the server once. A 4xx reply is RetryAfter, a 5xx reply Rejected; a connection that fails
        before DATA is RetryAfter, from DATA on Unknown."""
        if message.expired(now_ms):
            return expired_outcome()
        composed = compose(message, sender=self._settings.sender, now_ms=now_ms)
        if isinstance(composed, Rejected):
            return composed
        return await self._hand_over(composed)

    async def reconcile(self, message: Message, now_ms: int, started_ms: int) -> Outcome:
        """Always Unknown: a mail server cannot be asked what it has accepted."""
        return Unknown("SMTP has no way to ask for an earlier attempt")

    async def _hand_over(self, composed: Composed) -> Outcome:
        settings = self._settings
        password = settings.password.get_secret_value() if settings.password is not None else None
        smtp = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.username,
            password=password,
            use_tls=settings.tls is TlsMode.TLS,
            start_tls=settings.tls is TlsMode.STARTTLS,
            tls_context=self._tls_context,
            local_hostname=settings.ehlo_name or parse_sender(settings.sender).domain,
            timeout=settings.connect_timeout_seconds,
        )
        step = Step.CONNECT
        try:
            await smtp.connect()
            smtp.timeout = settings.response_timeout_seconds
            step = Step.ENVELOPE
            if composed.needs_smtputf8:
                if smtp.is_ehlo_or_helo_needed:
                    await smtp.ehlo()
                if not smtp.supports_extension("smtputf8"):
                    return Rejected(
                        RejectionReason.INVALID_ADDRESS, "the mail server takes ASCII addresses only (no SMTPUTF8)"
                    )
            encoding, options = ("utf-8", ["SMTPUTF8"]) if composed.needs_smtputf8 else ("ascii", [])
            await smtp.mail(composed.sender, options=options, encoding=encoding)
            await smtp.rcpt(composed.recipient, encoding=encoding)
            step = Step.DATA
            await smtp.data(composed.content)
        except aiosmtplib.SMTPResponseException as error:
            if step is Step.DATA and not isinstance(error, aiosmtplib.SMTPDataError):
                return Unknown("the server's answer to the message was not SMTP")
            return refusal(step, error.code, error.message)
        except (aiosmtplib.SMTPException, OSError) as error:
            if step is Step.DATA:
                return Unknown(f"{type(error).__name__}: the message may have been accepted")
            # What the library itself says of TLS and AUTH (not offered, not supported) quotes nothing of the message.
            said = f": {error.message}" if type(error) is aiosmtplib.SMTPException else ""
            return RetryAfter(None, RetryReason.CONNECTION_FAILED, f"{type(error).__name__}{said}")
        else:
            # The message is theirs already: whatever becomes of the farewell changes nothing.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await smtp.quit(timeout=_GOODBYE_SECONDS)
            return Delivered(composed.message_id)
        finally:
            smtp.close()
