"""Identifiers of people: kinds, strength, normal form, and the hash that stands for them in keys, ids, URLs and logs.

Pure. The pepper is a secret of the deployment; without it a hashed phone number could be found by trying them all.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers

from schemas.events import Identifier

_CUSTOMERS = uuid.UUID("6f1d8a52-6c0e-5d0b-9a4b-2d5a4b7c1e90")
# Values that forms and SDKs send for "nobody"; joining people by them would merge strangers. Source: Segment, "Identity
# resolution settings", blocked values.
_BLOCKED = re.compile(
    r"^(|null|undefined|anonymous|guest|nan|-1|[0-]*|\[object object\]|none|unknown|n/a)$", re.IGNORECASE
)
MAX_LENGTH = 256


class IdentifierType(StrEnum):
    """Kinds of identifier, strongest first."""

    MEMBER_ID = "member_id"
    LOYALTY_CARD = "loyalty_card"
    EMAIL = "email"
    PHONE = "phone"
    LINE_USER_ID = "line_user_id"
    DEVICE_ID = "device_id"
    COOKIE = "cookie"

    @property
    def strength(self) -> int:
        """0 is the strongest."""
        return _STRENGTH[self]

    @property
    def known(self) -> bool:
        """True when the identifier names a person the retailer knows, not a device."""
        return self in (IdentifierType.MEMBER_ID, IdentifierType.LOYALTY_CARD)


_STRENGTH = {kind: index for index, kind in enumerate(IdentifierType)}


@dataclass(frozen=True, slots=True)
class HashedIdentifier:
    """A normalised identifier and its hash (32 hex characters)."""

    type: IdentifierType
    value: str
    key: str


def normalise(identifier: Identifier, default_region: str = "JP") -> str | None:
    """The form by which two spellings are the same person, or ``None`` when the value names nobody.

    E-mail: lower-cased address. Phone: E.164, read in ``default_region`` (ISO 3166 alpha-2) when it has no ``+``.
    """
    value = identifier.value.strip()
    if len(value) > MAX_LENGTH or _BLOCKED.match(value):
        return None
    if identifier.type == IdentifierType.EMAIL:
        return value.lower() if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value) else None
    if identifier.type == IdentifierType.PHONE:
        try:
            number = phonenumbers.parse(value, default_region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_possible_number(number):
            return None
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return value


def identifier_key(pepper: bytes, realm: str, kind: IdentifierType, value: str) -> str:
    """HMAC-SHA256 over realm, kind and normalised value, first 128 bits as hex."""
    message = "\x00".join((realm, kind, value)).encode()
    return hmac.new(pepper, message, hashlib.sha256).hexdigest()[:32]


def hash_identifiers(
    identifiers: Iterable[Identifier], pepper: bytes, realm: str = "default", default_region: str = "JP"
) -> tuple[HashedIdentifier, ...]:
    """The usable identifiers, strongest first, without repeats; unknown kinds and blocked values are left out."""
    found: dict[str, HashedIdentifier] = {}
    for identifier in identifiers:
        value = normalise(identifier, default_region)
        if value is None or identifier.type not in _STRENGTH:
            continue
        kind = IdentifierType(identifier.type)
        key = identifier_key(pepper, realm, kind, value)
        found.setdefault(key, HashedIdentifier(kind, value, key))
    return tuple(sorted(found.values(), key=lambda item: (item.type.strength, item.key)))


def customer_id(strongest_key: str, epoch: int = 0) -> str:
    """The id of the customer first seen by this hashed identifier; erasure raises the epoch (design: identity)."""
    return str(uuid.uuid5(_CUSTOMERS, f"{strongest_key}:{epoch}"))


def derived_id(*parts: str) -> str:
    """A stable id (32 hex characters) of its parts: the same decision always has the same id."""
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]
