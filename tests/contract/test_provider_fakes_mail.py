"""Python's smtplib talks to the fake mail server and accepts every answer; and the control path beside the fakes."""

from __future__ import annotations

import asyncio
import smtplib
import sys
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from typing import Any

import aiohttp
import pytest

from connectors.fakes import DemoExtraMissing, Fault, ProviderFakes

MAILBOX = "yamada@example.jp"
TEXT = "ご注文の品が渋谷店で受け取れます。🎁"
NOW_MS = 1_795_000_000_123


@pytest.fixture
async def fakes() -> AsyncIterator[ProviderFakes]:
    async with ProviderFakes(lambda: NOW_MS) as running:
        yield running


async def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """smtplib blocks, and the fakes serve on the event loop."""
    return await asyncio.wait_for(asyncio.to_thread(call, *args, **kwargs), 20)


def mail(fakes: ProviderFakes, to: str = MAILBOX, password: str | None = None, login: bool = True) -> None:
    settings = fakes.smtp_settings
    assert settings.username is not None
    assert settings.password is not None
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", to, "受け取り準備完了"
    message["Message-ID"] = "<m1@example.com>"
    message.set_content(TEXT)
    with smtplib.SMTP(settings.host, settings.port, timeout=10) as client:
        if login:
            client.login(settings.username, password or settings.password.get_secret_value())
        client.send_message(message)


async def test_smtplib_delivers_and_the_inbox_has_it(fakes: ProviderFakes) -> None:
    await in_thread(mail, fakes)
    (received,) = fakes.inbox.messages("email", MAILBOX)
    assert (received.subject, received.text) == ("受け取り準備完了", TEXT)
    assert (received.idempotency_key, received.received_at_ms) == ("<m1@example.com>", NOW_MS)
    assert received.headers["From"] == "shop@example.com"


async def test_smtplib_reads_each_refusal(fakes: ProviderFakes) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError) as denied:
        await in_thread(mail, fakes, password="wrong")
    assert denied.value.smtp_code == 535
    with pytest.raises(smtplib.SMTPSenderRefused) as anonymous:
        await in_thread(mail, fakes, login=False)
    assert anonymous.value.smtp_code == 530
    for fault, code in (
        (Fault.RATE_LIMITED, 450),
        (Fault.QUOTA_EXCEEDED, 550),
        (Fault.SERVER_ERROR, 451),
        (Fault.UNKNOWN_RECIPIENT, 550),
    ):
        fakes.faults.add("email", MAILBOX, fault)
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            await in_thread(mail, fakes)
        assert refused.value.recipients[MAILBOX][0] == code
    fakes.faults.add("email", MAILBOX, Fault.DROP_BEFORE_ACCEPT)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        await in_thread(mail, fakes)
    assert fakes.inbox.messages() == []


async def test_control_path_shows_and_clears_the_inbox(fakes: ProviderFakes) -> None:
    await in_thread(mail, fakes)
    await in_thread(mail, fakes, to="sato@example.jp")
    async with aiohttp.ClientSession(fakes.control_url) as control:
        async with control.get("/inbox") as answer:
            assert (await answer.json())["count"] == 2
        async with control.get("/inbox", params={"channel": "email", "to": MAILBOX}) as answer:
            (shown,) = (await answer.json())["messages"]
            assert (shown["text"], shown["received_at_ms"]) == (TEXT, NOW_MS)
        async with control.delete("/inbox") as answer:
            assert await answer.json() == {"deleted": 2}
        async with control.get("/inbox") as answer:
            assert await answer.json() == {"count": 0, "messages": []}


async def test_control_path_programs_faults(fakes: ProviderFakes) -> None:
    async with aiohttp.ClientSession(fakes.control_url) as control:
        fault = {"channel": "email", "to": MAILBOX, "fault": "quota_exceeded", "times": 2}
        async with control.post("/faults", json=fault) as answer:
            assert answer.status == 201
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await in_thread(mail, fakes)
        async with control.get("/faults") as answer:
            assert len((await answer.json())["faults"]) == 1
        async with control.delete("/faults") as answer:
            assert await answer.json() == {"faults": []}
        await in_thread(mail, fakes)
        assert len(fakes.inbox.messages()) == 1
        async with control.post("/faults", json={**fault, "fault": "flood"}) as answer:
            assert answer.status == 400
            assert (await answer.json())["errors"][0]["loc"] == ["fault"]


async def test_without_the_demo_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "connectors.fakes.smtp", raising=False)
    monkeypatch.setitem(sys.modules, "aiosmtpd", None)
    monkeypatch.setitem(sys.modules, "aiosmtpd.smtp", None)
    with pytest.raises(DemoExtraMissing, match=r"tsunagi\[demo\]"):
        async with ProviderFakes():
            pass
