"""Sources: what comes in over HTTP becomes events. Pure functions, one file a source.

A new webhook is one file with ``verify``, ``parse`` and a settings model, its line in ``WEBHOOKS``, and its fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.sources import cloudevents, native, shopify
from connectors.sources.request import RawRequest, Webhook
from schemas.events import ChannelEvent

FORMATS: Mapping[str, Callable[[RawRequest, int], list[ChannelEvent]]] = {
    native.CONTENT_TYPE: native.parse,
    cloudevents.SINGLE: cloudevents.parse,
    cloudevents.BATCH: cloudevents.parse_batch,
}
"""Bodies of ``POST /v1/events`` by content type."""

WEBHOOKS: Mapping[str, Webhook[Any]] = {
    "shopify": shopify.WEBHOOK,
}
"""``POST /v1/webhooks/{source}`` by source."""
