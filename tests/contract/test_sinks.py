"""Our sinks against the fake providers, over the real protocols: every outcome each of them can have."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import AnyHttpUrl, SecretStr

from connectors.fakes import Fault, ProviderFakes
from connectors.sinks import open_sinks
from connectors.sinks.line import retry_key
from connectors.sinks.model import (
    Delivered,
    Outcome,
    Rejected,
    RejectionReason,
    RetryAfter,
    RetryReason,
    Unknown,
)
from tests.sink_setup import ADDRESSES, CHANNELS, NOW_MS, SUBJECT, TEXT, message, settings_of, sink_of


@pytest.fixture
async def fakes() -> AsyncIterator[ProviderFakes]:
    async with ProviderFakes(lambda: NOW_MS) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def detail_of(outcome: Outcome) -> str:
    """The detail, having made sure that it shows nobody."""
    assert not isinstance(outcome, Delivered)
    for address in ADDRESSES.values():
        assert address not in outcome.detail
        assert address.partition("@")[0] not in outcome.detail
    return outcome.detail


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_only_configured_channels_are_open(http: aiohttp.ClientSession, fakes: ProviderFakes) -> None:
    assert await open_sinks(http) == {}
    sinks = await open_sinks(http, line=fakes.line_settings, email=fakes.smtp_settings)
    assert {channel: sink.channel for channel, sink in sinks.items()} == {"line": "line", "email": "email"}


@pytest.mark.parametrize("channel", CHANNELS)
async def test_japanese_text_arrives_as_written(
    http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str
) -> None:
    sink = await sink_of(http, fakes, channel)
    outcome = await sink.deliver(message(channel), NOW_MS)
    (received,) = fakes.inbox.messages()
    assert (received.channel, received.to, received.text) == (channel, ADDRESSES[channel], TEXT)
    assert (received.subject, received.received_at_ms) == (SUBJECT if channel == "email" else None, NOW_MS)
    expected = f"<{1:032x}@example.com>" if channel == "email" else received.provider_message_id
    assert outcome == Delivered(expected)


async def test_a_repeat_to_line_is_recognised_and_arrives_once(
    http: aiohttp.ClientSession, fakes: ProviderFakes
) -> None:
    sink = await sink_of(http, fakes, "line")
    first = await sink.deliver(message("line"), NOW_MS)
    assert await sink.deliver(message("line"), NOW_MS + 1) == first
    (received,) = fakes.inbox.messages()
    assert received.idempotency_key == retry_key(f"{1:032x}")
    assert await sink.deliver(message("line", 2), NOW_MS) != first
    assert len(fakes.inbox.messages()) == 2


@pytest.mark.parametrize("channel", CHANNELS)
async def test_unknown_recipient_is_rejected(http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str) -> None:
    sink = await sink_of(http, fakes, channel)
    fakes.faults.add(channel, ADDRESSES[channel], Fault.UNKNOWN_RECIPIENT)
    outcome = await sink.deliver(message(channel), NOW_MS)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.INVALID_ADDRESS
    assert detail_of(outcome)
    assert fakes.inbox.messages() == []


@pytest.mark.parametrize(
    ("channel", "changes", "reason"),
    [
        ("line", {"to": "kutemukan"}, RejectionReason.INVALID_ADDRESS),
        ("line", {"text": ""}, RejectionReason.CONTENT_REFUSED),
        ("line", {"text": "あ" * 5001}, RejectionReason.CONTENT_REFUSED),
        ("sms", {"to": "090-1234-5678"}, RejectionReason.INVALID_ADDRESS),
        ("sms", {"to": "+15005550002"}, RejectionReason.UNREACHABLE),
        ("sms", {"to": "+15005550003"}, RejectionReason.NOT_PERMITTED),
        ("sms", {"to": "+15005550004"}, RejectionReason.BLOCKED),
        ("sms", {"to": "+15005550009"}, RejectionReason.INVALID_ADDRESS),
        ("sms", {"text": ""}, RejectionReason.CONTENT_REFUSED),
        ("sms", {"text": "x" * 1601}, RejectionReason.CONTENT_REFUSED),
        ("email", {"to": "no address"}, RejectionReason.INVALID_ADDRESS),
        ("email", {"subject": None}, RejectionReason.CONTENT_REFUSED),
    ],
)
async def test_each_rejection_has_its_reason(
    http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str, changes: dict[str, Any], reason: RejectionReason
) -> None:
    outcome = await (await sink_of(http, fakes, channel)).deliver(message(channel, **changes), NOW_MS)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is reason
    assert str(changes.get("to") or "\0") not in outcome.detail
    assert fakes.inbox.messages() == []


@pytest.mark.parametrize("channel", CHANNELS)
async def test_rate_limit_and_quota_are_different_outcomes(
    http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str
) -> None:
    sink = await sink_of(http, fakes, channel)
    fakes.faults.add(channel, "*", Fault.RATE_LIMITED, retry_after_seconds=30)
    limited = await sink.deliver(message(channel), NOW_MS)
    assert isinstance(limited, RetryAfter)
    if channel == "email":
        assert (limited.reason, limited.at_ms) == (RetryReason.DEFERRED, None)
    else:
        assert (limited.reason, limited.at_ms) == (RetryReason.RATE_LIMITED, NOW_MS + 30_000)
    fakes.faults.add(channel, "*", Fault.QUOTA_EXCEEDED)
    quota = await sink.deliver(message(channel), NOW_MS)
    assert isinstance(quota, Rejected)
    assert quota.reason is RejectionReason.QUOTA_EXCEEDED
    assert detail_of(limited) != detail_of(quota)
    assert fakes.inbox.messages() == []
    assert isinstance(await sink.deliver(message(channel), NOW_MS), Delivered)


async def test_a_full_sender_queue_at_twilio_is_retried(http: aiohttp.ClientSession, fakes: ProviderFakes) -> None:
    sink = await sink_of(http, fakes, "sms", from_number="+15005550008")
    outcome = await sink.deliver(message("sms"), NOW_MS)
    assert isinstance(outcome, RetryAfter)
    assert outcome.reason is RetryReason.RATE_LIMITED


@pytest.mark.parametrize(
    ("channel", "changes"),
    [
        ("line", {"channel_access_token": SecretStr("revoked")}),
        ("sms", {"auth_token": SecretStr("revoked")}),
        ("sms", {"account_sid": "AC" + "0" * 32}),
        ("email", {"password": SecretStr("revoked")}),
        ("email", {"username": None, "password": None}),
    ],
)
async def test_wrong_credentials_are_rejected_as_such(
    http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str, changes: dict[str, Any]
) -> None:
    outcome = await (await sink_of(http, fakes, channel, **changes)).deliver(message(channel), NOW_MS)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.AUTHENTICATION
    assert "revoked" not in outcome.detail
    assert fakes.inbox.messages() == []


@pytest.mark.parametrize("channel", CHANNELS)
async def test_connection_refused_is_retried(http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str) -> None:
    port = unused_port()
    where = {"port": port} if channel == "email" else {"base_url": AnyHttpUrl(f"http://127.0.0.1:{port}")}
    outcome = await (await sink_of(http, fakes, channel, **where)).deliver(message(channel), NOW_MS)
    assert isinstance(outcome, RetryAfter)
    assert (outcome.reason, outcome.at_ms) == (RetryReason.CONNECTION_FAILED, None)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_connection_that_is_never_made_is_retried(
    http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str
) -> None:
    """A full backlog lets connects wait for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(16)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        where = {"port": port} if channel == "email" else {"base_url": AnyHttpUrl(f"http://127.0.0.1:{port}")}
        sink = await sink_of(http, fakes, channel, connect_timeout_seconds=0.3, **where)
        outcome = await sink.deliver(message(channel), NOW_MS)
        for filler in fillers:
            filler.close()
    assert isinstance(outcome, RetryAfter)
    assert outcome.reason is RetryReason.CONNECTION_FAILED


