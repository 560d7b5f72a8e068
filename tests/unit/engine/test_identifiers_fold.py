"""Identifiers: who an identifier belongs to, what is claimed once, and when a claim is followed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import IdentifierClaimed, IdentifierLinked
from schemas.identifiers import HashedIdentifier, IdentifierType
from tables.identifiers import IDENTIFIERS, LINKS, accept, new_claims, resolve
from tables.view import DictView, Rows

MEMBER = HashedIdentifier(IdentifierType.MEMBER_ID, "M-1", "m" * 32)
EMAIL = HashedIdentifier(IdentifierType.EMAIL, "a@example.jp", "e" * 32)
PHONE = HashedIdentifier(IdentifierType.PHONE, "+819012345678", "p" * 32)


def claim(customer: str, by: IdentifierType, at_ms: int, of: HashedIdentifier = PHONE) -> IdentifierClaimed:
    return IdentifierClaimed(
        identifier_key=of.key,
        identifier_type=of.type,
        customer_id=customer,
        because_key="b" * 32,
        because_type=by,
        claimed_at=at_ms,
    )


def test_a_new_identifier_is_a_new_customer_and_stays_that_one() -> None:
    view = DictView()
    customer = resolve(Rows(view, IDENTIFIERS, MEMBER.key), MEMBER, 5)
    assert resolve(Rows(view, IDENTIFIERS, MEMBER.key), MEMBER, 9) == customer
    assert resolve(Rows(view, IDENTIFIERS, EMAIL.key), EMAIL, 9) != customer
    row = view.get(IDENTIFIERS, MEMBER.key)
    assert row is not None
    assert (row.customer_id, row.type, row.because_type, row.linked_at_ms) == (customer, "member_id", "member_id", 5)


def test_the_same_identifier_is_the_same_customer_in_any_partition() -> None:
    assert resolve(Rows(DictView(), IDENTIFIERS, MEMBER.key), MEMBER, 1) == resolve(
        Rows(DictView(), IDENTIFIERS, MEMBER.key), MEMBER, 2
    )


def test_each_weaker_identifier_is_claimed_once_for_a_customer() -> None:
    view = DictView()
    links = Rows(view, LINKS, MEMBER.key)
    first = new_claims(links, MEMBER, (EMAIL, PHONE), "c-1", 7)
    assert [(one.identifier_key, one.customer_id, one.because_type, one.claimed_at) for one in first] == [
        (EMAIL.key, "c-1", "member_id", 7),
        (PHONE.key, "c-1", "member_id", 7),
    ]
    assert new_claims(links, MEMBER, (EMAIL, PHONE), "c-1", 8) == []
    again = new_claims(links, MEMBER, (EMAIL, PHONE), "c-2", 9)
    assert [one.customer_id for one in again] == ["c-2", "c-2"], "the stronger one has moved to another customer"


def test_nothing_is_claimed_when_there_is_nothing_weaker() -> None:
    view = DictView()
    assert new_claims(Rows(view, LINKS, MEMBER.key), MEMBER, (), "c-1", 7) == []
    assert not view.rows


def test_a_claim_is_followed_and_told_with_who_had_it_before() -> None:
    view = DictView()
    one = accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-1", IdentifierType.EMAIL, 5))
    assert isinstance(one, IdentifierLinked)
    assert (one.customer_id, one.previous_customer_id, one.linked_at) == ("c-1", None, 5)
    two = accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-2", IdentifierType.MEMBER_ID, 4))
    assert isinstance(two, IdentifierLinked)
    assert (two.customer_id, two.previous_customer_id) == ("c-2", "c-1"), "a stronger kind wins whatever its time"


def test_a_repeated_claim_changes_nothing() -> None:
    view = DictView()
    accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-1", IdentifierType.EMAIL, 5))
    before = dict(view.rows)
    assert accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-1", IdentifierType.EMAIL, 9)) is None
    assert view.rows == before


@pytest.mark.parametrize(("held_at", "claimed_at", "follows"), [(5, 4, False), (5, 5, True), (5, 6, True)])
def test_among_equals_the_later_event_wins(held_at: int, claimed_at: int, follows: bool) -> None:
    view = DictView()
    accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-1", IdentifierType.EMAIL, held_at))
    linked = accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-2", IdentifierType.EMAIL, claimed_at))
    assert (linked is not None) == follows


def test_a_weaker_kind_never_takes_an_identifier_away() -> None:
    view = DictView()
    accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-1", IdentifierType.MEMBER_ID, 5))
    assert accept(Rows(view, IDENTIFIERS, PHONE.key), claim("c-2", IdentifierType.EMAIL, 500)) is None


KINDS = [kind for kind in IdentifierType if kind.strength < IdentifierType.PHONE.strength]
CLAIMS = st.lists(
    st.builds(claim, st.sampled_from(["c-1", "c-2", "c-3"]), st.sampled_from(KINDS), st.integers(0, 50)),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one.claimed_at,
)


@given(CLAIMS)
def test_claims_of_different_times_end_at_the_same_customer_in_any_order(claims: list[IdentifierClaimed]) -> None:
    """Claims of several partitions arrive in any order. One customer claiming by several kinds is left out: what is
    kept then is the kind it was first linked by (see ``accept``: a claim of the holder changes nothing)."""
    by_customer = {one.customer_id: one for one in claims}
    found = set()
    for order in itertools.permutations(by_customer.values()):
        view = DictView()
        for one in order:
            accept(Rows(view, IDENTIFIERS, PHONE.key), one)
        row = view.get(IDENTIFIERS, PHONE.key)
        assert row is not None
        found.add(row.customer_id)
    assert len(found) == 1
