"""The settings blocks of the sinks refuse mistakes, naming the field and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from connectors.sinks import LineSettings, SmtpSettings, TwilioSettings
from connectors.sinks.email_smtp import build_tls_context

ACCOUNT = "AC" + "0" * 32


@pytest.mark.parametrize(
    ("kind_of", "arguments", "message"),
    [
        (LineSettings, {"channel_access_token": "a\nb"}, "channel_access_token"),
        (LineSettings, {"channel_access_token": ""}, "channel_access_token"),
        (LineSettings, {"channel_access_token": "t", "base_url": "http://api.line.me"}, "use https"),
        (LineSettings, {"channel_access_token": "t", "timeout": 3}, "timeout"),
        (TwilioSettings, {"account_sid": "AC1", "auth_token": "t", "from_number": "+1"}, "account_sid"),
        (TwilioSettings, {"account_sid": ACCOUNT, "auth_token": "t", "from_number": ""}, "from_number"),
        (SmtpSettings, {"host": "mail.example.com", "sender": "nobody"}, "Shop <shop@example.com>"),
        (SmtpSettings, {"host": "mail.example.com", "sender": "a@b.example\r\nBcc: c@d.example"}, "sender"),
        (SmtpSettings, {"host": "mail.example.com", "sender": "a@b.example, c@d.example"}, "sender"),
        (SmtpSettings, {"host": "mail.example.com", "sender": "a@b.example", "username": "u"}, "both or neither"),
        (
            SmtpSettings,
            {"host": "mail.example.com", "sender": "a@b.example", "username": "u", "password": "p", "tls": "none"},
            "in the clear",
        ),
        (SmtpSettings, {"host": "mail.example.com", "sender": "a@b.example", "port": 0}, "port"),
    ],
)
def test_settings_refuse_mistakes(kind_of: Any, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind_of(**arguments)


def test_settings_show_no_secret() -> None:
    settings = TwilioSettings(account_sid=ACCOUNT, auth_token=SecretStr("hunter2"), from_number="+15005550006")
    assert "hunter2" not in repr(settings)
    assert settings.messages_url() == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


def test_an_unreadable_authority_is_named(tmp_path: Path) -> None:
    settings = SmtpSettings(host="mail.example.com", sender="a@b.example", ca_file=tmp_path / "absent.pem")
    with pytest.raises(ValueError, match=r"ca_file: .*absent\.pem"):
        build_tls_context(settings)
