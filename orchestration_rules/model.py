"""What authors write: rules, templates, brands and caps as frozen, strict models. Times of day are ``HH:MM``."""

from __future__ import annotations

from datetime import time
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from orchestration_rules import durations, quiet
from orchestration_rules.shapes import event_types

SERVICE = "service"
ALL_BRANDS = "all"
MESSAGE_CHANNELS = ("line", "sms", "email")
NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
LOCALE = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$"

MessageChannel = Literal["line", "sms", "email"]
RuleName = Annotated[str, Field(pattern=NAME, max_length=64)]


def _checked_duration(text: str) -> str:
    durations.duration_ms(text)
    return text


Duration = Annotated[
    str, AfterValidator(_checked_duration), WithJsonSchema({"type": "string", "pattern": durations.PATTERN})
]
Condition = Annotated[str, Field(min_length=1, max_length=2_000)]


def _one_or_several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


_EVENT: dict[str, Any] = {"enum": list(event_types())}
EventTypes = Annotated[
    tuple[str, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_several),
    WithJsonSchema({"anyOf": [_EVENT, {"type": "array", "items": _EVENT, "minItems": 1}]}),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, populate_by_name=False)


class Quiet(StrEnum):
    """What happens to a message that would go out in the customer's quiet hours."""

    HOLD = "hold"
    DROP = "drop"
    IGNORE = "ignore"


class Trigger(_Strict):
    """What starts the rule."""

    event: EventTypes = Field(description="The event, or a list of events, that starts the rule.")


class Wait(_Strict):
    """Time that passes between the trigger and the message."""

    for_: Duration = Field(alias="for", description="How long to wait, counted from the trigger's own time, e.g. PT1H.")
    restart: bool = Field(default=False, description="true: each further trigger starts the wait anew.")


class Exit(_Strict):
    """What ends a waiting or held journey without a message."""

    event: EventTypes = Field(description="The event, or a list of events.")
    when: Condition | None = Field(
        default=None, description="CEL: it ends only if this holds after the event; `event` is the exit event."
    )


class Send(_Strict):
    """The message."""

    template: RuleName = Field(description="Name of the template: templates/<name>.<locale>.yaml.")
    channels: tuple[MessageChannel, ...] = Field(
        min_length=1, description="Message channels in order: the first with an address and consent is used."
    )
    prefer: Literal["customer"] | None = Field(
        default=None, description="customer: the channel the customer prefers comes first, if it is in the list."
    )

    @field_validator("channels")
    @classmethod
    def _no_repeats(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(channels)) < len(channels):
            raise ValueError(f"expected each channel once, found {', '.join(channels)}")
        return channels


class Rule(_Strict):
    """A rule: when this happens to a customer, send that, unless."""

    rule: RuleName = Field(description="Name of the rule; also the name of its file.")
    title: str = Field(min_length=1, max_length=200, description="One line that says what it does.")
    version: int = Field(ge=1, description="Raised by the author with each change of meaning.")
    purpose: str = Field(
        pattern=r"^[a-z][a-z0-9_-]*$",
        description="service: about something the person ordered, booked or asked; needs no consent, is never capped. "
        "Anything else (e.g. marketing) is the consent purpose that the customer must have allowed.",
    )
    brand: str = Field(default=ALL_BRANDS, pattern=NAME, description="A brand of brands.yaml, or all.")
    trigger: Trigger
    correlation: str = Field(
        default="customer",
        pattern=r"^(customer|event\.[a-z][a-z0-9_]*)$",
        description="What a journey is about: at most one is open per rule and value. customer, or event.<field>.",
    )
    when: Condition | None = Field(
        default=None, description="CEL over event, cart, orders, profile, inquiries: the rule applies only if it holds."
    )
    wait: Wait | None = None
    exit: tuple[Exit, ...] = Field(default=(), description="Events that end a waiting or held journey.")
    still: Condition | None = Field(
        default=None, description="CEL, checked again after a wait or a hold. Left out: the same as `when`."
    )
    send: Send
    quiet: Quiet = Field(
        description="In the customer's quiet hours: hold (send when they end), drop, or ignore (only for service "
        "messages that the person is waiting for right now)."
    )
    valid_for: Duration = Field(
        description="How long the message is worth sending, counted from the trigger's own time, waits included."
    )
    cap: RuleName | None = Field(default=None, description="Cap group of caps.yaml. Not for service.")
    re_entry: str = Field(
        description="After a message was sent, for the same correlation: never (within 365 days), always, or again "
        "after a duration such as P1D.",
        json_schema_extra={"pattern": f"^(never|always)$|{durations.PATTERN}"},
    )
    on_unknown: Literal["drop", "resend"] = Field(
        default="drop", description="When nobody can say whether the provider sent it: drop, or send once more."
    )

    @field_validator("re_entry")
    @classmethod
    def _word_or_duration(cls, text: str) -> str:
        if text not in ("never", "always"):
            try:
                durations.duration_ms(text)
            except ValueError as error:
                raise ValueError(f"expected never, always, or a duration; {error}") from error
        return text

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        if self.wait and durations.duration_ms(self.valid_for) <= durations.duration_ms(self.wait.for_):
            raise ValueError(
                f"valid_for {self.valid_for} ends before the wait of {self.wait.for_} does, so nothing would ever be "
                "sent; valid_for counts from the trigger, waits included: make it longer"
            )
        if self.purpose == SERVICE and self.cap:
            raise ValueError("service messages are never capped: remove cap, or state the consent purpose")
        if self.purpose != SERVICE and self.quiet is Quiet.IGNORE:
            raise ValueError("quiet: ignore is for service messages only: use hold or drop, or purpose: service")
        return self

    @property
    def needs_consent(self) -> bool:
        """False for service messages."""
        return self.purpose != SERVICE

    def for_brand(self, brand: str) -> bool:
        """Whether the rule is for this brand."""
        return self.brand in (ALL_BRANDS, brand)


