"""Rows of the identity processor."""

from __future__ import annotations

from schemas.rows.base import Row


class IdentifierRow(Row, frozen=True, array_like=True):
    """identity.identifiers, partition key = hashed identifier: the customer it belongs to."""

    customer_id: str
    type: str
    because_type: str
    linked_at_ms: int


class LinkRow(Row, frozen=True, array_like=True):
    """identity.links, partition key = hashed stronger identifier, row key = hashed weaker one: a claim already sent."""

    type: str
    customer_id: str
    claimed_at_ms: int
