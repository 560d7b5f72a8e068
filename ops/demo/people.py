"""Made-up identities for generated customers. None of them can reach a living person.

E-mail: example.com (RFC 2606). Phone: +81 90 0xxx xxxx; Japanese mobile numbers have no 0 at that place, so these are
assigned to nobody, while their length makes them possible. LINE: U and 32 hex characters of a hash.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ops.demo.shares import STORES, Draw, Shares

_ABROAD = ("Asia/Singapore", "Europe/London", "America/Los_Angeles")
_PHONES = 10**7
_STRIDE = 7_919  # prime to _PHONES, so that no two customers of a run share a number


@dataclass(frozen=True, slots=True)
class Person:
    """One customer as the channels know them."""

    customer_sk: int
    name: str
    member_id: str
    email: str
    phone: str
    loyalty_card: str
    device_id: str
    cookie: str
    line_user_id: str | None
    locale: str
    time_zone: str
    preferred_channel: str | None
    consent: tuple[str, ...] | None
    """Message channels of the marketing consent (empty: all), ``None`` when not given."""
    store_id: str
    store_name: str

    def ids(self, *types: str) -> tuple[tuple[str, str], ...]:
        """(type, value) of the named identifier types; one the person does not have is left out."""
        return tuple((kind, value) for kind in types if (value := getattr(self, kind)) is not None)


def person(customer_sk: int, first: str, last: str, draw: Draw, shares: Shares) -> Person:
    """The identity of a generated customer: a function of the seed and the customer's key alone."""
    line = f"U{draw.number('line', customer_sk):016x}{draw.number('line2', customer_sk):016x}"
    has_line = draw.chance(shares.has_line, "has line", customer_sk)
    preferred = _preferred(draw.unit("prefers", customer_sk), shares)
    phone = (customer_sk * _STRIDE + draw.number("phones") % _PHONES) % _PHONES
    consenting = draw.unit("consents", customer_sk)
    consent: tuple[str, ...] | None = None
    if consenting < shares.consents_to_all:
        consent = ()
    elif consenting < shares.consents_to_all + shares.consents_to_email_only:
        consent = ("email",)
    store_id, store_name = draw.pick(STORES[: shares.stores], "store", customer_sk)
    return Person(
        customer_sk=customer_sk,
        name=first,
        member_id=f"M-{draw.seed}-{customer_sk:06d}",
        email=f"{_slug(first)}.{_slug(last)}.{draw.seed}.{customer_sk}@example.com",
        phone=f"+81900{phone:07d}",
        loyalty_card=f"LC-{draw.seed}-{customer_sk:06d}",
        device_id=f"device-{draw.number('device', customer_sk):016x}",
        cookie=f"cookie-{draw.number('cookie', customer_sk):016x}",
        line_user_id=line if has_line else None,
        locale="en" if draw.chance(shares.speaks_english, "english", customer_sk) else "ja",
        time_zone=draw.pick(_ABROAD, "zone", customer_sk)
        if draw.chance(shares.lives_abroad, "abroad", customer_sk)
        else "Asia/Tokyo",
        preferred_channel=None if preferred == "line" and not has_line else preferred,
        consent=consent,
        store_id=store_id,
        store_name=store_name,
    )


def _preferred(unit: float, shares: Shares) -> str | None:
    for channel, share in shares.prefers:
        unit -= share
        if unit < 0:
            return channel
    return None


def _slug(name: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only.lower()).strip("-") or "customer"
