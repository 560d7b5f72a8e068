"""What a source is given and how it says no.

A source turns one HTTP request into events. It is pure: the gateway has read the body, and hands in the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

from schemas.errors import TsunagiError
from schemas.events import ChannelEvent

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RawRequest:
    """One HTTP request as it came in.

    ``headers``: names in lower case, the last value of each. ``url``: the full URL the sender called (some vendors
    sign it). ``body``: the bytes that signatures are computed over, never re-encoded.
    """

    body: bytes
    headers: Mapping[str, str]
    url: str = ""

    def header(self, name: str) -> str:
        """The header's value, ``""`` when absent; ``name`` in lower case."""
        return self.headers.get(name, "")


class SignatureRefused(TsunagiError):
    """The request does not prove who sent it (HTTP 401). The message never contains a secret or a signature."""


class MalformedBody(TsunagiError):
    """The body is not what its content type says (HTTP 400)."""


class IgnoredReason(StrEnum):
    """Why a genuine request leads to no event."""

    TOPIC = "topic"
    """A kind of notice that no record type stands for."""
    TEST = "test"
    """The vendor's test notice."""
    POS_ORDER = "pos_order"
    """A sale at the vendor's till, which the till reports itself."""
    NO_PERSON = "no_person"
    """Nobody to attribute it to: no identifier at all."""


class Ignored(TsunagiError):
    """A genuine request that is answered with success and leads to no event, because a refusal would make the vendor
    switch the subscription off; it is counted by ``reason``."""

    def __init__(self, reason: IgnoredReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Webhook(Generic[Settings]):
    """A vendor's webhook: its settings block, its signature check and its translation.

    ``verify`` raises :class:`SignatureRefused`; it runs before ``parse`` sees the body. ``parse`` takes the request,
    the settings and ``now_ms`` (epoch milliseconds UTC) and raises :class:`MalformedBody`, :class:`Ignored` or
    ``InvalidInput``.
    """

    settings: type[Settings]
    verify: Callable[[RawRequest, Settings], None]
    parse: Callable[[RawRequest, Settings, int], list[ChannelEvent]]
