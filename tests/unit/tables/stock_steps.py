"""Short ways to tell the shelf something, and to look at it. One SKU, by default in one store."""

from __future__ import annotations

from schemas.events import (
    ReleaseReason,
    ReservationReleased,
    StockBasis,
    StockLevelReported,
    StockReserved,
    StockSold,
)
from schemas.rows import ReservationRow, StockRow
from tables import inventory
from tables.inventory import RESERVATIONS, STOCK
from tables.view import DictView
from tests.builders import envelope

NOW = 10_000
SKU = "SKU-1"


def count(
    view: DictView,
    at: int,
    quantity: int,
    *,
    basis: StockBasis = StockBasis.ON_HAND,
    safety: int | None = None,
    location: str = "shibuya",
) -> None:
    event = StockLevelReported(
        envelope=envelope(at, identifiers=()),
        sku=SKU,
        location_id=location,
        quantity=quantity,
        basis=basis,
        safety_stock=safety,
    )
    inventory.fold(view, event, NOW)


def sell(view: DictView, at: int, quantity: int, movement: str = "m-1", now: int = NOW) -> None:
    event = StockSold(movement_id=movement, sku=SKU, location_id="shibuya", quantity=quantity, sold_at=at)
    inventory.fold(view, event, now)


def reserve(view: DictView, at: int, quantity: int, reservation: str = "r-1", until: int = NOW + 500) -> None:
    event = StockReserved(
        reservation_id=reservation,
        order_id="O-1",
        customer_id="c-1",
        sku=SKU,
        location_id="shibuya",
        quantity=quantity,
        reserved_at=at,
        expires_at=until,
    )
    inventory.fold(view, event, NOW)


def release(view: DictView, at: int, reason: ReleaseReason, reservation: str = "r-1", now: int = NOW) -> None:
    event = ReservationReleased(
        reservation_id=reservation, order_id="O-1", sku=SKU, location_id="shibuya", reason=reason, released_at=at
    )
    inventory.fold(view, event, now)


def stock(view: DictView, location: str = "shibuya") -> StockRow:
    row = view.get(STOCK, SKU, location)
    assert row is not None
    return row


def hold(view: DictView, reservation: str = "r-1") -> ReservationRow:
    row = view.get(RESERVATIONS, SKU, f"shibuya/{reservation}")
    assert row is not None
    return row


def shelf(view: DictView) -> tuple[int, int, int]:
    """(on hand, reserved, available to promise)"""
    row = stock(view)
    return row.on_hand, row.reserved, row.available_to_promise
