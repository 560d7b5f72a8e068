"""One filled-in row of every type, and the bytes that releases have written for them.

``golden/rows/<Row>.<n>.hex`` holds the bytes of the example as the n-th shape of the row was written. The files are the
memory of changelogs and stores in the field: none is edited or removed.

To append a field to a row (with a default; nothing else is a compatible change):

1. Add it to the row in ``schemas/rows/`` and to the example below, with a value that is not its default. Leave the
   values that are there as they are: the older files hold them.
2. ``python -m tests.contract.row_examples`` writes ``<Row>.<n+1>.hex`` beside the older ones.
3. Review and commit both. The test then reads every file of the row: older ones give the example with the defaults of
   the fields they do not have.
"""

from __future__ import annotations

from pathlib import Path

from schemas.events import (
    Fulfilment,
    MessageAuthor,
    OnUnknown,
    OrderLine,
    ReleaseReason,
    SendMessage,
    StockBasis,
)
from schemas.rowcodec import encode_row
from schemas.rows import (
    AttemptRow,
    AttemptState,
    CartLineRow,
    ConsentRow,
    IdentifierRow,
    InquiryIndexRow,
    InquiryMessageRow,
    InquiryRow,
    InquiryState,
    JourneyRow,
    JourneyState,
    LinkRow,
    MovementRow,
    OrderRow,
    PositionRow,
    ProfileRow,
    ReservationRow,
    Row,
    RulesetRow,
    SendRow,
    StockRow,
)

GOLDEN = Path(__file__).parent / "golden" / "rows"

