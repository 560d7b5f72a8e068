"""One error tree, split by what the caller can do about it.

TsunagiError
├── InvalidInput          the sender must mend it: names the field and the fix (HTTP 4xx, dead letter INVALID)
│   └── UnknownRecordType
├── Undecodable           the bytes are not what they claim to be (dead letter UNDECODABLE)
├── ConfigurationError    the operator must mend it before a start: says what to do
│   └── ContractError     a schema, topic or rule file is wrong: file, line and what was expected
└── Unavailable           try again later: Kafka, the registry or a provider is away (HTTP 503)
"""

from __future__ import annotations

from dataclasses import dataclass


class TsunagiError(Exception):
    """Base of every error that Tsunagi raises on purpose."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field.

    ``field`` is a dotted path (``lines.0.quantity``), ``""`` for the whole; ``expected`` quotes the schema's doc.
    """

    field: str
    message: str
    expected: str = ""


class InvalidInput(TsunagiError):
    """The input breaks the contract; ``errors`` has one entry per field."""

    def __init__(self, message: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class UnknownRecordType(InvalidInput):
    """The named record type is not in ``schemas/avro``."""


class Undecodable(TsunagiError):
    """Bytes that are not a Confluent-framed Avro record of a known schema."""


class ConfigurationError(TsunagiError):
    """A setting or the environment must be mended before a start."""


class ContractError(ConfigurationError):
    """A schema, topic or rule file is wrong; the message names file and line where known."""


class Unavailable(TsunagiError):
    """Something outside is away for now; the same call may succeed later."""
