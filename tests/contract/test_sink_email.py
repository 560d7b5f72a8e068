"""What is particular to mail: headers, injection, non-ASCII addresses, encryption; against the fakes' mail server."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from connectors.fakes.faults import Faults
from connectors.fakes.inbox import Inbox
from connectors.fakes.providers import ProviderFakes
from connectors.fakes.smtp import SmtpFake
from connectors.sinks.email_message import Composed, compose
from connectors.sinks.email_smtp import SmtpSettings, SmtpSink, TlsMode, build_tls_context
from connectors.sinks.model import Delivered, Message, Rejected, RejectionReason, RetryAfter, RetryReason, Unknown

NOW_MS = 1_795_000_000_000
MESSAGE = Message(
    action_id="00112233445566778899aabbccddeeff",
    channel="email",
    to="yamada@example.jp",
    text="本文です。",
    subject="件名です",
    brand="tsunagi",
    valid_until_ms=NOW_MS + 3_600_000,
)


@pytest.fixture
async def fakes() -> AsyncIterator[ProviderFakes]:
    async with ProviderFakes(lambda: NOW_MS) as running:
        yield running


async def deliver(fakes: ProviderFakes, **changes: Any) -> Any:
    return await SmtpSink(fakes.smtp_settings, None).deliver(replace(MESSAGE, **changes), NOW_MS)


async def test_headers_of_a_delivered_mail(fakes: ProviderFakes) -> None:
    await deliver(fakes, unsubscribe_url="https://example.com/u/abc?x=1")
    (received,) = fakes.inbox.messages()
    assert dict(received.headers) == {
        "Message-ID": "<00112233445566778899aabbccddeeff@example.com>",
        "Date": "Wed, 18 Nov 2026 11:06:40 +0000",
        "From": "Tsunagi Demo <shop@example.com>",
        "To": "yamada@example.jp",
        "Subject": "件名です",
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": "<https://example.com/u/abc?x=1>",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "base64",
    }


async def test_a_repeat_carries_the_same_message_id(fakes: ProviderFakes) -> None:
    first, second = await deliver(fakes), await deliver(fakes)
    assert first == second == Delivered("<00112233445566778899aabbccddeeff@example.com>")
    assert len({received.idempotency_key for received in fakes.inbox.messages()}) == 1


@pytest.mark.parametrize("text", ["本文です。" * 400, "a" * 3000, "é" * 700, "one\r\ntwo\n" * 90, "\n", "plain"])
async def test_any_body_travels_in_seven_bits_and_short_lines(fakes: ProviderFakes, text: str) -> None:
    composed = compose(replace(MESSAGE, text=text), sender="Été <shop@example.com>", now_ms=NOW_MS)
    assert isinstance(composed, Composed)
    assert composed.content.isascii()
    assert max(map(len, composed.content.split(b"\r\n"))) <= 998
    await deliver(fakes, text=text)
    assert fakes.inbox.messages()[0].text.rstrip("\n") == text.replace("\r\n", "\n").rstrip("\n")


@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r", "\u2028", "\x85", "\x0b", "\x00"])
@pytest.mark.parametrize("field", ["subject", "to", "unsubscribe_url"])
async def test_headers_cannot_be_injected(fakes: ProviderFakes, field: str, ending: str) -> None:
    honest = {"subject": "件名", "to": MESSAGE.to, "unsubscribe_url": "https://example.com/u"}[field]
    for value in (f"{honest}{ending}Bcc: thief@example.org", f"{honest}{ending}"):
        outcome = await deliver(fakes, **{field: value})
        assert isinstance(outcome, Rejected)
        assert "thief" not in outcome.detail
    assert fakes.inbox.messages() == []


@pytest.mark.parametrize(
    "to",
    ["", "a@b.example, thief@example.org", "<a@b.example>", "a@b.example>", "a b@b.example", "a@", "@b", "a@b@c", "a"],
)
async def test_anything_but_one_mailbox_is_rejected(fakes: ProviderFakes, to: str) -> None:
    outcome = await deliver(fakes, to=to)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.INVALID_ADDRESS
    assert fakes.inbox.messages() == []


async def test_a_body_cannot_end_the_message_early(fakes: ProviderFakes) -> None:
    text = "one\r\n.\r\nMAIL FROM:<thief@example.org>\r\n.two"
    await deliver(fakes, text=text)
    (received,) = fakes.inbox.messages()
    assert received.text == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "example.com/u", "https://example.com/ a", "a>,<https://b.example"]
)
async def test_an_unsubscribe_url_is_one_url(fakes: ProviderFakes, url: str) -> None:
    outcome = await deliver(fakes, unsubscribe_url=url)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.CONTENT_REFUSED


async def test_non_ascii_addresses(fakes: ProviderFakes) -> None:
    assert isinstance(await deliver(fakes, to="yamada@例え.jp"), Delivered)
    assert isinstance(await deliver(fakes, to="山田@example.jp"), Delivered)
    assert [received.to for received in fakes.inbox.messages()] == ["yamada@xn--r8jz45g.jp", "山田@example.jp"]


async def test_a_non_ascii_mailbox_needs_a_server_that_takes_it() -> None:
    async with OwnServer(smtputf8=False) as (inbox, settings):
        sink = SmtpSink(settings, None)
        outcome = await sink.deliver(replace(MESSAGE, to="山田@example.jp"), NOW_MS)
        assert isinstance(outcome, Rejected)
        assert outcome.reason is RejectionReason.INVALID_ADDRESS
        assert inbox.messages() == []


# Servers that misbehave at one step


@asynccontextmanager
async def scripted(step: str, reply: str | None) -> AsyncIterator[SmtpSettings]:
    """A server that is polite until `step` (a command, or . for the end of the data), then says `reply` or hangs up."""
    polite = {
        "EHLO": "250 hello",
        "MAIL": "250 ok",
        "RCPT": "250 ok",
        "DATA": "354 go",
        ".": "250 ok",
        "QUIT": "221 bye",
    }

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        in_data = False
        while line := (await reader.readline()).decode():
            command = line.split()[0] if line.strip() else ""
            if in_data and command != ".":
                continue
            in_data = command == "DATA"
            answer = reply if command == step else polite[command]
            if answer is None:
                break
            writer.write(f"{answer}\r\n".encode())
        writer.close()
        finished.set()

    finished = asyncio.Event()
    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield SmtpSettings(host="127.0.0.1", port=port, sender="shop@example.com", tls=TlsMode.NONE)
        await asyncio.wait_for(finished.wait(), 5)


@pytest.mark.parametrize(
    ("step", "reply", "expected"),
    [
        ("EHLO", None, RetryReason.CONNECTION_FAILED),
        ("MAIL", None, RetryReason.CONNECTION_FAILED),
        ("MAIL", "421 shutting down", RetryReason.DEFERRED),
        ("RCPT", None, RetryReason.CONNECTION_FAILED),
        ("RCPT", "not SMTP", RetryReason.PROVIDER_UNAVAILABLE),
        ("DATA", None, Unknown),
        ("DATA", "451 later", RetryReason.DEFERRED),
        ("DATA", "554 no", RejectionReason.CONTENT_REFUSED),
        (".", None, Unknown),
        (".", "not SMTP", Unknown),
        (".", "452 disk full", RetryReason.DEFERRED),
        (".", "554 5.7.1 spam", RejectionReason.NOT_PERMITTED),
        ("QUIT", None, Delivered),
        ("QUIT", "500 what?", Delivered),
    ],
)
async def test_a_fault_means_what_its_step_makes_it_mean(step: str, reply: str | None, expected: object) -> None:
    async with scripted(step, reply) as settings:
        outcome = await SmtpSink(settings, None).deliver(MESSAGE, NOW_MS)
    got = outcome.reason if isinstance(outcome, Rejected | RetryAfter) else type(outcome)
    assert got == expected


# Encryption


class OwnServer:
    """A mail server of its own, with the settings to reach it."""

    def __init__(self, tls: ssl.SSLContext | None = None, from_start: bool = False, smtputf8: bool = True) -> None:
        self._inbox = Inbox()
        self._fake = SmtpFake(
            self._inbox,
            Faults(),
            username="shop",
            password="secret",
            clock=lambda: NOW_MS,
            tls_context=tls,
            tls_from_start=from_start,
            smtputf8=smtputf8,
        )

    async def __aenter__(self) -> tuple[Inbox, SmtpSettings]:
        port = await self._fake.start("127.0.0.1")
        return self._inbox, SmtpSettings(
            host="127.0.0.1",
            port=port,
            username="shop",
            password=SecretStr("secret"),
            sender="shop@example.com",
            tls=TlsMode.NONE,
        )

    async def __aexit__(self, *failure: object) -> None:
        await self._fake.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server")])
    began = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


async def send_encrypted(settings: SmtpSettings, **changes: Any) -> Any:
    changed = SmtpSettings.model_validate({**dict(settings), **changes})
    return await SmtpSink(changed, build_tls_context(changed)).deliver(MESSAGE, NOW_MS)


@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.TLS])
async def test_delivery_over_an_encrypted_connection(certificate: Path, mode: TlsMode) -> None:
    async with OwnServer(server_context(certificate), from_start=mode is TlsMode.TLS) as (inbox, settings):
        assert isinstance(await send_encrypted(settings, tls=mode, ca_file=certificate), Delivered)
        assert len(inbox.messages()) == 1


@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.TLS])
async def test_an_untrusted_certificate_stops_the_message(certificate: Path, mode: TlsMode) -> None:
    async with OwnServer(server_context(certificate), from_start=mode is TlsMode.TLS) as (inbox, settings):
        outcome = await send_encrypted(settings, tls=mode)
        assert isinstance(outcome, RetryAfter)
        assert outcome.reason is RetryReason.CONNECTION_FAILED
        assert inbox.messages() == []


async def test_a_server_without_starttls_gets_neither_password_nor_message() -> None:
    async with OwnServer() as (inbox, settings):
        outcome = await send_encrypted(settings, tls=TlsMode.STARTTLS)
        assert isinstance(outcome, RetryAfter)
        assert "STARTTLS" in outcome.detail
        assert inbox.messages() == []
