"""Native JSON and CloudEvents lead to the same events; arrays are taken whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.sources import FORMATS
from connectors.sources.batch import MAX_ERRORS, MAX_EVENTS, InvalidEvents
from connectors.sources.request import RawRequest
from schemas.catalogue import ROOT, channel_record_names
from schemas.errors import InvalidInput
from schemas.events import ChannelEvent, ProductViewed
from tests.cloudevents import as_cloudevent

NATIVE, SINGLE, BATCH = FORMATS
EXAMPLES = ROOT / "examples"
NOW_MS = 1_795_400_000_000
WRITTEN_BY_US = {"MessageDelivered", "MessageFailed"}
FROM_OUTSIDE = sorted(channel_record_names() - WRITTEN_BY_US)


def example(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(Path(EXAMPLES / f"{name}.json").read_text())
    return loaded


def take(content_type: str, value: object) -> list[ChannelEvent]:
    return FORMATS[content_type](RawRequest(json.dumps(value).encode(), {}), NOW_MS)


@pytest.mark.parametrize("name", FROM_OUTSIDE)
def test_a_cloudevent_says_the_same_as_native_json(name: str) -> None:
    flat = example(name)
    (native,) = take(NATIVE, flat)
    assert type(native).__name__ == name
    assert take(SINGLE, as_cloudevent(flat)) == [native]
    assert take(BATCH, [as_cloudevent(flat)] * 2) == [native] * 2


@pytest.mark.parametrize("name", sorted(WRITTEN_BY_US))
def test_what_only_tsunagi_writes_is_refused(name: str) -> None:
    with pytest.raises(InvalidEvents):
        take(NATIVE, example(name))


def test_channel_and_brand_may_stand_in_the_data() -> None:
    flat = example("ProductViewed")
    cloudevent = as_cloudevent(flat)
    cloudevent["data"] |= {name: cloudevent.pop(name) for name in ("channel", "brand")}
    assert take(SINGLE, cloudevent) == take(NATIVE, flat)


@pytest.mark.parametrize("uri", ["{}", "/eu/{}/", "urn:example:{}", "https://retailer.example/{}"])
def test_the_tail_of_the_source_uri_names_the_system(uri: str) -> None:
    flat = example("ProductViewed")
    (event,) = take(SINGLE, as_cloudevent(flat, source=uri.format(flat["source"])))
    assert event.envelope.source == flat["source"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"type": "com.example.ProductViewed"}, "type"),
        ({"id": ""}, "id"),
        ({"time": None}, "time"),
        ({"data": "text"}, "data"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"channel": "nowhere"}, "channel"),
    ],
)
def test_what_is_no_cloudevent_of_ours_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvents) as refused:
        take(SINGLE, as_cloudevent(example("ProductViewed"), **changes))
    assert field in {item.error.field for item in refused.value.located}


@pytest.mark.parametrize(("name", "attribute"), [("occurred_at", "time"), ("event_id", "id"), ("type", "type")])
def test_data_must_not_say_an_attribute_again(name: str, attribute: str) -> None:
    flat = example("ProductViewed")
    cloudevent = as_cloudevent(flat)
    cloudevent["data"][name] = flat[name]
    with pytest.raises(InvalidEvents) as refused:
        take(SINGLE, cloudevent)
    (item,) = refused.value.located
    assert item.error.field == f"data.{name}"
    assert attribute in item.error.message


def test_brand_in_both_places_is_refused() -> None:
    cloudevent = as_cloudevent(example("ProductViewed"))
    cloudevent["data"]["brand"] = "other"
    with pytest.raises(InvalidEvents) as refused:
        take(SINGLE, cloudevent)
    assert [item.error.field for item in refused.value.located] == ["data.brand"]


@pytest.mark.parametrize(("content_type", "value"), [(SINGLE, [{}]), (BATCH, {}), (NATIVE, []), (BATCH, [])])
def test_the_shape_must_fit_the_content_type(content_type: str, value: object) -> None:
    with pytest.raises(InvalidInput):
        take(content_type, value)


@pytest.mark.parametrize("value", [None, 7, "text", [[]], [None]])
def test_what_is_no_object_is_no_event(value: object) -> None:
    with pytest.raises(InvalidInput):
        take(NATIVE, value)
    with pytest.raises(InvalidInput):
        take(SINGLE, value)


def test_one_wrong_event_refuses_the_array_and_is_named_with_its_index() -> None:
    good = example("ProductViewed")
    wrong = {name: value for name, value in good.items() if name != "sku"}
    with pytest.raises(InvalidEvents, match="2 of 4 events are invalid; none was taken") as refused:
        take(NATIVE, [good, wrong, good, good | {"quantity": 1}])
    assert [(item.index, item.error.field) for item in refused.value.located] == [(1, "sku"), (3, "quantity")]


def test_a_single_event_is_refused_in_its_own_words() -> None:
    with pytest.raises(InvalidEvents, match="ProductViewed: sku is missing"):
        take(NATIVE, {name: value for name, value in example("ProductViewed").items() if name != "sku"})


def test_an_array_has_a_limit_and_so_has_the_list_of_its_errors() -> None:
    good = example("ProductViewed")
    assert len(take(NATIVE, [good] * MAX_EVENTS)) == MAX_EVENTS
    with pytest.raises(InvalidInput, match=f"1 to {MAX_EVENTS}"):
        take(NATIVE, [good] * (MAX_EVENTS + 1))
    with pytest.raises(InvalidEvents, match=f"{MAX_EVENTS} of {MAX_EVENTS}") as refused:
        take(NATIVE, [{"type": "Nothing"}] * MAX_EVENTS)
    assert len(refused.value.located) == MAX_ERRORS


def test_the_registry_names_every_source_once() -> None:
    assert isinstance(take(NATIVE, example("ProductViewed"))[0], ProductViewed)
    assert len(set(FORMATS)) == 3
