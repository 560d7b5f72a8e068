"""The profile: fields by their own time, addresses, visits, and the memory of events."""

from __future__ import annotations

import pytest

from schemas.events import (
    Identifier,
    IdentifierLinked,
    InquiryMessageAdded,
    MessageAuthor,
    MessageOpened,
    PickupCollected,
    PickupReady,
    ProductViewed,
    ProfileUpdated,
    SaleAtTill,
    StoreCheckedIn,
)
from schemas.rows import ProfileRow
from tables import profile
from tables.view import DictView, Rows
from tests.builders import envelope, line

HOUR = 3_600_000


@pytest.fixture
def rows() -> Rows[ProfileRow]:
    return Rows(DictView(), profile.PROFILE, "c-1")


def known(rows: Rows[ProfileRow]) -> ProfileRow:
    row = rows.get()
    assert row is not None
    return row


def viewed(at: int, event_id: str = "", **fields: object) -> ProductViewed:
    return ProductViewed(envelope=envelope(at, event_id=event_id, **fields), sku="A")  # type: ignore[arg-type]


def test_a_late_update_fills_gaps_and_never_overwrites_a_later_word(rows: Rows[ProfileRow]) -> None:
    profile.fold(rows, ProfileUpdated(envelope=envelope(20), name="Sakura", locale="ja"), 20)
    late = ProfileUpdated(envelope=envelope(10), name="S.", time_zone="Asia/Tokyo", preferred_channel="line")
    profile.fold(rows, late, 21)

    row = known(rows)
    assert (row.name, row.name_at_ms) == ("Sakura", 20)
    assert (row.locale, row.locale_at_ms) == ("ja", 20)
    assert (row.time_zone, row.time_zone_at_ms) == ("Asia/Tokyo", 10)
    assert (row.preferred_channel, row.preferred_at_ms) == ("line", 10)


def test_an_absent_field_stays_as_it_is(rows: Rows[ProfileRow]) -> None:
    profile.fold(rows, ProfileUpdated(envelope=envelope(10), name="Sakura"), 10)
    profile.fold(rows, ProfileUpdated(envelope=envelope(20), locale="en"), 20)
    assert (known(rows).name, known(rows).locale) == ("Sakura", "en")


def test_first_and_last_seen_go_by_event_time(rows: Rows[ProfileRow]) -> None:
    profile.fold(rows, viewed(50), 60)
    profile.fold(rows, viewed(10, channel="web", brand="midori"), 61)
    profile.fold(rows, viewed(30), 62)
    row = known(rows)
    assert (row.first_seen_ms, row.brand) == (10, "midori")
    assert row.last_seen_ms == {"app": 50, "web": 10}


def test_what_staff_bots_and_scanners_do_is_no_visit(rows: Rows[ProfileRow]) -> None:
    profile.fold(rows, PickupReady(envelope=envelope(1, channel="store"), order_id="O", store_id="shibuya"), 1)
    opened = MessageOpened(envelope=envelope(2, channel="line"), action_id="a", message_channel="line")
    profile.fold(rows, opened, 2)
    for author in MessageAuthor:
        where = envelope(3, channel=f"chat of {author}", event_id=author)
        profile.fold(rows, InquiryMessageAdded(envelope=where, topic="t", author=author, text=""), 3)
    assert known(rows).last_seen_ms == {"chat of CUSTOMER": 3}
    assert (known(rows).first_seen_ms, known(rows).last_store_id) == (1, None)


def test_the_last_store_is_where_the_person_last_stood(rows: Rows[ProfileRow]) -> None:
    till = SaleAtTill(
        envelope=envelope(30), receipt_id="R", store_id="ginza", lines=(line("A"),), total_minor=1, currency="JPY"
    )
    for event in (
        StoreCheckedIn(envelope=envelope(20), store_id="shibuya"),
        till,
        PickupCollected(envelope=envelope(10), order_id="O", store_id="ueno"),
    ):
        profile.fold(rows, event, 40)
    assert (known(rows).last_store_id, known(rows).last_store_at_ms) == ("ginza", 30)
    profile.fold(rows, PickupCollected(envelope=envelope(50), order_id="O", store_id="ueno"), 50)
    assert known(rows).last_store_id == "ueno"


