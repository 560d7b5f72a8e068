"""Finding out whether Twilio has accepted a message, when its answer was lost.

A Twilio message carries nothing of ours but its content: there is no client reference, and the status callback's
address is not listed. So a message is recognised by recipient, body and time, and that is honest only within these
bounds:

- Two actions with the same text for the same person within minutes cannot be told apart. Taking one for the other
  then withholds a text that the person has just received; not taking it would risk sending it again.
- The window is that of acceptance (date_created, whole seconds, Twilio's clock): from CLOCK_SKEW_MS before the
  attempt until ACCEPTED_WITHIN_MS after it. Later messages with this text belong to other actions.
- The list is asked by recipient alone. DateSent would narrow it, but that is empty for a message still queued, and
  whether such a message passes the filter is not documented; a queued message taken for a missing one would go out
  twice. The sender is not compared: settings may have changed since the attempt.
- A body that Twilio has redacted matches nothing. One in the window means that the question has no answer; so does a
  list too long to read. Redacted numbers hide messages from the list altogether:
  TwilioSettings.messages_are_redacted.

Source (Twilio Docs): "Messages resource", "Read multiple Message resources"; "Twilio's Response", "Paging
Information".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

from connectors.sinks.http_call import AnswerLost, Api, NotSent

CLOCK_SKEW_MS = 2 * 60_000
ACCEPTED_WITHIN_MS = 15 * 60_000  # a request left in a dying connection can still arrive minutes later
_PAGE_SIZE = 1000  # Twilio's maximum; one page holds years of one person's messages
_PAGES_AT_MOST = 5
_TRIAL_PREFIX = "Sent from your Twilio trial account - "
_FAILED = frozenset({"failed", "undelivered", "canceled"})


@dataclass(frozen=True, slots=True)
class Found:
    """Twilio has accepted the message. `failed`: it has also given up on it, for `error_code` where it says so."""

    sid: str
    failed: bool = False
    error_code: int | None = None


@dataclass(frozen=True, slots=True)
class NotFound:
    """The list was read to its end and the message is not in it."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """The list could not be read, or does not answer the question."""

    detail: str


def match_listed(
    listed: Iterable[Mapping[str, object]], *, text: str, from_ms: int, until_ms: int
) -> Found | NotFound | Undecided:
    """The message with `text` accepted in the window around an attempt that began at `from_ms`, seen at `until_ms`.

    `listed` are Message resources of one recipient, in any order. Of several matches one that did not fail is taken.
    """
    earliest = from_ms - CLOCK_SKEW_MS
    latest = min(until_ms + CLOCK_SKEW_MS, from_ms + ACCEPTED_WITHIN_MS)
    wanted = _comparable(text)
    found: Found | None = None
    withheld = False
    for resource in listed:
        sid, created_ms = resource.get("sid"), _epoch_ms(resource.get("date_created"))
        outbound = str(resource.get("direction", "")).startswith("outbound")
        if not outbound or not isinstance(sid, str) or created_ms is None or not earliest <= created_ms <= latest:
            continue
        body = resource.get("body")
        if not isinstance(body, str) or not body:
            withheld = True
        elif wanted in (_comparable(body), _comparable(body.removeprefix(_TRIAL_PREFIX))):
            code = resource.get("error_code")
            candidate = Found(sid, resource.get("status") in _FAILED, code if isinstance(code, int) else None)
            if not candidate.failed:
                return candidate
            found = candidate
    if found is not None:
        return found
    return Undecided("a message in the window has a redacted body") if withheld else NotFound()


async def search(
    api: Api, messages_url: str, *, to: str, text: str, from_ms: int, until_ms: int
) -> Found | NotFound | Undecided:
    """Read the messages to `to` page by page and match them."""
    url, query = messages_url, {"To": to, "PageSize": str(_PAGE_SIZE)}
    listed: list[Mapping[str, object]] = []
    for _ in range(_PAGES_AT_MOST):
        answer = await api.call("GET", url, query=query or None)
        if isinstance(answer, NotSent | AnswerLost):
            return Undecided(f"looking the message up failed: {answer.detail}")
        page = answer.json()
        resources = page.get("messages")
        if answer.status != 200 or not isinstance(resources, list):
            return Undecided(f"looking the message up failed: HTTP {answer.status}")
        listed.extend(resource for resource in resources if isinstance(resource, dict))
        match page.get("next_page_uri"):
            case str(next_page) if next_page.startswith("/") and not next_page.startswith("//"):
                # only a path: the request carries the account's credentials and must stay with its host
                url, query = urljoin(messages_url, next_page), {}
            case _:
                return match_listed(listed, text=text, from_ms=from_ms, until_ms=until_ms)
    return Undecided(f"more than {_PAGES_AT_MOST * _PAGE_SIZE} messages are listed for this recipient")


def _comparable(text: str) -> str:
    """Line ends and outer white space are the only things Twilio is free to change in a plain body."""
    return text.replace("\r\n", "\n").strip()


def _epoch_ms(value: object) -> int | None:
    """An RFC 2822 time in epoch millis."""
    try:
        at = parsedate_to_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if at is None else int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)
