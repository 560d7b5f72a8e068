"""Rows of the inventory processor."""

from __future__ import annotations

from schemas.events import ReleaseReason, StockBasis
from schemas.rows.base import Row


class StockRow(Row, frozen=True, array_like=True):
    """inventory.stock, partition key = SKU, row key = location: what is there and what of it is promised."""

    reported_quantity: int = 0
    basis: StockBasis = StockBasis.ON_HAND
    as_of_ms: int = 0
    """Event time of the count; 0: never counted."""
    safety_stock: int = 0
    moved_since: int = 0
    """Units that left (positive) since as_of_ms: till sales and collected pickups."""
    reserved: int = 0
    """Sum of open reservations."""
    safety_at_ms: int = 0
    """Event time at which safety_stock was last stated."""
    held_at_count: int = 0
    """SALABLE only: units of the reservations that were open when the count was taken."""
    settled_to_ms: int = 0
    """Latest event time of a movement whose row was swept: an older count can no longer be applied."""

    @property
    def on_hand(self) -> int:
        """Units on the shelf.

        A salable feed has subtracted the reservations open at its count, so those are added back; later ones it has
        not seen, and one that is collected since is in moved_since.
        """
        return self.reported_quantity + self.held_at_count - self.moved_since

    @property
    def physically_available(self) -> int:
        """on_hand - reserved."""
        return self.on_hand - self.reserved

    @property
    def available_to_promise(self) -> int:
        """on_hand - reserved - safety_stock; may be negative when more was promised than is there."""
        return self.on_hand - self.reserved - self.safety_stock


class ReservationRow(Row, frozen=True, array_like=True):
    """inventory.reservations, partition key = SKU, row key = location/reservation id.

    Quantity 0: released, or the release came first; kept against repeats until it is swept.
    """

    location_id: str
    order_id: str
    quantity: int
    """Units held now."""
    reserved_at_ms: int
    due_ms: int | None
    """When the hold ends by itself; once released: when the row is swept."""
    units: int = 0
    """Units that were reserved; 0: the release came first."""
    stated_at_ms: int = 0
    """Event time of the word that due_ms is from: the latest one moves the end of the hold."""
    released_as: ReleaseReason | None = None
    released_at_ms: int = 0


class MovementRow(Row, frozen=True, array_like=True):
    """inventory.movements, partition key = SKU, row key = location/event time/movement id.

    Units that left since the last count.
    """

    location_id: str
    at_ms: int
    quantity: int
