"""The pure parts of the sinks: keys from action ids, answers mapped to outcomes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from multidict import CIMultiDict

from connectors.sinks import line, sms_twilio
from connectors.sinks.http_call import Answer
from connectors.sinks.model import (
    Delivered,
    Message,
    Outcome,
    Rejected,
    RejectionReason,
    RetryAfter,
    RetryReason,
    Unknown,
)
from connectors.sinks.sms_twilio_lookup import (
    ACCEPTED_WITHIN_MS,
    CLOCK_SKEW_MS,
    Found,
    NotFound,
    Undecided,
    match_listed,
)
from connectors.sinks.smtp_reply import Step, refusal

NOW_MS = 1_795_000_000_000


def answer(status: int, body: object = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()}), raw)


def kind(outcome: Outcome) -> object:
    """Reason of a rejection or a retry, else the type."""
    return outcome.reason if isinstance(outcome, Rejected | RetryAfter) else type(outcome)


# Derivation


def test_retry_key_is_the_action_id_as_a_uuid() -> None:
    assert line.retry_key("00112233445566778899aabbccddeeff") == "00112233-4455-6677-8899-aabbccddeeff"


@pytest.mark.parametrize(
    "action_id", ["", "0" * 31, "0" * 33, "g" * 32, "A" * 32, "00112233-4455-6677-8899-aabbccddeeff"]
)
def test_a_message_needs_a_whole_action_id(action_id: str) -> None:
    with pytest.raises(ValueError, match="action_id: expected 32 lower-case hexadecimal"):
        Message(action_id, "sms", "+8190", "text", None, "brand", NOW_MS)


@pytest.mark.parametrize("field", ["to", "text", "subject"])
def test_a_message_holds_only_what_can_be_sent(field: str) -> None:
    texts = {"to": "+8190", "text": "text", "subject": "subject", field: "abc\ud800"}
    with pytest.raises(ValueError, match=f"{field}: not Unicode text at character 3"):
        Message(action_id="0" * 32, channel="sms", brand="brand", valid_until_ms=NOW_MS, **texts)


def test_a_message_in_a_log_line_shows_nobody() -> None:
    shown = repr(Message("0" * 32, "email", "yamada@example.jp", "secret text", "secret subject", "brand", NOW_MS))
    assert "yamada" not in shown
    assert "secret" not in shown


# LINE


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (answer(200, {"sentMessages": [{"id": "17"}]}), Delivered("17")),
        (answer(200, b""), Delivered(None)),
        (answer(409, {"sentMessages": [{"id": "17"}]}, x_line_accepted_request_id="r"), Delivered("17")),
        (
            answer(409, {"message": "The retry key is already accepted"}, x_line_accepted_request_id="r"),
            Delivered(None),
        ),
    ],
)
def test_line_acceptance(got: Answer, expected: Outcome) -> None:
    assert line.outcome_of(got, NOW_MS) == expected


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (answer(409, {"message": "conflict"}), Unknown),
        (answer(429, {"message": "You have reached your monthly limit."}), RejectionReason.QUOTA_EXCEEDED),
        (answer(429, {"message": "The API rate limit has been exceeded. Try again later."}), RetryReason.RATE_LIMITED),
        (answer(429, b"<html>"), RetryReason.RATE_LIMITED),
        (answer(400, {"message": "Failed to send messages"}), RejectionReason.INVALID_ADDRESS),
        (
            answer(400, {"message": "The property, 'to', in the request body is invalid (line: -, column: -)"}),
            RejectionReason.INVALID_ADDRESS,
        ),
        (
            answer(400, {"message": "The request body has 1 error(s)", "details": [{"property": "to"}]}),
            RejectionReason.INVALID_ADDRESS,
        ),
        (answer(400, [1]), RejectionReason.CONTENT_REFUSED),
        (answer(400, b"[" * 200_000), RejectionReason.CONTENT_REFUSED),
        (answer(401), RejectionReason.AUTHENTICATION),
        (answer(403), RejectionReason.NOT_PERMITTED),
        (answer(404), RejectionReason.REQUEST_REFUSED),
        (answer(302), RejectionReason.REQUEST_REFUSED),
        (answer(413), RejectionReason.CONTENT_REFUSED),
        (answer(408), RetryReason.PROVIDER_UNAVAILABLE),
        (answer(500), RetryReason.PROVIDER_UNAVAILABLE),
        (answer(503), RetryReason.PROVIDER_UNAVAILABLE),
    ],
)
def test_line_refusals(got: Answer, expected: object) -> None:
    assert kind(line.outcome_of(got, NOW_MS)) == expected


def test_line_detail_names_properties_and_request_but_not_the_text() -> None:
    details = [{"message": "must not be 'secret'", "property": "messages[0].text"}]
    outcome = line.outcome_of(answer(400, {"message": "x", "details": details}, x_line_request_id="r-1"), NOW_MS)
    assert outcome == Rejected(
        RejectionReason.CONTENT_REFUSED, "HTTP 400, request r-1: refused properties: messages[0].text"
    )


# Twilio


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 21211, RejectionReason.INVALID_ADDRESS),
        (400, 21610, RejectionReason.BLOCKED),
        (400, 21617, RejectionReason.CONTENT_REFUSED),
        (403, 20005, RejectionReason.NOT_PERMITTED),
        (401, 20003, RejectionReason.AUTHENTICATION),
        (429, 63038, RejectionReason.QUOTA_EXCEEDED),
        (429, 20429, RetryReason.RATE_LIMITED),
        (429, None, RetryReason.RATE_LIMITED),
        (400, 14107, RetryReason.RATE_LIMITED),
        (400, 99999, RejectionReason.REQUEST_REFUSED),
        (401, None, RejectionReason.AUTHENTICATION),
        (403, None, RejectionReason.NOT_PERMITTED),
        (302, None, RejectionReason.REQUEST_REFUSED),
        (400, ["odd"], RejectionReason.REQUEST_REFUSED),
        (408, None, Unknown),
        (500, 20500, Unknown),
        (503, 21211, Unknown),
    ],
)
def test_twilio_refusals(status: int, code: object, expected: object) -> None:
    body = {"code": code, "message": "The 'To' number +819012345678 is not valid", "status": status}
    outcome = sms_twilio.outcome_of(answer(status, body), NOW_MS)
    assert kind(outcome) == expected
    assert not isinstance(outcome, Delivered)
    assert "8190" not in outcome.detail


def test_twilio_acceptance_without_a_readable_body() -> None:
    assert sms_twilio.outcome_of(answer(201, {"sid": "SM1"}), NOW_MS) == Delivered("SM1")
    assert sms_twilio.outcome_of(answer(201, b"{"), NOW_MS) == Delivered(None)


def sms(created_ms: int, body: str | None = "text", **more: Any) -> dict[str, object]:
    created = format_datetime(datetime.fromtimestamp(created_ms / 1000, UTC))
    return {"sid": "SM1", "date_created": created, "body": body, "direction": "outbound-api", "status": "sent", **more}


def found(*listed: dict[str, object]) -> Found | NotFound | Undecided:
    return match_listed(listed, text="text\r\n", from_ms=NOW_MS, until_ms=NOW_MS + 3_600_000)


def test_lookup_window_begins_before_the_attempt_and_ends_some_time_after() -> None:
    assert found(sms(NOW_MS)) == Found("SM1")
    assert found(sms(NOW_MS - CLOCK_SKEW_MS)) == Found("SM1")
    assert found(sms(NOW_MS - CLOCK_SKEW_MS - 1000)) == NotFound()
    assert found(sms(NOW_MS + ACCEPTED_WITHIN_MS)) == Found("SM1")
    assert found(sms(NOW_MS + ACCEPTED_WITHIN_MS + 1000)) == NotFound()
    assert found() == NotFound()


def test_lookup_compares_body_and_direction() -> None:
    assert found(sms(NOW_MS, "another text")) == NotFound()
    assert found(sms(NOW_MS, "Sent from your Twilio trial account - text")) == Found("SM1")
    assert found(sms(NOW_MS, direction="inbound")) == NotFound()
    assert found(sms(NOW_MS, date_created="yesterday")) == NotFound()
    assert found(sms(NOW_MS, date_created=None)) == NotFound()


def test_lookup_does_not_guess_about_redacted_bodies() -> None:
    assert isinstance(found(sms(NOW_MS, "")), Undecided)
    assert isinstance(found(sms(NOW_MS, None)), Undecided)
    assert found(sms(NOW_MS, ""), sms(NOW_MS)) == Found("SM1")
    assert found(sms(NOW_MS - 3_600_000, "")) == NotFound()


def test_lookup_tells_failed_messages_and_prefers_living_ones() -> None:
    failed = sms(NOW_MS, sid="SM2", status="undelivered", error_code=30003)
    assert found(failed) == Found("SM2", failed=True, error_code=30003)
    assert found(failed, sms(NOW_MS)) == Found("SM1")


# SMTP


@pytest.mark.parametrize(
    ("step", "code", "text", "expected"),
    [
        (Step.CONNECT, 421, "too busy", RetryReason.DEFERRED),
        (Step.CONNECT, 554, "no service here", RejectionReason.NOT_PERMITTED),
        (Step.CONNECT, 535, "5.7.8 authentication failed", RejectionReason.AUTHENTICATION),
        (Step.CONNECT, 454, "4.7.0 temporary authentication failure", RetryReason.DEFERRED),
        (Step.ENVELOPE, 530, "authentication required", RejectionReason.AUTHENTICATION),
        (Step.ENVELOPE, 550, "5.1.1 <a@b.example>: unknown", RejectionReason.INVALID_ADDRESS),
        (Step.ENVELOPE, 550, "no such user", RejectionReason.INVALID_ADDRESS),
        (Step.ENVELOPE, 550, "5.1.8 sender domain not found", RejectionReason.NOT_PERMITTED),
        (Step.ENVELOPE, 550, "5.7.1 relaying denied", RejectionReason.NOT_PERMITTED),
        (Step.ENVELOPE, 550, "5.4.5 Daily user sending limit exceeded", RejectionReason.QUOTA_EXCEEDED),
        (Step.ENVELOPE, 552, "5.2.2 mailbox full", RejectionReason.UNREACHABLE),
        (Step.ENVELOPE, 552, "mailbox full", RejectionReason.UNREACHABLE),
        (Step.ENVELOPE, 450, "4.2.0 greylisted", RetryReason.DEFERRED),
        (Step.ENVELOPE, 252, "cannot verify", RetryReason.PROVIDER_UNAVAILABLE),
        (Step.DATA, 554, "spam", RejectionReason.CONTENT_REFUSED),
        (Step.DATA, 552, "5.3.4 too big", RejectionReason.CONTENT_REFUSED),
        (Step.DATA, 500, "what?", RejectionReason.REQUEST_REFUSED),
        (Step.DATA, 451, "later", RetryReason.DEFERRED),
        (Step.DATA, 251, "hm", Unknown),
    ],
)
def test_smtp_replies(step: Step, code: int, text: str, expected: object) -> None:
    outcome = refusal(step, code, text)
    assert kind(outcome) == expected
    assert "a@b.example" not in outcome.detail


def test_smtp_detail_keeps_the_codes() -> None:
    assert refusal(Step.ENVELOPE, 550, "5.1.1 <a@b.example>: unknown").detail == "SMTP 550 5.1.1 at envelope"


# Retry-After


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", NOW_MS),
        ("120", NOW_MS + 120_000),
        ("Wed, 18 Nov 2026 11:07:40 GMT", NOW_MS + 60_000),
        ("Wed, 18 Nov 2020 11:07:40 GMT", NOW_MS),
        ("-5", None),
        ("soon", None),
        ("٣", None),
        ("", None),
    ],
)
def test_retry_after(value: str, expected: int | None) -> None:
    assert answer(429, **{"retry_after": value}).retry_after_ms(NOW_MS) == expected


def test_retry_after_absent_or_absurd() -> None:
    assert answer(429).retry_after_ms(NOW_MS) is None
    assert answer(429, retry_after="9" * 5000).retry_after_ms(NOW_MS) == NOW_MS + 999_999_999_000
