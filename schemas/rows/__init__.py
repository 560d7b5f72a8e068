"""Row types of the tables. A changelog is a topic too, so rows are part of the contract.

A row travels as one version byte and a msgpack array; fields are only ever appended, with a default, and golden-bytes
tests hold the old versions readable. Frozen: a fold replaces a row, it never edits one. Times are epoch
milliseconds UTC.
"""

from schemas.rows.base import Row
from schemas.rows.customer import (
    CartLineRow,
    ConsentRow,
    InquiryIndexRow,
    InquiryMessageRow,
    InquiryRow,
    InquiryState,
    OrderRow,
    OrderStatus,
    ProfileRow,
)
from schemas.rows.delivery import AttemptRow, AttemptState
from schemas.rows.engine import PositionRow
from schemas.rows.identity import IdentifierRow, LinkRow
from schemas.rows.inventory import MovementRow, ReservationRow, StockRow
from schemas.rows.journeys import JourneyRow, JourneyState, RulesetRow, SendRow

__all__ = [
    "AttemptRow",
    "AttemptState",
    "CartLineRow",
    "ConsentRow",
    "IdentifierRow",
    "InquiryIndexRow",
    "InquiryMessageRow",
    "InquiryRow",
    "InquiryState",
    "JourneyRow",
    "JourneyState",
    "LinkRow",
    "MovementRow",
    "OrderRow",
    "OrderStatus",
    "PositionRow",
    "ProfileRow",
    "ReservationRow",
    "Row",
    "RulesetRow",
    "SendRow",
    "StockRow",
]
