"""Who and what the story is about, and the short forms its scenes are written in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops.demo.scenes import Expectation, Scene, StockIs
from ops.demo.timed import STOCK_ROOM, Identifiers, Origin, TimedEvent, timed
from ops.demo.window import ZONE

STORE_ID, STORE_NAME = "shibuya", "Shibuya store"
MEMBER, EMAIL, PHONE_NUMBER, CARD = "member_id", "email", "phone", "loyalty_card"
LINE_USER, DEVICE, COOKIE = "line_user_id", "device_id", "cookie"
_LASTS = timedelta(days=6, hours=12)


@dataclass(frozen=True, slots=True)
class Item:
    """A product of the story."""

    sku: str
    name: str
    url: str
    price_minor: int

    @property
    def line(self) -> dict[str, Any]:
        """One unit, as an order line."""
        priced = {"quantity": 1, "unit_price_minor": self.price_minor, "currency": "JPY"}
        return {"sku": self.sku, "name": self.name, "url": self.url, **priced}

    @property
    def ref(self) -> dict[str, Any]:
        """As a product that was talked about or viewed."""
        return {"sku": self.sku, "name": self.name, "url": self.url}


def latest_week_ms(now_ms: int) -> int:
    """The Monday 00:00 in Tokyo (epoch ms) of the latest week whose story, until Sunday noon, is over at ``now_ms``."""
    local = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZONE)
    monday = (local - timedelta(days=local.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    if monday + _LASTS > local:
        monday -= timedelta(days=7)
    return int(monday.timestamp()) * 1000


class Cast:
    """Sakura, her shop and its rain goods in the week from ``week_ms`` (Monday 00:00 in Tokyo, epoch ms) on.

    ``run`` makes another person, products and orders of it, so that a second run on the same broker starts afresh:
    letters and digits, at most 16.
    """

    def __init__(self, week_ms: int, run: str = "") -> None:
        if run and not (run.isascii() and run.isalnum() and len(run) <= 16):
            raise ValueError(f"run is {run!r}; give up to 16 letters and digits")
        self.week_ms = week_ms
        self.tail = f"-{run}" if run else ""
        digest = hashlib.blake2b(f"sakura{self.tail}".encode(), digest_size=16)
        # Nobody's number as in ops.demo.people, apart from the range of the generated customers.
        self.identifiers = {
            MEMBER: f"M-SAKURA{self.tail}",
            EMAIL: f"sakura{self.tail}@example.com",
            PHONE_NUMBER: f"+81700{int.from_bytes(digest.digest()) % 10**7:07d}",
            CARD: f"LC-SAKURA{self.tail}",
            LINE_USER: f"U{digest.hexdigest()}",
            DEVICE: f"device-sakura{self.tail}",
            COOKIE: f"cookie-sakura{self.tail}",
        }
        self.jacket = self._item("RAIN-JACKET-M", "Rain jacket M", 12_800)
        self.hat = self._item("RAIN-HAT", "Rain hat", 4_200)
        self.umbrella = self._item("UMBRELLA", "Folding umbrella", 3_500)
        self.boots = self._item("RAIN-BOOTS-24", "Rain boots 24 cm", 9_800)
        self.order_id = f"ORD-1001{self.tail}"
        self.cart_id = f"cart-sakura{self.tail}"

    @property
    def member(self) -> tuple[str, str]:
        """The strongest identifier, by which the customer is looked up: (type, value)."""
        return MEMBER, self.identifiers[MEMBER]

    def at(self, day: int, clock: str) -> int:
        """Epoch milliseconds of a Tokyo clock time, ``HH:MM``, on a day of the week (0 is Monday)."""
        hours, minutes = map(int, clock.split(":"))
        return self.week_ms + ((day * 24 + hours) * 60 + minutes) * 60_000

    def scene(
        self, key: str, at_ms: int, narration: str, *events: TimedEvent, expect: tuple[Expectation, ...]
    ) -> Scene:
        """A scene at its usual pace."""
        return Scene(key, at_ms, narration, events, expect)

    def event(
        self, type_: str, key: str, at_ms: int, origin: Origin, identifiers: Identifiers, /, **fields: Any
    ) -> TimedEvent:
        """An event of the story; ``key`` is unique in it."""
        return timed(type_, f"story{self.tail}-{key}", at_ms, origin, identifiers, **fields)

    def carted(self, item: Item, key: str, at_ms: int, origin: Origin, identifiers: Identifiers) -> TimedEvent:
        """One unit put into her cart."""
        return self.event("CartLineAdded", key, at_ms, origin, identifiers, cart_id=self.cart_id, line=item.line)

    def counted(self, item: Item, units: int, at_ms: int) -> TimedEvent:
        """A count of the shop's shelf."""
        where = {"sku": item.sku, "location_id": STORE_ID, "quantity": units, "basis": "ON_HAND", "safety_stock": 0}
        return self.event("StockLevelReported", f"stock-{item.sku.lower()}", at_ms, STOCK_ROOM, (), **where)

    def shelf(self) -> tuple[tuple[Item, int], ...]:
        """What the shop has on Monday: item and units."""
        return ((self.jacket, 5), (self.hat, 3), (self.umbrella, 8), (self.boots, 4))

    def stock(self, item: Item, on_hand: int, reserved: int) -> StockIs:
        """The shop's shelf; no safety stock, so all that is not reserved can be promised."""
        return StockIs(item.sku, STORE_ID, on_hand, reserved, on_hand - reserved)

    def ids(self, *types: str) -> Identifiers:
        """Her identifiers of these types."""
        return tuple((kind, self.identifiers[kind]) for kind in types)

    def _item(self, code: str, name: str, price_minor: int) -> Item:
        sku = f"SKU-{code}{self.tail}"
        return Item(sku, name, f"https://shop.example/p/{sku.removeprefix('SKU-').lower()}", price_minor)
