"""The vendors' own SDK clients talk to our fakes and accept every answer: that is what makes the fakes worth trusting.

The clients are synchronous, so each call runs in a thread while the fakes serve on the event loop.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from linebot.v3.messaging import (
    ApiClient,
    ApiException,
    Configuration,
    ErrorResponse,
    MessagingApi,
    PushMessageRequest,
    TextMessage,
)
from linebot.v3.messaging.exceptions import ServiceException, UnauthorizedException
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from connectors.fakes import ANY_DESTINATION, Fault, ProviderFakes

USER = "U" + "0a1b2c3d" * 4
PHONE = "+819012345678"
TEXT = "ご注文の品が渋谷店で受け取れます。🎁"


class Clock:
    """The fakes' wall clock, moved by hand."""

    def __init__(self) -> None:
        self.now_ms = 1_795_000_000_123

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def fakes(clock: Clock) -> AsyncIterator[ProviderFakes]:
    async with ProviderFakes(clock, sms_queue_ms=1000) as running:
        yield running


async def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(call, *args, **kwargs), 20)


# LINE


def line_client(fakes: ProviderFakes, token: str | None = None) -> MessagingApi:
    settings = fakes.line_settings
    configuration = Configuration(access_token=token or settings.channel_access_token.get_secret_value())
    api = MessagingApi(ApiClient(configuration))
    api.line_base_path = str(settings.base_url).rstrip("/")
    return api


def push(
    fakes: ProviderFakes, to: str = USER, text: str = TEXT, key: str | None = None, token: str | None = None
) -> Any:
    request = PushMessageRequest(to=to, messages=[TextMessage(text=text)])
    return line_client(fakes, token).push_message_with_http_info(request, x_line_retry_key=key)


async def line_refusal(fakes: ProviderFakes, **arguments: Any) -> ApiException:
    with pytest.raises(ApiException) as refused:
        await in_thread(push, fakes, **arguments)
    return refused.value


async def test_line_client_pushes_and_the_inbox_has_it(fakes: ProviderFakes, clock: Clock) -> None:
    key = str(uuid.UUID(int=7))
    answer = await in_thread(push, fakes, key=key)
    assert answer.status_code == 200
    assert answer.headers["x-line-request-id"]
    (received,) = fakes.inbox.messages("line", USER)
    assert answer.data.sent_messages[0].id == received.provider_message_id
    assert (received.text, received.idempotency_key, received.received_at_ms) == (TEXT, key, clock.now_ms)


async def test_line_client_reads_the_conflict_of_a_repeated_retry_key(fakes: ProviderFakes, clock: Clock) -> None:
    key = str(uuid.UUID(int=8))
    first = await in_thread(push, fakes, key=key)
    conflict = await line_refusal(fakes, key=key)
    assert conflict.status == 409
    assert conflict.headers["x-line-accepted-request-id"] == first.headers["x-line-request-id"]
    body = ErrorResponse.from_json(conflict.body)
    assert body.message == "The retry key is already accepted"
    assert body.sent_messages[0].id == first.data.sent_messages[0].id
    assert len(fakes.inbox.messages("line")) == 1
    clock.now_ms += 24 * 3600 * 1000
    await in_thread(push, fakes, key=key)
    assert len(fakes.inbox.messages("line")) == 2, "a retry key is valid for 24 hours"


async def test_line_client_reads_each_refusal(fakes: ProviderFakes) -> None:
    denied = await line_refusal(fakes, token="wrong")
    assert isinstance(denied, UnauthorizedException)
    assert "Authentication failed" in ErrorResponse.from_json(denied.body).message

    wrong_user = await line_refusal(fakes, to="kutemukan")
    assert wrong_user.status == 400
    assert "'to'" in ErrorResponse.from_json(wrong_user.body).message

    empty = await line_refusal(fakes, text="")
    body = ErrorResponse.from_json(empty.body)
    assert body.message == "The request body has 1 error(s)"
    assert body.details[0].var_property == "messages[0].text"
    assert (await line_refusal(fakes, text="あ" * 5001)).status == 400
    assert (await line_refusal(fakes, key="not-a-uuid")).status == 400
    assert fakes.inbox.messages() == []


async def test_line_client_tells_rate_from_quota_and_server_errors(fakes: ProviderFakes) -> None:
    fakes.faults.add("line", USER, Fault.RATE_LIMITED, retry_after_seconds=7)
    limited = await line_refusal(fakes)
    assert (limited.status, limited.headers["Retry-After"]) == (429, "7")
    assert "rate limit" in ErrorResponse.from_json(limited.body).message

    fakes.faults.add("line", USER, Fault.QUOTA_EXCEEDED)
    quota = await line_refusal(fakes)
    assert (quota.status, ErrorResponse.from_json(quota.body).message) == (429, "You have reached your monthly limit.")

    fakes.faults.add("line", ANY_DESTINATION, Fault.SERVER_ERROR)
    assert isinstance(await line_refusal(fakes), ServiceException)

    fakes.faults.add("line", USER, Fault.UNKNOWN_RECIPIENT)
    assert (await line_refusal(fakes)).status == 400
    assert fakes.inbox.messages() == []
    await in_thread(push, fakes)
    assert len(fakes.inbox.messages()) == 1, "each fault strikes once"


# Twilio


