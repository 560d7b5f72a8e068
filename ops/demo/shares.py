"""Every made-up rule of the TPC-DS input in one place, and the seeded draw that applies them.

The generator knows who bought what, when and for how much, in a store, on the web or from the catalogue. It knows no
carts, pickups, calls, visits, consents or identifiers. Those are derived by the shares and spans below; whatever is not
named here comes from the generated tables as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
Span = tuple[int, int]
"""Lowest and highest value, both included."""

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares are probabilities (0 to 1), spans are inclusive; each is drawn by hash of the seed and the thing's id."""

    # People, at their sign-up on the first virtual day. Everyone has a member id, e-mail, phone, card, device, cookie.
    has_line: float = 0.7
    speaks_english: float = 0.2
    """Others get Japanese."""
    lives_abroad: float = 0.05
    """Their quiet hours are counted in another zone."""
    prefers: tuple[tuple[str | None, float], ...] = (("line", 0.45), ("sms", 0.2), ("email", 0.2), (None, 0.15))
    """Preferred message channel; ``line`` without a LINE account becomes none."""
    consents_to_all: float = 0.7
    consents_to_email_only: float = 0.15
    """The rest gives no marketing consent."""
    withdraws: float = 0.05
    """Of those who gave it: withdraw it on a later day."""

    # Web orders.
    not_logged_in: float = 0.3
    """Cart and views by cookie only, the order by e-mail and cookie; else member id and cookie."""
    viewed_before_cart: float = 0.3
    """Of cart lines: the product's page was viewed before."""
    view_before_cart_minutes: Span = (1, 8)
    cart_before_order_minutes: Span = (2, 40)
    leaves_something: float = 0.25
    """Another product is put into the cart after the order and left there: an abandoned cart."""
    left_after_order_minutes: Span = (5, 30)
    pickup: float = 0.35
    """Ordered for pickup at the home store."""
    pickup_never_collected: float = 0.08
    pickup_hold_days: int = 7
    cancelled: float = 0.05
    """Of web and catalogue orders."""
    cancelled_after_minutes: Span = (5, 90)

    # Store sales.
    stores: int = 4
    """The generator has one store below scale factor 0.2: each customer has a home store among these many instead."""
    sale_without_card: float = 0.15
    """Anonymous: counts for stock only."""
    tried_in_cart_first: float = 0.2
    """Of sales with a card: up to three of the products were in the web cart shortly before: bought elsewhere."""
    cart_before_sale_minutes: Span = (20, 50)
    checks_in: float = 0.4
    """Of sales with a card: the app checked in at the store first."""
    check_in_before_sale_minutes: Span = (5, 30)
    safety_stock: int = 2

    # Catalogue orders and calls.
    known_by_number_only: float = 0.6
    """Of catalogue orders: the caller gives no member id."""
    calls: float = 0.3
    """Of orders and sales with a card: a call about them the day after, known by phone number only."""
    call_hours: Span = (9, 22)
    """Local hours in which calls begin, the second one excluded; some fall into quiet hours."""
    call_seconds: Span = (60, 1_200)
    solved_in_call: float = 0.6


STORES: tuple[tuple[str, str], ...] = (
    ("shibuya", "Shibuya store"),
    ("ginza", "Ginza store"),
    ("umeda", "Umeda store"),
    ("hakata", "Hakata store"),
    ("sakae", "Sakae store"),
    ("sendai", "Sendai store"),
    ("sapporo", "Sapporo store"),
    ("naha", "Naha store"),
)
"""Store id and name; :attr:`Shares.stores` of them are used, at most eight."""


@dataclass(frozen=True, slots=True)
class Draw:
    """Chance without a random number generator: a hash of the seed and what is being decided.

    The same question has the same answer in any order, so adding a rule changes no other rule's outcome.
    """

    seed: int

    def number(self, *what: object) -> int:
        """A 64-bit number for this question."""
        text = "\x00".join(map(str, (self.seed, *what)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")

    def unit(self, *what: object) -> float:
        """A number in [0, 1)."""
        return (self.number(*what) >> 11) / (1 << 53)

    def chance(self, share: float, *what: object) -> bool:
        """True for ``share`` of all questions."""
        return self.unit(*what) < share

    def between(self, span: Span, *what: object) -> int:
        """An integer of the span, both ends included."""
        low, high = span
        return low + self.number(*what) % (high - low + 1)

    def pick(self, options: Sequence[T], *what: object) -> T:
        """One of the options, each as likely."""
        return options[self.number(*what) % len(options)]
