"""Two spellings of a person become one key, and values that name nobody become none."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Identifier
from schemas.identifiers import (
    IdentifierType,
    customer_id,
    derived_id,
    hash_identifiers,
    identifier_key,
    normalise,
)

PEPPER = b"a secret of the deployment"


def _normal(kind: str, value: str, region: str = "JP") -> str | None:
    return normalise(Identifier(type=kind, value=value), region)


def test_strength_is_the_order_of_the_field() -> None:
    assert [kind.value for kind in sorted(IdentifierType, key=lambda kind: kind.strength)] == [
        "member_id",
        "loyalty_card",
        "email",
        "phone",
        "line_user_id",
        "device_id",
        "cookie",
    ]
    assert {kind for kind in IdentifierType if kind.known} == {IdentifierType.MEMBER_ID, IdentifierType.LOYALTY_CARD}


def test_one_indian_number_with_and_without_plus_is_one_person() -> None:
    assert _normal("phone", "919876543210", "IN") == _normal("phone", "+919876543210", "IN") == "+919876543210"


def test_a_plus_wins_over_the_default_region() -> None:
    assert _normal("phone", "+919876543210", "JP") == "+919876543210"
    assert _normal("phone", "919876543210", "JP") == "+81919876543210"


@pytest.mark.parametrize(
    "written",
    [
        "090-1234-5678",
        "09012345678",
        "+81 90 1234 5678",
        "+81(0)90-1234-5678",
        " 090 1234 5678 ",
        "".join(chr(0xFF10 + int(digit)) for digit in "09012345678"),
    ],
)
def test_spellings_of_a_japanese_number_are_one(written: str) -> None:
    assert _normal("phone", written) == "+819012345678"


@pytest.mark.parametrize("written", ["12", "call me", "+1", "1" * 40, "\u0660", "+", "ext. 5"])
def test_what_is_no_number_names_nobody(written: str) -> None:
    assert _normal("phone", written) is None


@pytest.mark.parametrize("written", ["Sakura@Example.COM", " sakura@example.com", "sakura@example.com\n"])
def test_an_address_is_matched_in_lower_case(written: str) -> None:
    assert _normal("email", written) == "sakura@example.com"


@pytest.mark.parametrize("written", ["sakura", "sakura@", "@example.com", "a@b", "a b@example.com", "a@b@example.com"])
def test_what_is_no_address_names_nobody(written: str) -> None:
    assert _normal("email", written) is None


@pytest.mark.parametrize("kind", list(IdentifierType))
@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\t",
        "\u3000",
        "0",
        "000",
        "-1",
        "0-0",
        "-",
        "null",
        "NULL",
        " null ",
        "undefined",
        "NaN",
        "anonymous",
        "Guest",
        "[object Object]",
    ],
)
def test_values_that_forms_and_sdks_send_for_nobody_are_blocked(kind: IdentifierType, value: str) -> None:
    assert _normal(kind, value) is None


@pytest.mark.parametrize("value", ["00a", "-2", "10", "nullable", "guest-house-7"])
def test_what_only_looks_like_a_blocked_value_is_kept(value: str) -> None:
    assert _normal("member_id", value) == value


def test_a_member_number_keeps_its_case_and_loses_white_space_around_it() -> None:
    assert _normal("member_id", " M-1001 ") == "M-1001"
    assert _normal("member_id", "m-1001") != _normal("member_id", "M-1001")


def test_an_endless_value_names_nobody() -> None:
    assert _normal("cookie", "c" * 256) is not None
    assert _normal("cookie", "c" * 257) is None


def test_the_key_is_an_hmac_of_realm_kind_and_value() -> None:
    expected = hmac.new(PEPPER, b"aoba\x00email\x00sakura@example.com", hashlib.sha256).hexdigest()[:32]
    assert identifier_key(PEPPER, "aoba", IdentifierType.EMAIL, "sakura@example.com") == expected


@pytest.mark.parametrize(
    "other",
    [
        (b"another secret", "aoba", IdentifierType.EMAIL, "a@b.example"),
        (PEPPER, "midori", IdentifierType.EMAIL, "a@b.example"),
        (PEPPER, "aoba", IdentifierType.MEMBER_ID, "a@b.example"),
        (PEPPER, "aoba", IdentifierType.EMAIL, "c@b.example"),
    ],
)
def test_pepper_realm_kind_and_value_each_change_the_key(other: tuple[bytes, str, IdentifierType, str]) -> None:
    assert identifier_key(*other) != identifier_key(PEPPER, "aoba", IdentifierType.EMAIL, "a@b.example")


def test_usable_identifiers_come_strongest_first_without_repeats_and_without_their_values_in_keys() -> None:
    raw = [
        Identifier(type="cookie", value="c-98213ab7"),
        Identifier(type="phone", value="090-1234-5678"),
        Identifier(type="phone", value="+819012345678"),
        Identifier(type="email", value="guest"),
        Identifier(type="shoe_size", value="24"),
        Identifier(type="member_id", value="M-1001"),
    ]
    found = hash_identifiers(raw, PEPPER)
    assert [(item.type, item.value) for item in found] == [
        (IdentifierType.MEMBER_ID, "M-1001"),
        (IdentifierType.PHONE, "+819012345678"),
        (IdentifierType.COOKIE, "c-98213ab7"),
    ]
    assert all(len(item.key) == 32 and int(item.key, 16) >= 0 for item in found)
    assert found == hash_identifiers(reversed(raw), PEPPER)


_WRITTEN = st.one_of(
    st.text(max_size=300),
    st.from_regex(r"\A\S{1,8}@\S{1,8}\.\S{1,4}\Z"),
    st.from_regex(r"\A[+0]?[0-9() -]{5,16}\Z"),
)


@given(st.sampled_from([kind.value for kind in IdentifierType]), _WRITTEN)
def test_whatever_a_sender_writes_normalising_twice_changes_nothing(kind: str, value: str) -> None:
    once = _normal(kind, value)
    assert once is None or _normal(kind, once) == once


def test_customer_ids_are_derived_and_an_epoch_gives_another() -> None:
    key = identifier_key(PEPPER, "aoba", IdentifierType.MEMBER_ID, "M-1001")
    assert customer_id(key) == customer_id(key) == customer_id(key, 0)
    assert customer_id(key) != customer_id(key, 1)
    assert customer_id(key)[14] == "5", "a name-based UUID"


def test_derived_ids_tell_where_one_part_ends() -> None:
    assert derived_id("ab", "c") == derived_id("ab", "c")
    assert derived_id("ab", "c") != derived_id("a", "bc")
    assert len(derived_id("a")) == 32