def test_addresses_come_from_identifiers_normalised(rows: Rows[ProfileRow]) -> None:
    identifiers = (
        Identifier(type="email", value=" Sakura@Example.com "),
        Identifier(type="phone", value="090-1234-5678"),
        Identifier(type="line_user_id", value="U4af4980629"),
        Identifier(type="cookie", value="abc"),
        Identifier(type="member_id", value="guest"),
    )
    profile.fold(rows, viewed(10, identifiers=identifiers), 10)
    row = known(rows)
    assert row.addresses == {"email": "sakura@example.com", "sms": "+819012345678", "line": "U4af4980629"}
    assert row.addresses_at_ms == {"email": 10, "sms": 10, "line": 10}
    assert row.identifier_types == ("cookie", "email", "line_user_id", "phone")


def test_a_phone_number_is_read_in_the_region_of_the_brand(rows: Rows[ProfileRow]) -> None:
    event = viewed(10, identifiers=(Identifier(type="phone", value="030 901820"),))
    profile.fold(rows, event, 10, default_region="DE")
    assert known(rows).addresses == {"sms": "+4930901820"}


def test_an_older_event_does_not_bring_an_old_address_back(rows: Rows[ProfileRow]) -> None:
    profile.fold(rows, viewed(20, identifiers=(Identifier(type="email", value="new@example.com"),)), 20)
    profile.fold(rows, viewed(10, identifiers=(Identifier(type="email", value="zzz@example.com"),)), 21)
    assert known(rows).addresses == {"email": "new@example.com"}


def test_a_link_tells_the_kind_of_identifier_and_nothing_else(rows: Rows[ProfileRow]) -> None:
    linked = IdentifierLinked(
        customer_id="c-1", identifier_key="k", identifier_type="email", because_type="member_id", linked_at=5
    )
    profile.fold(rows, linked, 5)
    assert not profile.seen_before(rows.get(), linked, 5)
    profile.fold(rows, viewed(9), 9)
    assert known(rows).identifier_types == ("email", "member_id")
    assert (known(rows).first_seen_ms, known(rows).brand) == (9, "aoba")


def test_a_sale_that_names_nobody_leaves_no_profile(rows: Rows[ProfileRow]) -> None:
    guest = (Identifier(type="loyalty_card", value="0000"),)
    sale = SaleAtTill(
        envelope=envelope(1, identifiers=guest), receipt_id="R", store_id="s", lines=(), total_minor=0, currency="JPY"
    )
    profile.fold(rows, sale, 1)
    assert rows.get() is None


def test_a_repeat_is_seen_for_72_hours_by_source_and_event_id(rows: Rows[ProfileRow]) -> None:
    event = viewed(1, "e-1")
    assert not profile.seen_before(rows.get(), event, 0)
    profile.fold(rows, event, 1_000)
    assert profile.seen_before(rows.get(), event, 1_000)
    assert profile.seen_before(rows.get(), event, 1_000 + 72 * HOUR - 1)
    assert not profile.seen_before(rows.get(), event, 1_000 + 72 * HOUR)
    assert not profile.seen_before(rows.get(), viewed(1, "e-2"), 1_000)
    assert not profile.seen_before(rows.get(), viewed(1, "e-1", source="ec-site"), 1_000)
    # The separator is part of the hash: "ab" + "c" is not "a" + "bc".
    profile.fold(rows, viewed(1, "bc", source="a"), 1_000)
    assert not profile.seen_before(rows.get(), viewed(1, "c", source="ab"), 1_000)


def test_past_64_events_the_one_that_arrived_first_is_forgotten(rows: Rows[ProfileRow]) -> None:
    start = 1_000 * HOUR
    for number in range(64):
        assert not profile.forgets_early(rows.get(), start + number)
        profile.fold(rows, viewed(1, f"e-{number}"), start + number)
    now = start + 64
    assert all(profile.seen_before(rows.get(), viewed(1, f"e-{number}"), now) for number in range(64))
    assert profile.forgets_early(rows.get(), now)
    assert profile.forgets_early(rows.get(), start + 72 * HOUR - 1)
    assert not profile.forgets_early(rows.get(), start + 72 * HOUR)

    profile.fold(rows, viewed(1, "e-64"), now)
    assert not profile.seen_before(rows.get(), viewed(1, "e-0"), now)
    assert profile.seen_before(rows.get(), viewed(1, "e-1"), now)
    assert len(known(rows).recent_events) == 64
    assert {len(known_hash) for known_hash, _ in known(rows).recent_events} == {8}


def test_events_older_than_72_hours_make_room(rows: Rows[ProfileRow]) -> None:
    profile.fold(rows, viewed(1, "e-0"), 0)
    profile.fold(rows, viewed(1, "e-1"), 72 * HOUR)
    assert len(known(rows).recent_events) == 1
