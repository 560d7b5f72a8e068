"""Composing the e-mail: pure, and closed to injected headers and recipients.

Every header value goes through the standard library's registry, which refuses line breaks; addresses are parsed and
must be exactly one mailbox. What does not fit is rejected, never cleaned: a subject with a line break is a fault of
the template or an attack, and either should be seen.

Sources: RFC 5322, RFC 2369 (List-Unsubscribe), RFC 3834 (Auto-Submitted), RFC 6531 (non-ASCII local parts).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

from connectors.sinks.model import Message, Rejected, RejectionReason

_LINE_SEPARATORS = ("Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Composed:
    """What goes over the wire. `sender` and `recipient` are bare addresses with ASCII domains."""

    sender: str
    recipient: str
    message_id: str
    content: bytes
    needs_smtputf8: bool


def parse_address(text: str) -> Address:
    """Exactly one mailbox, its domain in ASCII (IDNA) form. Raises ValueError."""
    # The registry knows RFC 5322 only, which is ASCII; RFC 6531 lets other letters stand wherever a letter may.
    as_ascii = "".join(character if character.isascii() else "x" for character in text)
    try:
        parsed = Address(addr_spec=as_ascii)
    except (ValueError, IndexError, MessageError) as error:
        raise ValueError("expected one e-mail address") from error
    if parsed.addr_spec != as_ascii or not parsed.username or not parsed.domain:
        raise ValueError("expected one e-mail address")
    if _has_controls(text) or any(character.isspace() for character in text):
        raise ValueError("expected one e-mail address")
    local_part, _, domain = text.rpartition("@")
    username = parsed.username if text.isascii() else local_part
    try:
        return Address(username=username, domain=domain.encode("idna").decode("ascii"))
    except UnicodeError as error:
        raise ValueError("the address has an impossible domain") from error


def parse_sender(text: str) -> Address:
    """An address, or a name and an address. Raises ValueError, naming the form."""
    name, address = parseaddr(text)
    if _has_controls(text) or (text != address and not name):
        raise ValueError("expected an address or a name and an address, e.g. 'Shop <shop@example.com>'")
    try:
        parsed = parse_address(address)
    except ValueError as error:
        raise ValueError("expected an address or a name and an address, e.g. 'Shop <shop@example.com>'") from error
    return Address(name, parsed.username, parsed.domain)


def message_id(action_id: str, domain: str) -> str:
    """Message-ID of an action: the same for every attempt, unique by the action id."""
    return f"<{action_id}@{domain}>"


def compose(message: Message, *, sender: str, now_ms: int) -> Composed | Rejected:
    """The e-mail for a message, or why there can be none. `sender` has passed `parse_sender`."""
    try:
        recipient = parse_address(message.to)
    except ValueError:
        return Rejected(RejectionReason.INVALID_ADDRESS, "to: not one e-mail address")
    if message.subject is None or not message.subject.strip() or _has_controls(message.subject):
        return Rejected(RejectionReason.CONTENT_REFUSED, "subject: expected one line of text")
    if message.unsubscribe_url is not None and not _fits_list_header(message.unsubscribe_url):
        return Rejected(RejectionReason.CONTENT_REFUSED, "unsubscribe_url: expected one http(s) or mailto URL")
    author = parse_sender(sender)
    identifier = message_id(message.action_id, author.domain)
    needs_smtputf8 = not (recipient.addr_spec.isascii() and author.addr_spec.isascii())
    # Seven bits suffice for headers and body, so that no server needs 8BITMIME; only an address can demand more.
    email = EmailMessage(policy=(SMTPUTF8 if needs_smtputf8 else SMTP).clone(cte_type="7bit"))
    email["Message-ID"] = identifier
    email["Date"] = format_datetime(datetime.fromtimestamp(now_ms / 1000, UTC))
    email["From"] = author
    email["To"] = recipient
    email["Subject"] = message.subject
    email["Auto-Submitted"] = "auto-generated"  # keeps out-of-office replies away
    if message.unsubscribe_url is not None:
        email["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
    email.set_content(message.text)
    return Composed(author.addr_spec, recipient.addr_spec, identifier, email.as_bytes(), needs_smtputf8)


def _has_controls(text: str) -> bool:
    """Control characters and Unicode's own line and paragraph separators."""
    return any(unicodedata.category(character) in ("Cc", *_LINE_SEPARATORS) for character in text)


def _fits_list_header(url: str) -> bool:
    """Whether the URL can stand between angle brackets in a header: ASCII, no spaces, no brackets, no controls."""
    plain = url.isascii() and url.isprintable() and not any(character in url for character in " <>,")
    return plain and url.startswith(("https://", "http://", "mailto:"))
