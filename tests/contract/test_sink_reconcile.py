"""Settling an attempt whose outcome was lost: by the same key at LINE, by a look-up at Twilio, not at all by mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from pydantic import AnyHttpUrl, SecretStr

from connectors.fakes import Fault, ProviderFakes
from connectors.sinks import sms_twilio_lookup
from connectors.sinks.model import (
    Delivered,
    Rejected,
    RejectionReason,
    RetryAfter,
    RetryReason,
    Unknown,
)
from tests.sink_setup import DAY_MS, MINUTE_MS, NOW_MS, Clock, message, sink_of

NOBODY = "http://127.0.0.1:9"  # the discard port, served by nothing


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def fakes(clock: Clock) -> AsyncIterator[ProviderFakes]:
    async with ProviderFakes(clock) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def test_cancelling_a_call_leaves_it_to_be_reconciled(http: aiohttp.ClientSession, fakes: ProviderFakes) -> None:
    """What a crash in the middle of a call looks like from outside: accepted, and nobody has heard."""
    sink = await sink_of(http, fakes, "sms")
    fakes.faults.add("sms", "*", Fault.HANG_AFTER_ACCEPT)
    attempt = asyncio.create_task(sink.deliver(message("sms"), NOW_MS))
    async with asyncio.timeout(5):
        while not fakes.inbox.messages():  # an inbox tells nobody, as with a real provider
            await asyncio.sleep(0.01)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    (received,) = fakes.inbox.messages()
    assert await sink.reconcile(message("sms"), NOW_MS + 5, NOW_MS) == Delivered(received.provider_message_id)


@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_ACCEPT, Fault.HANG_AFTER_ACCEPT])
async def test_line_is_reconciled_by_the_same_key(
    http: aiohttp.ClientSession, fakes: ProviderFakes, fault: Fault
) -> None:
    sink = await sink_of(http, fakes, "line", response_timeout_seconds=0.3)
    fakes.faults.add("line", "*", fault)
    await sink.deliver(message("line"), NOW_MS)
    outcome = await sink.reconcile(message("line"), NOW_MS + 1000, NOW_MS)
    (received,) = fakes.inbox.messages()
    assert outcome == Delivered(received.provider_message_id)


async def test_line_is_not_asked_again_when_the_key_or_the_message_has_run_out(
    http: aiohttp.ClientSession, fakes: ProviderFakes, clock: Clock
) -> None:
    sink = await sink_of(http, fakes, "line")
    await sink.deliver(message("line"), NOW_MS)
    clock.now_ms += DAY_MS
    assert isinstance(await sink.reconcile(message("line"), clock.now_ms, NOW_MS), Unknown)
    expired = message("line", 2, valid_until_ms=NOW_MS + 10)
    assert isinstance(await sink.reconcile(expired, NOW_MS + 10, NOW_MS), Unknown)
    assert len(fakes.inbox.messages()) == 1


@pytest.mark.parametrize("fault", [Fault.HANG_AFTER_ACCEPT, Fault.SERVER_ERROR_AFTER_ACCEPT])
async def test_an_sms_that_was_accepted_is_found(
    http: aiohttp.ClientSession, fakes: ProviderFakes, clock: Clock, fault: Fault
) -> None:
    sink = await sink_of(http, fakes, "sms", response_timeout_seconds=0.3)
    await sink.deliver(message("sms", 9, text="an earlier text"), NOW_MS)
    fakes.faults.add("sms", "*", fault)
    await sink.deliver(message("sms"), NOW_MS)
    clock.now_ms += 5 * MINUTE_MS
    await sink.deliver(message("sms", 8, text="a later text"), clock.now_ms)
    accepted = fakes.inbox.messages()[1]
    outcome = await sink.reconcile(message("sms"), clock.now_ms, NOW_MS)
    assert outcome == Delivered(accepted.provider_message_id)
    assert len(fakes.inbox.messages()) == 3


async def test_an_sms_still_in_twilios_queue_is_found(http: aiohttp.ClientSession, clock: Clock) -> None:
    async with ProviderFakes(clock, sms_queue_ms=3600_000) as busy:
        sink = await sink_of(http, busy, "sms", response_timeout_seconds=0.3)
        busy.faults.add("sms", "*", Fault.HANG_AFTER_ACCEPT)
        await sink.deliver(message("sms"), NOW_MS)
        assert isinstance(await sink.reconcile(message("sms"), NOW_MS + MINUTE_MS, NOW_MS), Delivered)


async def test_an_sms_that_never_arrived_is_free_to_go_after_settling(
    http: aiohttp.ClientSession, fakes: ProviderFakes
) -> None:
    sink = await sink_of(http, fakes, "sms", response_timeout_seconds=0.3, settle_seconds=60)
    fakes.faults.add("sms", "*", Fault.HANG_BEFORE_ACCEPT)
    await sink.deliver(message("sms"), NOW_MS)
    soon = await sink.reconcile(message("sms"), NOW_MS + MINUTE_MS - 1, NOW_MS)
    assert isinstance(soon, Unknown), "the request may still be on its way"
    settled = await sink.reconcile(message("sms"), NOW_MS + MINUTE_MS, NOW_MS)
    assert isinstance(settled, RetryAfter)
    assert (settled.reason, settled.at_ms) == (RetryReason.NOT_ACCEPTED, NOW_MS + MINUTE_MS)
    assert fakes.inbox.messages() == [], "looking up sends nothing"
    expired = await sink.reconcile(message("sms", valid_until_ms=NOW_MS + 1), NOW_MS + MINUTE_MS, NOW_MS)
    assert isinstance(expired, Rejected)
    assert expired.reason is RejectionReason.EXPIRED


async def test_the_lookup_reads_every_page(
    http: aiohttp.ClientSession, fakes: ProviderFakes, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sms_twilio_lookup, "_PAGE_SIZE", 2)
    sink = await sink_of(http, fakes, "sms")
    first = await sink.deliver(message("sms"), NOW_MS)
    for number in range(2, 9):
        clock.now_ms += 1000
        await sink.deliver(message("sms", number, text=f"another text {number}"), NOW_MS)
    assert await sink.reconcile(message("sms"), clock.now_ms, NOW_MS) == first
    missing = message("sms", 99, text="never sent")
    assert isinstance(await sink.reconcile(missing, NOW_MS + MINUTE_MS, NOW_MS), RetryAfter)
    monkeypatch.setattr(sms_twilio_lookup, "_PAGES_AT_MOST", 3)
    assert isinstance(await sink.reconcile(missing, NOW_MS + MINUTE_MS, NOW_MS), Unknown)


async def test_an_sms_that_cannot_be_looked_up_stays_unknown(http: aiohttp.ClientSession, fakes: ProviderFakes) -> None:
    late = NOW_MS + DAY_MS
    redacted = await sink_of(http, fakes, "sms", messages_are_redacted=True)
    assert isinstance(await redacted.reconcile(message("sms"), late, NOW_MS), Unknown)
    denied = await sink_of(http, fakes, "sms", auth_token=SecretStr("revoked"))
    assert isinstance(await denied.reconcile(message("sms"), late, NOW_MS), Unknown)
    away = await sink_of(http, fakes, "sms", base_url=AnyHttpUrl(NOBODY))
    assert isinstance(await away.reconcile(message("sms"), late, NOW_MS), Unknown)
    assert fakes.inbox.messages() == []


async def test_mail_cannot_be_reconciled(http: aiohttp.ClientSession, fakes: ProviderFakes) -> None:
    sink = await sink_of(http, fakes, "email")
    assert isinstance(await sink.reconcile(message("email"), NOW_MS + DAY_MS, NOW_MS), Unknown)
    assert fakes.inbox.messages() == []