EXAMPLES: tuple[Row, ...] = (
    IdentifierRow(customer_id="c-1", type="email", because_type="member_id", linked_at_ms=1_763_776_800_000),
    LinkRow(type="email", customer_id="c-1", claimed_at_ms=1_763_776_800_000),
    ProfileRow(
        brand="aoba",
        first_seen_ms=1_763_776_800_000,
        name="さくら",
        name_at_ms=1_763_776_800_001,
        locale="ja",
        locale_at_ms=1_763_776_800_002,
        time_zone="Asia/Tokyo",
        time_zone_at_ms=1_763_776_800_003,
        preferred_channel="line",
        preferred_at_ms=1_763_776_800_004,
        addresses={"email": "sakura@example.com", "line": "U4af4980629"},
        last_seen_ms={"app": 1_763_776_800_005, "store": 1_763_776_800_006},
        last_store_id="shibuya",
        last_store_at_ms=1_763_776_800_006,
        identifier_types=("email", "member_id"),
        recent_events=((bytes(range(8)), 1_763_776_800_007),),
        addresses_at_ms={"email": 1_763_776_800_000, "line": 1_763_776_800_001},
    ),
    ConsentRow(given=True, at_ms=1_763_776_800_000, source="shop-app", evidence="signup-form-v3"),
    CartLineRow(
        cart_id="cart-77",
        unit_price_minor=12_800,
        currency="JPY",
        name="Rain jacket M",
        url="https://shop.example/p/rain-jacket-m",
        base_quantity=1,
        base_at_ms=1_763_776_800_000,
        added=((1_763_776_800_001, 2), (1_763_776_800_002, 1)),
        changed_at_ms=1_763_776_800_002,
        described_at_ms=1_763_776_800_001,
    ),
    OrderRow(
        order_id="ORD-1001",
        channel="app",
        brand="aoba",
        placed_at_ms=1_763_776_800_000,
        ready_at_ms=1_763_776_800_001,
        collected_at_ms=1_763_776_800_002,
        cancelled_at_ms=1_763_776_800_003,
        total_minor=12_800,
        currency="JPY",
        fulfilment=Fulfilment.STORE_PICKUP,
        store_id="shibuya",
        store_name="Shibuya store",
        lines=(
            OrderLine(
                sku="SKU-RAIN-JACKET-M",
                quantity=1,
                unit_price_minor=12_800,
                currency="JPY",
                name="Rain jacket M",
                url="https://shop.example/p/rain-jacket-m",
            ),
        ),
        hold_until_ms=1_764_381_600_000,
        hold_at_ms=1_763_776_800_001,
    ),
    InquiryRow(
        inquiry_id="inq-9001",
        topic="delivery",
        state=InquiryState.PENDING,
        opened_at_ms=1_763_776_800_000,
        last_activity_ms=1_763_776_800_003,
        state_at_ms=1_763_776_800_002,
        order_id="ORD-1001",
        subject="Where is my order?",
        agent_id="agent-12",
        channels=("chat", "phone"),
        message_count=3,
        contact_at_ms=1_763_776_800_001,
        answer_at_ms=1_763_776_800_002,
        closed_at_ms=1_763_776_700_000,
        solved=True,
        topic_at_ms=1_763_776_800_000,
        order_at_ms=1_763_776_800_000,
        subject_at_ms=1_763_776_800_000,
        agent_at_ms=1_763_776_800_002,
    ),
    InquiryMessageRow(
        inquiry_id="inq-9001",
        at_ms=1_763_776_800_000,
        channel="chat",
        author=MessageAuthor.AGENT,
        text="Is it waterproof?",
        agent_id="agent-12",
    ),
    InquiryIndexRow(customer_id="c-1"),
    JourneyRow(
        rule="abandoned-cart",
        correlation="c-1",
        state=JourneyState.WAITING,
        trigger_event_id="e-1",
        trigger_type="CartLineAdded",
        trigger_received_ms=1_763_776_800_001,
        triggered_at_ms=1_763_776_800_000,
        brand="aoba",
        due_ms=1_763_780_400_000,
        valid_until_ms=1_763_863_200_000,
        changed_at_ms=1_763_776_800_001,
        ruleset_hash="3f2a",
        context={"store_name": '"Shibuya store"'},
    ),
    SendRow(at_ms=1_763_776_800_000, rule="abandoned-cart", cap_group="marketing", channel="line", correlation="c-1"),
    RulesetRow(ruleset_hash="3f2a", contents=b"rules", activated_at_ms=1_763_776_800_000),
    StockRow(
        reported_quantity=5,
        basis=StockBasis.SALABLE,
        as_of_ms=1_763_776_800_000,
        safety_stock=1,
        moved_since=2,
        reserved=3,
        safety_at_ms=1_763_776_700_000,
        held_at_count=1,
        settled_to_ms=1_763_700_000_000,
    ),
    ReservationRow(
        location_id="shibuya",
        order_id="ORD-1001",
        quantity=1,
        reserved_at_ms=1_763_776_800_000,
        due_ms=1_764_381_600_000,
        units=2,
        stated_at_ms=1_763_776_800_001,
        released_as=ReleaseReason.COLLECTED,
        released_at_ms=1_763_776_800_002,
    ),
    MovementRow(location_id="shibuya", at_ms=1_763_776_800_000, quantity=-1),
    AttemptRow(
        state=AttemptState.WAITING,
        attempt=2,
        started_at_ms=1_763_776_800_000,
        due_ms=1_763_776_810_000,
        action=SendMessage(
            action_id="a-1",
            customer_id="c-1",
            brand="aoba",
            rule="pickup-ready",
            ruleset_hash="3f2a",
            trigger_event_id="e-1",
            trigger_received_at=1_763_776_800_000,
            channel="line",
            to="U4af4980629",
            subject="Ready",
            text="Your order is ready.",
            purpose="service",
            valid_until=1_763_863_200_000,
            on_unknown=OnUnknown.RESEND,
            decided_at=1_763_776_800_001,
        ),
        reason="RATE_LIMITED",
        provider_message_id="p-1",
    ),
    PositionRow(offsets={"customer-events": 42}, now_ms=1_763_776_800_000),
)


def versions(row_type: type[Row]) -> list[Path]:
    """The golden files of a row type, oldest first."""
    return sorted(GOLDEN.glob(f"{row_type.__name__}.*.hex"), key=lambda path: int(path.suffixes[0][1:]))


def main() -> None:
    """Write the bytes of every example that its newest golden file does not hold, as the next version."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for row in EXAMPLES:
        known = versions(type(row))
        text = encode_row(row).hex() + "\n"
        if not known or known[-1].read_text() != text:
            path = GOLDEN / f"{type(row).__name__}.{len(known) + 1}.hex"
            path.write_text(text)
            print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