def twilio_client(fakes: ProviderFakes, token: str | None = None) -> Client:
    settings = fakes.twilio_settings
    client = Client(
        settings.account_sid,
        token or settings.auth_token.get_secret_value(),
        http_client=TwilioHttpClient(timeout=10, max_retries=None),
    )
    client.api.base_url = str(settings.base_url).rstrip("/")
    return client


def send(fakes: ProviderFakes, to: str = PHONE, body: str = TEXT, sender: str | None = None, **more: Any) -> Any:
    from_number = sender or fakes.twilio_settings.from_number
    return twilio_client(fakes).messages.create(to=to, from_=from_number, body=body, **more)


async def twilio_refusal(fakes: ProviderFakes, **arguments: Any) -> TwilioRestException:
    with pytest.raises(TwilioRestException) as refused:
        await in_thread(send, fakes, **arguments)
    return refused.value


async def test_twilio_client_creates_fetches_and_sees_the_queue(fakes: ProviderFakes, clock: Clock) -> None:
    created = await in_thread(send, fakes, validity_period=60)
    assert (created.status, created.date_sent, created.direction) == ("queued", None, "outbound-api")
    assert created.date_created == datetime.fromtimestamp(clock.now_ms // 1000, UTC)
    (received,) = fakes.inbox.messages("sms", PHONE)
    assert (received.text, received.provider_message_id) == (TEXT, created.sid)
    clock.now_ms += 1000
    fetched = await in_thread(twilio_client(fakes).messages(created.sid).fetch)
    assert (fetched.status, fetched.body, fetched.to) == ("sent", TEXT, PHONE)
    assert fetched.date_sent is not None
    with pytest.raises(TwilioRestException) as missing:
        await in_thread(twilio_client(fakes).messages("SM" + "f" * 32).fetch)
    assert (missing.value.status, missing.value.code) == (404, 20404)


async def test_twilio_client_lists_by_recipient_and_date_over_pages(fakes: ProviderFakes, clock: Clock) -> None:
    began = datetime.fromtimestamp(clock.now_ms / 1000, UTC)
    for number in range(5):
        await in_thread(send, fakes, body=f"message {number}")
        clock.now_ms += 2000
    await in_thread(send, fakes, to="+819000000000", body="someone else's")
    messages = twilio_client(fakes).messages

    def bodies(**filters: Any) -> list[str]:
        return [message.body for message in messages.list(**filters)]

    newest_first = [f"message {number}" for number in (4, 3, 2, 1, 0)]
    assert await in_thread(bodies, to=PHONE, page_size=2) == newest_first
    assert await in_thread(bodies, to=PHONE, limit=3, page_size=2) == newest_first[:3]
    after = began + timedelta(seconds=4)
    assert await in_thread(bodies, to=PHONE, date_sent_after=after) == newest_first[:3]
    assert await in_thread(bodies, to=PHONE, date_sent_before=after) == newest_first[3:]
    assert await in_thread(bodies, to=PHONE, date_sent=began.date()) == newest_first
    assert await in_thread(bodies, to=PHONE, date_sent_after=began + timedelta(days=1)) == []
    assert await in_thread(bodies, to="+819000000000", date_sent_after=began) == [], "still queued: no date of sending"
    assert len(await in_thread(bodies)) == 6


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"to": "12345"}, 400, 21211),
        ({"to": "+15005550001"}, 400, 21211),
        ({"to": "+15005550002"}, 400, 21612),
        ({"to": "+15005550003"}, 400, 21408),
        ({"to": "+15005550004"}, 400, 21610),
        ({"to": "+15005550009"}, 400, 21614),
        ({"sender": "+15005550001"}, 400, 21212),
        ({"sender": "+15005550007"}, 400, 21606),
        ({"sender": "+15005550008"}, 429, 21611),
        ({"body": ""}, 400, 21602),
        ({"body": "x" * 1601}, 400, 21617),
        ({"validity_period": 36_001}, 400, 21624),
    ],
)
async def test_twilio_client_reads_each_refusal(
    fakes: ProviderFakes, arguments: dict[str, Any], status: int, code: int
) -> None:
    refused = await twilio_refusal(fakes, **arguments)
    assert (refused.status, refused.code) == (status, code)
    assert fakes.inbox.messages() == []


async def test_twilio_client_reads_authentication_faults_and_limits(fakes: ProviderFakes) -> None:
    with pytest.raises(TwilioRestException) as denied:
        await in_thread(twilio_client(fakes, token="wrong").messages.create, to=PHONE, from_="+15005550006", body=TEXT)
    assert (denied.value.status, denied.value.code) == (401, 20003)
    for fault, status, code in (
        (Fault.RATE_LIMITED, 429, 20429),
        (Fault.QUOTA_EXCEEDED, 429, 63038),
        (Fault.SERVER_ERROR, 500, 20500),
        (Fault.UNKNOWN_RECIPIENT, 400, 21211),
    ):
        fakes.faults.add("sms", PHONE, fault)
        refused = await twilio_refusal(fakes)
        assert (refused.status, refused.code) == (status, code)
    assert fakes.inbox.messages() == []
    fakes.faults.add("sms", PHONE, Fault.SERVER_ERROR_AFTER_ACCEPT)
    assert (await twilio_refusal(fakes)).status == 500
    assert len(fakes.inbox.messages()) == 1
