"""What conditions and templates may name: the fields of events and of the customer's state, with their kinds.

Derived from the event types and from the view types below, so a misspelt field is found before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import Struct

from schemas.events import RECORD_TYPES, ClockTick, CustomerEvent, Envelope, Fulfilment, OrderLine, RulesetActivated
from schemas.rows import InquiryState, OrderStatus

# Identifiers are personal data and no part of a decision; the rest is set by Tsunagi.
HIDDEN_ENVELOPE_FIELDS = frozenset({"identifiers", "customer_id", "received_at"})


class Kind(StrEnum):
    """Kinds of value, in an author's words."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "true or false"
    LIST = "a list"
    RECORD = "a record"
    MAP = "a map"
    ANY = "anything"


@dataclass(frozen=True, slots=True)
class Shape:
    """The kind of a value and what is inside it."""

    kind: Kind
    fields: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape | None = None
    choices: frozenset[str] = frozenset()
    optional: bool = False
    """The field may be absent; conditions ask with ``has()``, templates with ``is defined`` or ``default``."""


ANY = Shape(Kind.ANY)


class CartLineView(Struct, frozen=True):
    """A line of the cart with at least one unit."""

    sku: str
    quantity: int
    unit_price_minor: int
    currency: str
    name: str | None = None
    url: str | None = None


class CartView(Struct, frozen=True):
    """The cart. ``total_minor`` is absent when the lines are in several currencies."""

    lines: tuple[CartLineView, ...]
    units: int
    total_minor: int | None = None


class OrderView(Struct, frozen=True):
    """An order, or a sale at a till. Times that have not come yet are absent."""

    order_id: str
    status: OrderStatus
    channel: str
    brand: str
    total_minor: int
    currency: str
    fulfilment: Fulfilment
    lines: tuple[OrderLine, ...]
    placed_at_ms: int | None = None
    ready_at_ms: int | None = None
    collected_at_ms: int | None = None
    cancelled_at_ms: int | None = None
    store_id: str | None = None
    store_name: str | None = None


class ProfileView(Struct, frozen=True):
    """The customer. ``reachable_on``: message channels with an address."""

    first_seen_ms: int
    last_seen_ms: dict[str, int]
    reachable_on: tuple[str, ...]
    name: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    preferred_channel: str | None = None
    last_store_id: str | None = None


class InquiryView(Struct, frozen=True):
    """An inquiry thread."""

    inquiry_id: str
    topic: str
    state: InquiryState
    opened_at_ms: int
    last_activity_ms: int
    order_id: str | None = None
    subject: str | None = None


class BrandView(Struct, frozen=True):
    """The brand, in the language of the message (templates only)."""

    name: str
    title: str


STATE_TYPES: Mapping[str, Any] = {
    "cart": CartView,
    "orders": tuple[OrderView, ...],
    "profile": ProfileView,
    "inquiries": tuple[InquiryView, ...],
    "now_ms": int,
}
ROOTS = ("event", *STATE_TYPES)


def _shape(info: Any, optional: bool = False) -> Shape:
    match info:
        case msgspec.inspect.UnionType():
            others = [kind for kind in info.types if not isinstance(kind, msgspec.inspect.NoneType)]
            return _shape(others[0], optional=True) if len(others) == 1 else ANY
        case msgspec.inspect.StructType():
            return Shape(Kind.RECORD, fields={item.name: _shape(item.type) for item in info.fields}, optional=optional)
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return Shape(Kind.LIST, item=_shape(info.item_type), optional=optional)
        case msgspec.inspect.DictType():
            return Shape(Kind.MAP, item=_shape(info.value_type), optional=optional)
        case msgspec.inspect.EnumType():
            return Shape(Kind.TEXT, choices=frozenset(str(member.value) for member in info.cls), optional=optional)
        case msgspec.inspect.StrType():
            return Shape(Kind.TEXT, optional=optional)
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            return Shape(Kind.NUMBER, optional=optional)
        case msgspec.inspect.BoolType():
            return Shape(Kind.TRUTH, optional=optional)
    return ANY


@cache
def event_types() -> tuple[str, ...]:
    """Event types that rules may listen to: what happened to a customer, sorted. Ticks and audit records are not."""
    return tuple(
        sorted(
            kind.__name__
            for kind in get_args(CustomerEvent)
            if kind not in (ClockTick, RulesetActivated) and "envelope" in kind.__struct_fields__
        )
    )


@cache
def event_shape(name: str) -> Shape:
    """The flat form of one event type: ``type``, the envelope's fields and its own, as over HTTP."""
    own = _shape(msgspec.inspect.type_info(RECORD_TYPES[name])).fields
    envelope = _shape(msgspec.inspect.type_info(Envelope)).fields
    return Shape(
        Kind.RECORD,
        fields={
            "type": Shape(Kind.TEXT, choices=frozenset({name})),
            **{key: shape for key, shape in envelope.items() if key not in HIDDEN_ENVELOPE_FIELDS},
            **{key: shape for key, shape in own.items() if key != "envelope"},
        },
    )


def events_shape(names: Iterable[str]) -> Shape:
    """The fields of any of the event types; one that not all of them have is optional."""
    shapes = [event_shape(name) for name in names]
    merged: dict[str, Shape] = {}
    for key in {key for shape in shapes for key in shape.fields}:
        found = [shape.fields[key] for shape in shapes if key in shape.fields]
        kinds = {shape.kind for shape in found}
        merged[key] = Shape(
            found[0].kind if len(kinds) == 1 else Kind.ANY,
            fields=found[0].fields if len(kinds) == 1 else {},
            item=found[0].item if len(kinds) == 1 else None,
            choices=frozenset[str]().union(*(shape.choices for shape in found))
            if all(shape.choices for shape in found)
            else frozenset(),
            optional=len(found) < len(shapes) or any(shape.optional for shape in found),
        )
    return Shape(Kind.RECORD, fields=merged)


@cache
def state_shapes() -> Mapping[str, Shape]:
    """The shapes of cart, orders, profile, inquiries and now_ms."""
    return {name: _shape(msgspec.inspect.type_info(kind)) for name, kind in STATE_TYPES.items()}


@cache
def brand_shape() -> Shape:
    """The shape of ``brand`` in templates."""
    return _shape(msgspec.inspect.type_info(BrandView))


def sample(shape: Shape, full: bool) -> Any:
    """A made-up value of this shape: with every optional field (``full``), or with none of them."""
    match shape.kind:
        case Kind.RECORD:
            return {key: sample(inner, full) for key, inner in shape.fields.items() if full or not inner.optional}
        case Kind.LIST:
            return [sample(shape.item, full)] if shape.item else []
        case Kind.NUMBER:
            return 1
        case Kind.TRUTH:
            return True
        case Kind.MAP:
            return {}
        case _:
            return min(shape.choices) if shape.choices else "x"
