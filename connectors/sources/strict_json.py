"""JSON that means one thing only: what two parsers could read differently is refused, not guessed.

RFC 8259 leaves repeated names, numbers beyond range and lone surrogates to the implementation; RFC 7493 (I-JSON)
section 2 forbids them.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from connectors.sources.request import MalformedBody


class _Refused(Exception):
    """Raised inside the decoder's hooks."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Refused(f"the name {name[:64]!r} appears twice in one object")
            seen.add(name)
    return result


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def decode(body: bytes) -> Any:
    """The value in ``body`` (UTF-8, no byte order mark); raises :class:`MalformedBody` saying what and where."""
    try:
        text = body.decode("utf-8")
        value = _decoder.decode(text)
    except UnicodeDecodeError as error:
        raise MalformedBody(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise MalformedBody(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except _Refused as error:
        raise MalformedBody(str(error)) from error
    except RecursionError as error:
        raise MalformedBody("nested too deeply") from error
    except ValueError as error:
        # int() refuses numbers of more than 4,300 digits; no field holds one
        raise MalformedBody("a number has too many digits") from error
    # "\ud800" alone is a str that no encoder accepts later; only an escape can bring one into valid UTF-8
    if b"\\u" in body and _has_surrogate(value):
        raise MalformedBody("a string holds half of a surrogate pair")
    return value


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return True
        return False
    if isinstance(value, dict):
        return any(_has_surrogate(name) or _has_surrogate(item) for name, item in value.items())
    return isinstance(value, list) and any(_has_surrogate(item) for item in value)
