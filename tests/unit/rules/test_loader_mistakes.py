"""Mistakes in a file of a rules folder: each found at its line, with what was expected, what was found, and the fix."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Edit = Callable[[str, str, str], None]
Found = Callable[[], list[str]]


PICKUP = "rules/pickup-ready.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "finding"),
    [
        (
            PICKUP,
            "event: PickupReady",
            "event: PickupRedy",
            "rules/pickup-ready.yaml:7: event: expected an event type, found 'PickupRedy'; did you mean 'PickupReady'?",
        ),
        (
            PICKUP,
            "[PickupCollected, OrderCancelled]",
            "[PickupCollected, OrderCanceled]",
            "rules/pickup-ready.yaml:13: event: expected an event type, found 'OrderCanceled'; "
            "did you mean 'OrderCancelled'?",
        ),
        (
            PICKUP,
            "quiet: hold",
            "quite: hold",
            "rules/pickup-ready.yaml:18: quite is not a field; did you mean 'quiet'?",
        ),
        (PICKUP, "quiet: hold\n", "", "rules/pickup-ready.yaml:1: quiet is missing: add it"),
        (
            PICKUP,
            "quiet: hold",
            "quiet: holt",
            "rules/pickup-ready.yaml:18: quiet: expected 'hold', 'drop' or 'ignore', found 'holt'",
        ),
        (
            PICKUP,
            "version: 1",
            "version: first",
            "rules/pickup-ready.yaml:4: version: expected a whole number, found 'first'",
        ),
        (
            PICKUP,
            "prefer: customer",
            "prefers: customer",
            "rules/pickup-ready.yaml:17: send.prefers is not a field; did you mean 'prefer'?",
        ),
        (
            PICKUP,
            "[line, sms, email]",
            "[line, sms, mail]",
            "rules/pickup-ready.yaml:16: send.channels.2: expected 'line', 'sms' or 'email', found 'mail'",
        ),
        (
            PICKUP,
            "valid_for: P3D",
            "valid_for: P1M",
            "rules/pickup-ready.yaml:19: valid_for: found 'P1M': months and years differ in length; write days (P30D), "
            "or PT1M for one minute",
        ),
        (
            PICKUP,
            "correlation: event.order_id",
            "correlation: event.order",
            "rules/pickup-ready.yaml:8: correlation: PickupReady has no field 'order' to go by; "
            "did you mean 'order_id'?",
        ),
        (
            PICKUP,
            "correlation: event.order_id",
            "correlation: order_id",
            "rules/pickup-ready.yaml:8: correlation: expected customer, or event.<field>, such as event.order_id, "
            "found 'order_id'",
        ),
        (
            PICKUP,
            "o.order_id == event.order_id",
            "o.orderid == event.order_id",
            "rules/pickup-ready.yaml:11: when, column 20: o has no field 'orderid'; did you mean 'order_id'?",
        ),
        (
            PICKUP,
            "'CANCELLED'))",
            "'CANCELED'))",
            "rules/pickup-ready.yaml:11: when, column 88: 'CANCELED' is not one of CANCELLED, COLLECTED, PLACED, READY",
        ),
        (
            "rules/abandoned-cart.yaml",
            "when: cart.units == 0",
            "when: cart.units == ",
            "rules/abandoned-cart.yaml:13: when, column 14: Syntax error: mismatched input '<EOF>'",
        ),
        (
            "rules/abandoned-cart.yaml",
            "cap: reminders",
            "cap: reminder",
            "rules/abandoned-cart.yaml:21: cap: expected a group of caps.yaml, found 'reminder'; "
            "did you mean 'reminders'?",
        ),
        (
            "rules/abandoned-cart.yaml",
            "purpose: marketing",
            "purpose: marketing\nbrand: aobaa",
            "rules/abandoned-cart.yaml:6: brand: expected all or a brand of brands.yaml, found 'aobaa'; "
            "did you mean 'aoba'?",
        ),
        (
            "rules/abandoned-cart.yaml",
            "valid_for: P1D",
            "valid_for: PT30M",
            "rules/abandoned-cart.yaml:1: valid_for PT30M ends before the wait of PT1H does, so nothing would ever be "
            "sent; valid_for counts from the trigger, waits included: make it longer",
        ),
        (
            PICKUP,
            "template: pickup-ready",
            "template: pickup-redy",
            "rules/pickup-ready.yaml:15: template: there is no templates/pickup-redy.<locale>.yaml; "
            "did you mean 'pickup-ready'?",
        ),
        (
            "templates/pickup-ready.ja.yaml",
            "event.store_name",
            "event.shop_name",
            "templates/pickup-ready.ja.yaml:2: text: event has no field 'shop_name'; did you mean 'store_name'?",
        ),
        (
            "templates/pickup-ready.ja.yaml",
            "event.store_name | default('店舗')",
            "event.store_name",
            "templates/pickup-ready.ja.yaml:2: text: for rule pickup-ready: store_name is not there: it can be absent; "
            "write {{ ... | default('...') }} or {% if ... is defined %}, or let the rule's `when` ask for it with "
            "has()",
        ),
        (
            "templates/pickup-ready.en.yaml",
            "{% endif %}",
            "{% endfi %}",
            "templates/pickup-ready.en.yaml:6: text: Encountered unknown tag 'endfi'.",
        ),
        (
            "templates/pickup-ready.en.yaml",
            "{{ brand.title }}: your",
            "{{ shop.title }}: your",
            "templates/pickup-ready.en.yaml:3: text: unknown name 'shop'; known are brand, cart, event, inquiries, "
            "orders, profile",
        ),
        (
            "templates/pickup-ready.en.yaml",
            "subject: Your order is ready at {{ brand.title }}\n",
            "",
            "templates/pickup-ready.en.yaml:1: subject is missing: rule pickup-ready sends this by e-mail",
        ),
        (
            "brands.yaml",
            "Asia/Tokyo",
            "Asia/Tokio",
            "brands.yaml:5: brands.aoba.time_zone: expected an IANA time zone such as Asia/Tokyo, found 'Asia/Tokio'",
        ),
        (
            "brands.yaml",
            '"21:00"',
            "21",
            "brands.yaml:6: brands.aoba.quiet_hours.from: expected a time of day as HH:MM, found 21",
        ),
        (
            "caps.yaml",
            "rolling: P7D}",
            "rolling: 7 days}",
            "caps.yaml:8: groups.reminders.1.rolling: expected an ISO 8601 duration such as PT1H, P3D or P1DT12H, "
            "found '7 days'",
        ),
        (
            "rules/pickup-ready.scenarios.yaml",
            "order_id: ORD-1001, store_id: shibuya, store_name: 渋谷店",
            "order: ORD-1001, store_id: shibuya",
            "rules/pickup-ready.scenarios.yaml:",
        ),
        (
            "rules/pickup-ready.scenarios.yaml",
            'occurred_at: "15:00"',
            "occurred_at: 3pm",
            "rules/pickup-ready.scenarios.yaml:29: expected HH:MM, day 2 HH:MM, or ISO 8601 with offset, found '3pm'",
        ),
        (
            "rules/pickup-ready.scenarios.yaml",
            '{at: "15:00", outcome: SUPPRESSED, reason: NO_ADDRESS}',
            '{at: "15:00", outcome: SUPPRESSED}',
            "rules/pickup-ready.scenarios.yaml:116: scenarios.10.expect.0: SUPPRESSED needs a reason, "
            "such as NO_CONSENT",
        ),
        (
            "rules/pickup-ready.scenarios.yaml",
            'at: "15:00", outcome: FIRED',
            "at: afternoon, outcome: FIRED",
            "rules/pickup-ready.scenarios.yaml:31: at: expected HH:MM, day 2 HH:MM, or ISO 8601 with offset, "
            "found 'afternoon'",
        ),
        (
            "rules/pickup-ready.scenarios.yaml",
            "rule: pickup-ready\n",
            "rule: pickup-redy\n",
            "rules/pickup-ready.scenarios.yaml:1: there is no rule 'pickup-redy'; did you mean 'pickup-ready'?",
        ),
        (
            PICKUP,
            "rule: pickup-ready",
            "rule: pickup ready",
            "rules/pickup-ready.yaml:2: rule: expected lower-case words",
        ),
        (PICKUP, "title: Tells", "title: {Tells", "rules/pickup-ready.yaml:"),
        (
            PICKUP,
            "re_entry: never",
            "re_entry: never\nre_entry: always",
            "rules/pickup-ready.yaml:21: re_entry stands here a second time: remove one of the two",
        ),
    ],
)
def test_a_mistake_is_found_at_its_line(edit: Edit, found: Found, file: str, old: str, new: str, finding: str) -> None:
    edit(file, old, new)
    findings = found()
    assert any(entry.startswith(finding) for entry in findings), findings