AMBIGUOUS = [
    Fault.HANG_BEFORE_ACCEPT,
    Fault.HANG_AFTER_ACCEPT,
    Fault.DROP_BEFORE_ACCEPT,
    Fault.DROP_AFTER_ACCEPT,
    Fault.SERVER_ERROR_AFTER_ACCEPT,
]


@pytest.mark.parametrize("fault", AMBIGUOUS)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_lost_answer_is_unknown_unless_the_repeat_is_safe(
    http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str, fault: Fault
) -> None:
    sink = await sink_of(http, fakes, channel, response_timeout_seconds=0.3)
    fakes.faults.add(channel, ADDRESSES[channel], fault)
    outcome = await sink.deliver(message(channel), NOW_MS)
    assert len(fakes.inbox.messages()) == int(fault.accepts)
    assert detail_of(outcome)
    if channel != "line":
        assert isinstance(outcome, Unknown)
        return
    assert isinstance(outcome, RetryAfter)
    server_error = fault is Fault.SERVER_ERROR_AFTER_ACCEPT
    assert outcome.reason is (RetryReason.PROVIDER_UNAVAILABLE if server_error else RetryReason.ANSWER_LOST)
    assert isinstance(await sink.deliver(message("line"), NOW_MS + 1), Delivered)
    assert len(fakes.inbox.messages()) == 1, "delivered once, whatever became of the first answer"