def _one_text(value: Any) -> Any:
    return {"default": value} if isinstance(value, str) else value


class Template(_Strict):
    """A message in one locale. Jinja2 over event, cart, orders, profile, inquiries and brand."""

    subject: str | None = Field(default=None, min_length=1, description="Subject line, for e-mail.")
    text: Annotated[dict[Literal["default", "line", "sms", "email"], str], BeforeValidator(_one_text)] = Field(
        min_length=1, description="One text, or one per channel with `default` for the others."
    )

    def text_for(self, channel: str) -> str | None:
        """The source of the text for a channel, ``None`` when the template has none."""
        return self.text.get(channel) or self.text.get("default")  # type: ignore[call-overload]


def _clock_time(value: Any) -> Any:
    if isinstance(value, str) and len(value) == 5 and value[2] == ":":
        return value
    raise ValueError(f"expected a time of day as HH:MM, found {value!r}")


def _clock_text(value: time) -> str:
    return f"{value:%H:%M}"


ClockTime = Annotated[time, BeforeValidator(_clock_time), PlainSerializer(_clock_text)]


class QuietHours(_Strict):
    """From a time of day to another, across midnight when the first is later."""

    from_: ClockTime = Field(alias="from")
    to: ClockTime

    @model_validator(mode="after")
    def _not_empty(self) -> QuietHours:
        if self.from_ == self.to:
            raise ValueError(f"quiet hours from {self.from_:%H:%M} to {self.to:%H:%M}: the two must differ")
        return self


class Brand(_Strict):
    """A brand: its zone and quiet hours where the customer told none, its languages."""

    title: dict[str, str] = Field(description="Name of the brand as customers read it, per locale.")
    time_zone: str
    quiet_hours: QuietHours
    locales: tuple[Annotated[str, Field(pattern=LOCALE)], ...] = Field(min_length=1)
    default_locale: str

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if quiet.zone(name) is None:
            raise ValueError(f"expected an IANA time zone such as Asia/Tokyo, found {name!r}")
        return name

    @model_validator(mode="after")
    def _locales_agree(self) -> Brand:
        if self.default_locale not in self.locales:
            raise ValueError(f"default_locale {self.default_locale!r} is not in locales: {', '.join(self.locales)}")
        missing = [locale for locale in self.locales if not self.title.get(locale)]
        if missing:
            raise ValueError(f"title has no name for locale {', '.join(missing)}")
        return self


class Brands(_Strict):
    """brands.yaml."""

    brands: dict[Annotated[str, Field(pattern=NAME)], Brand] = Field(min_length=1)


class CapLimit(_Strict):
    """At most ``limit`` messages per rolling duration, or per calendar day in the customer's zone."""

    limit: int = Field(ge=1)
    rolling: Duration | None = None
    calendar: Literal["day"] | None = None

    @model_validator(mode="after")
    def _one_window(self) -> CapLimit:
        if (self.rolling is None) == (self.calendar is None):
            raise ValueError("expected either rolling: <duration> or calendar: day")
        return self


class Caps(_Strict):
    """caps.yaml: every limit of a group must allow the message."""

    groups: dict[Annotated[str, Field(pattern=NAME)], Annotated[tuple[CapLimit, ...], Field(min_length=1)]]
