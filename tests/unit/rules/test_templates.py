"""Templates: what they can say, what they refuse, and that they reach nothing of the machine."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orchestration_rules.model import Template
from orchestration_rules.shapes import BrandView
from orchestration_rules.templates import LONGEST, CompiledTemplate, TemplateRefused

TOKYO = ZoneInfo("Asia/Tokyo")
VALUES: dict[str, Any] = {
    "event": {"order_id": "ORD-1", "hold_until": 1_795_791_600_000, "items": "a field, not a method", "lines": [1, 2]},
    "brand": BrandView("aoba", "青葉"),
}


def render(text: str, channel: str = "sms", locale: str = "ja", **changes: Any) -> str:
    template = CompiledTemplate(Template.model_validate({"text": text, **changes}), locale)
    return template.render(channel, VALUES, TOKYO).text


def test_fields_and_the_brand() -> None:
    assert render("{{ brand.title }}: {{ event.order_id }}\n") == "青葉: ORD-1"
    assert render("{{ event.items }}") == "a field, not a method"
    assert render("{{ event.store_name | default('店舗') }}") == "店舗"
    assert render("{% if event.store_name is defined %}x{% else %}y{% endif %}") == "y"
    assert render("{% for line in event.lines %}{{ line * 2 }} {% endfor %}") == "2 4"
    assert render("<b> & 'quotes'") == "<b> & 'quotes'"


@pytest.mark.parametrize(("locale", "date"), [("ja", "11月28日"), ("en", "November 28"), ("fr", "2026-11-28")])
def test_times_are_local_to_the_customer(locale: str, date: str) -> None:
    assert render("{{ event.hold_until | local_date }}", locale=locale) == date
    assert render("{{ event.hold_until | local_time }}", locale=locale) == "00:00"


def test_a_text_per_channel() -> None:
    template = {"text": {"default": "long", "sms": "short"}, "subject": "About\n{{ event.order_id }}"}
    compiled = CompiledTemplate(Template.model_validate(template), "en")
    assert compiled.render("sms", VALUES, TOKYO).text == "short"
    assert compiled.render("email", VALUES, TOKYO).text == "long"
    assert compiled.render("email", VALUES, TOKYO).subject == "About ORD-1", "a line break would begin a mail header"
    only_sms = CompiledTemplate(Template.model_validate({"text": {"sms": "short"}}), "en")
    with pytest.raises(TemplateRefused, match=r"no text for line: add text\.line or text\.default"):
        only_sms.render("line", VALUES, TOKYO)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ event.store_name }}", "store_name is not there"),
        ("{{ event.store_name.upper() }}", "store_name is not there"),
        ("{{ event.order_id + 1 }}", "TypeError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("  {% if false %}x{% endif %} \n", "the text for sms is empty"),
        ("{{ 'x' * 100000000 }}", r"operator \* is for numbers only"),
        ("{{ 9 ** 9 ** 9 }}", "powers are not allowed"),
        ("{% for i in range(99999999) %}x{% endfor %}", "OverflowError"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ event.lines.append(3) }}", "append|unsafe"),
        ("{{ event.order_id | local_date }}", "ValueError"),
        ("{{ (event.hold_until * event.hold_until) | local_date }}", "Error"),
        ("{% for a in range(1601) %}x{% endfor %}", "1601 characters; at most 1600"),
    ],
)
def test_what_cannot_be_rendered_is_refused(text: str, words: str) -> None:
    with pytest.raises(TemplateRefused, match=words):
        render(text)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("fine\n{{ event.", 2, "unexpected|expected"),
        ("{% if x %}", 1, "Unexpected end"),
        ("{{ customer.name }}", 1, "unknown name 'customer'; known are brand, cart, event"),
        ("{{ event.order_id | reverse_it }}", 1, "No filter named 'reverse_it'"),
        ("{% include 'other' %}", 1, "cannot include another"),
        ("{% extends 'other' %}", 1, "cannot include another"),
    ],
)
def test_what_is_no_template_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(TemplateRefused, match=words) as refused:
        CompiledTemplate(Template.model_validate({"text": text}), "ja")
    assert refused.value.line == line


def test_longest_texts_are_known_for_every_channel() -> None:
    from schemas.event_models import message_channels  # noqa: PLC0415

    assert set(LONGEST) == set(message_channels())


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("{{ event.a }} {{ event['b'] }} {% for c in event.c %}{{ c.d }}{% endfor %}", {"a", "b", "c"}),
        ("{{ cart.lines }}", set()),
        ("{% for key in event %}{{ key }}{% endfor %}", None),
        ("{{ event[event.a] }}", None),
        ("{% set copy = event %}{{ copy.a }}", None),
    ],
)
def test_the_event_fields_that_a_template_needs(text: str, fields: set[str] | None) -> None:
    assert CompiledTemplate(Template.model_validate({"text": text}), "ja").event_fields == fields
