"""Native JSON: one flat event, or an array of them (``application/json``).

``{"type": "OrderPlaced", "event_id": ..., "occurred_at": ..., "channel": ..., "source": ..., "brand": ...,
"identifiers": [{"type": ..., "value": ...}], <the record's own fields>}``. Times are ISO 8601 with an offset or epoch
milliseconds. ``customer_id`` and ``received_at`` are set by Tsunagi and refused from outside.
"""

from __future__ import annotations

from typing import Any

from connectors.sources.batch import parse_events
from connectors.sources.request import RawRequest
from connectors.sources.strict_json import decode
from schemas.events import ChannelEvent

CONTENT_TYPE = "application/json"


def _as_is(item: Any) -> Any:
    return item


def parse(request: RawRequest, now_ms: int) -> list[ChannelEvent]:
    """The events of the body; raises ``MalformedBody`` or ``InvalidInput`` (see :func:`parse_events`)."""
    return parse_events(decode(request.body), _as_is, now_ms)
