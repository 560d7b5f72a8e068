"""Flat native events in the form of CloudEvents, for tests that send both."""

from __future__ import annotations

from typing import Any


def as_cloudevent(flat: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """``flat`` as a structured CloudEvent 1.0, with some of its attributes changed."""
    data = {name: value for name, value in flat.items() if name not in ("type", "event_id", "source", "occurred_at")}
    channel, brand = data.pop("channel"), data.pop("brand")
    return {
        "specversion": "1.0",
        "type": f"tsunagi.{flat['type']}",
        "id": flat["event_id"],
        "source": f"https://retailer.example/systems/{flat['source']}",
        "time": flat["occurred_at"],
        "datacontenttype": "application/json",
        "channel": channel,
        "brand": brand,
        "data": data,
    } | changes
