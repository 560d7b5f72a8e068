"""Which customer an identifier belongs to, and which claims it has made on weaker ones.

First form of identity: the strongest identifier of an event decides, links are recorded, and a weaker identifier
follows the latest claim of a stronger one. Customers do not merge yet.
"""

from __future__ import annotations

from schemas.events import IdentifierClaimed, IdentifierLinked
from schemas.identifiers import HashedIdentifier, IdentifierType, customer_id
from schemas.rows import IdentifierRow, LinkRow
from tables.view import Rows, Table

IDENTIFIERS = Table("identifiers", IdentifierRow)
LINKS = Table("links", LinkRow)


def resolve(rows: Rows[IdentifierRow], identifier: HashedIdentifier, at_ms: int) -> str:
    """The customer of an identifier; a new one when it was never seen."""
    row = rows.get()
    if row is None:
        row = IdentifierRow(customer_id(identifier.key), identifier.type, identifier.type, at_ms)
        rows.put(row)
    return row.customer_id


def new_claims(
    links: Rows[LinkRow], strongest: HashedIdentifier, others: tuple[HashedIdentifier, ...], customer: str, at_ms: int
) -> list[IdentifierClaimed]:
    """Claims for identifiers seen together with a stronger one for the first time."""
    claims = []
    for other in others:
        known = links.get(other.key)
        if known is None or known.customer_id != customer:
            links.put(LinkRow(other.type, customer, at_ms), other.key)
            claims.append(
                IdentifierClaimed(
                    identifier_key=other.key,
                    identifier_type=other.type,
                    customer_id=customer,
                    because_key=strongest.key,
                    because_type=strongest.type,
                    claimed_at=at_ms,
                )
            )
    return claims


def accept(rows: Rows[IdentifierRow], claim: IdentifierClaimed) -> IdentifierLinked | None:
    """Follow a claim; ``None`` when nothing changes.

    A claim by a weaker kind than the one that holds the identifier changes nothing; among equals the later event wins
    (a device or phone handed on in the family is re-pointed, two people never become one).
    """
    row = rows.get()
    if row is not None and row.customer_id == claim.customer_id:
        return None
    if row is not None:
        held, claiming = IdentifierType(row.because_type).strength, IdentifierType(claim.because_type).strength
        if held < claiming or (held == claiming and row.linked_at_ms > claim.claimed_at):
            return None
    rows.put(IdentifierRow(claim.customer_id, claim.identifier_type, claim.because_type, claim.claimed_at))
    return IdentifierLinked(
        customer_id=claim.customer_id,
        identifier_key=claim.identifier_key,
        identifier_type=claim.identifier_type,
        because_type=claim.because_type,
        previous_customer_id=None if row is None else row.customer_id,
        linked_at=claim.claimed_at,
    )