@pytest.mark.parametrize("channel", CHANNELS)
async def test_server_errors(http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str) -> None:
    fakes.faults.add(channel, "*", Fault.SERVER_ERROR)
    outcome = await (await sink_of(http, fakes, channel)).deliver(message(channel), NOW_MS)
    if channel == "sms":
        assert isinstance(outcome, Unknown), "Twilio may have accepted before it failed, and knows no repeats"
    else:
        assert isinstance(outcome, RetryAfter)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_an_expired_message_is_not_sent(http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str) -> None:
    sink = await sink_of(http, fakes, channel)
    outcome = await sink.deliver(message(channel, valid_until_ms=NOW_MS), NOW_MS)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.EXPIRED
    assert fakes.inbox.messages() == []
    assert isinstance(await sink.deliver(message(channel, valid_until_ms=NOW_MS + 1), NOW_MS), Delivered)


async def test_twilio_is_told_how_long_a_message_is_worth_sending(
    http: aiohttp.ClientSession, fakes: ProviderFakes
) -> None:
    callback = AnyHttpUrl("https://shop.example.com/v1/webhooks/twilio")
    sink = await sink_of(http, fakes, "sms", status_callback=callback)
    for number, validity_ms in enumerate((3_600_999, 1, 48 * 3_600_000)):
        await sink.deliver(message("sms", number, valid_until_ms=NOW_MS + validity_ms), NOW_MS)
    received = fakes.inbox.messages()
    assert [sms.headers["ValidityPeriod"] for sms in received] == ["3600", "1", "36000"]
    assert {sms.headers["StatusCallback"] for sms in received} == {str(callback)}


@pytest.mark.parametrize("channel", ["line", "sms"])
async def test_a_redirect_is_not_followed(http: aiohttp.ClientSession, fakes: ProviderFakes, channel: str) -> None:
    async def elsewhere(request: web.BaseRequest) -> web.Response:
        location = str(settings_of(fakes, channel).base_url).rstrip("/") + request.path
        return web.Response(status=307, headers={"Location": location})

    runner = web.ServerRunner(web.Server(elsewhere))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    redirecting = AnyHttpUrl(f"http://127.0.0.1:{runner.addresses[0][1]}")
    outcome = await (await sink_of(http, fakes, channel, base_url=redirecting)).deliver(message(channel), NOW_MS)
    await runner.cleanup()
    assert isinstance(outcome, Rejected)
    assert outcome.reason is RejectionReason.REQUEST_REFUSED
    assert fakes.inbox.messages() == []
