"""Where an accepted event goes, and by which key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.gateway.routing import Router
from schemas.catalogue import ROOT
from schemas.errors import InvalidInput
from schemas.events import ChannelEvent, Identifier
from schemas.identifiers import IdentifierType, derived_id, identifier_key
from schemas.validation import parse_event

PEPPER = b"a pepper of this test"
ROUTER = Router(PEPPER, "realm", "JP")
NOW_MS = 1_795_400_000_000


def event(name: str, **changes: Any) -> ChannelEvent:
    flat = json.loads((ROOT / "examples" / f"{name}.json").read_text())
    return parse_event(flat | changes, NOW_MS)


def identifier(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value}


def test_the_strongest_identifier_decides_the_key_whatever_the_order_and_spelling() -> None:
    weak_first = [identifier("phone", "090-1234-5678"), identifier("email", "Sakura@Example.com")]
    routed = ROUTER.route(event("ProductViewed", identifiers=weak_first), NOW_MS)
    assert routed.key == identifier_key(PEPPER, "realm", IdentifierType.EMAIL, "sakura@example.com")
    assert routed.topic == "channel.web"


def test_no_identifier_shows_in_key_or_topic() -> None:
    routed = ROUTER.route(event("OrderPlaced", identifiers=[identifier("member_id", "M-1001")]), NOW_MS)
    assert "M-1001" not in routed.key + routed.topic


def test_received_at_is_set_and_nothing_else_changes() -> None:
    before = event("OrderPlaced")
    after = ROUTER.route(before, 123).event
    assert after.envelope.received_at == 123
    assert replace(after, envelope=replace(after.envelope, received_at=0)) == before


def test_stock_levels_go_to_the_log_of_their_sku() -> None:
    routed = ROUTER.route(event("StockLevelReported", sku="SKU-9"), NOW_MS)
    assert (routed.topic, routed.key) == ("inventory-events", "SKU-9")


@pytest.mark.parametrize("identifiers", [[], [{"type": "member_id", "value": "guest"}]])
def test_an_anonymous_sale_is_keyed_by_its_receipt(identifiers: list[dict[str, str]]) -> None:
    routed = ROUTER.route(event("SaleAtTill", identifiers=identifiers, receipt_id="R-7", source="pos"), NOW_MS)
    assert (routed.topic, routed.key) == ("channel.store", derived_id("pos", "R-7"))


def test_a_sale_to_a_person_is_keyed_by_the_person() -> None:
    sale = event("SaleAtTill", identifiers=[identifier("loyalty_card", "L-5")])
    assert ROUTER.route(sale, NOW_MS).key == identifier_key(PEPPER, "realm", IdentifierType.LOYALTY_CARD, "L-5")


def test_nobody_named_is_refused() -> None:
    viewed = event("ProductViewed")
    nobody = replace(viewed, envelope=replace(viewed.envelope, identifiers=(Identifier(type="email", value="null"),)))
    with pytest.raises(InvalidInput) as refused:
        ROUTER.route(nobody, NOW_MS)
    assert [error.field for error in refused.value.errors] == ["identifiers"]


def test_a_record_that_its_channel_may_not_send_is_refused() -> None:
    viewed = event("ProductViewed")
    forged = replace(viewed, envelope=replace(viewed.envelope, channel="chat"))
    with pytest.raises(InvalidInput):
        ROUTER.route(forged, NOW_MS)


def test_realm_and_pepper_separate_deployments() -> None:
    viewed = event("ProductViewed")
    others = [Router(PEPPER, "other", "JP"), Router(b"another pepper here", "realm", "JP")]
    assert len({router.route(viewed, NOW_MS).key for router in [ROUTER, *others]}) == 3
