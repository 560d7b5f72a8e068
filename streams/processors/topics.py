"""Names of the topics between processors; each is a reviewed file in ``schemas/topics``."""

from __future__ import annotations

IDENTITY_LINKS = "identity-links"
CUSTOMER_EVENTS = "customer-events"
INVENTORY_EVENTS = "inventory-events"
DECISIONS = "decisions"
DELIVERY_OUTCOMES = "delivery-outcomes"
DEAD_LETTERS = "dead-letters"
WORKER_DIRECTORY = "worker-directory"
MESSAGE_CHANNELS = ("line", "sms", "email")


def actions(message_channel: str) -> str:
    """The topic of one sink."""
    return f"actions.{message_channel}"
