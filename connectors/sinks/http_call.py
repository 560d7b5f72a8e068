"""One HTTP call to a provider, with the three ways it can end kept apart: answered, never sent, answer lost.

The line between the last two is the connection. While there is none, nothing of the request has left this machine; from
then on the provider may have acted, whatever the exception says.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, ConnectionTimeoutError
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, field_validator


class HttpSettings(BaseModel):
    """Where a provider's HTTP API is and how long to wait for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: AnyHttpUrl
    connect_timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="until the connection (with TLS) stands"
    )
    response_timeout_seconds: float = Field(
        default=15.0, gt=0, le=120, description="longest silence while waiting for the answer"
    )

    @field_validator("base_url")
    @classmethod
    def _credentials_travel_encrypted(cls, url: AnyHttpUrl) -> AnyHttpUrl:
        if url.scheme != "https" and not is_loopback(url.host or ""):
            raise ValueError("use https: the request carries credentials (plain http is for loopback only)")
        return url

    def url(self, path: str) -> str:
        """`base_url` with `path` (beginning with a slash) below it."""
        return str(self.base_url).rstrip("/") + path

    def limits(self) -> ClientTimeout:
        """The total exceeds the connect limit, so that a timeout while connecting is always reported as one; it bounds
        an answer that comes in drops."""
        total = self.connect_timeout_seconds + self.response_timeout_seconds
        return ClientTimeout(total=total, connect=self.connect_timeout_seconds, sock_read=self.response_timeout_seconds)


@dataclass(frozen=True, slots=True)
class Answer:
    """The provider answered, body fully read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body as a JSON object; empty for anything else (an HTML page of a proxy, a cut body)."""
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def retry_after_ms(self, now_ms: int) -> int | None:
        """Retry-After (RFC 9110, 10.2.3: seconds or a date) as epoch millis, never before `now_ms`; None without it."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return now_ms + int(value[:9]) * 1000  # nine digits of seconds are 31 years
        try:
            at = parsedate_to_datetime(value)
        except ValueError:
            return None
        return max(now_ms, int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection: nothing of the request went out. `detail` names the fault."""

    detail: str


@dataclass(frozen=True, slots=True)
class AnswerLost:
    """The request may have been carried out. `detail` names the fault."""

    detail: str


@dataclass(frozen=True, slots=True)
class Api:
    """One provider's HTTP API: the shared session, the headers of every request, the limits of each."""

    http: ClientSession
    headers: Mapping[str, str] = field(repr=False)
    limits: ClientTimeout

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json_body: object = None,
        form: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer | NotSent | AnswerLost:
        """Make one request. Redirects are not followed: these APIs have none, and a repeat must be our decision."""
        try:
            async with self.http.request(
                method,
                url,
                timeout=self.limits,
                headers={**self.headers, **(headers or {})},
                json=json_body,
                data=form,
                params=query,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, response.headers.copy(), await response.read())
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            return NotSent(type(error).__name__)
        except (ClientError, OSError) as error:  # TimeoutError is an OSError
            return AnswerLost(type(error).__name__)


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, IPv6 with or without brackets) is this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
