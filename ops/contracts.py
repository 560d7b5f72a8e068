"""The contract and a schema registry: ids for the codec at start, all versions into the registry on publishing.

Any Confluent-compatible registry; subjects by RecordNameStrategy, so the registry's own serializers are not involved.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.catalogue import AvroSchema, record_names, resolve
from schemas.codec import Codec
from schemas.errors import ConfigurationError, TsunagiError, Unavailable, Undecodable
from schemas.history import published, subject_of

T = TypeVar("T")
# One look-up a record type; a registry across a network answers each in tens of milliseconds.
_CONCURRENT = 8
_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registry answered about one published version: its id, or why it was refused."""

    subject: str
    version: int
    id: int | None
    refused: str = ""


def resolve_codec(registry_url: str, client_settings: Mapping[str, Any] | None = None) -> Codec:
    """The codec, with the ids that the registry at ``registry_url`` gave the current schemas.

    Writer schemas of other ids are fetched when a record with one arrives. Blocking: call it, and decode where a fetch
    may happen, outside the event loop that serves the registry. ``client_settings``: further settings of
    SchemaRegistryClient (TLS, credentials).

    Raises :class:`ConfigurationError` when a current schema is not registered or the address is none, and
    :class:`Unavailable` when the registry does not answer.
    """
    client, where = _client(registry_url, client_settings or {})

    def look_up(name: str) -> tuple[str, int | None]:
        try:
            found = client.lookup_schema(subject_of(name), _text(resolve(name)))
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                return name, None
            raise
        return name, found.schema_id

    found = dict(_each(where, look_up, record_names()))
    missing = [name for name, identifier in found.items() if identifier is None]
    if missing:
        raise ConfigurationError(
            f"the schema registry at {where} does not have the current schema of {_listed(missing)} "
            f"({len(missing)} of {len(found)}): run `tsunagi schemas publish --registry {where}`"
        )

    def fetch(identifier: int) -> str:
        try:
            return str(_asked(where, lambda: client.get_schema(identifier)).schema_str)
        except _NotFound as error:
            raise Undecodable(f"schema id {identifier} is not in the registry at {where}") from error

    return Codec({name: identifier for name, identifier in found.items() if identifier is not None}, fetch)


def register_published(registry_url: str, client_settings: Mapping[str, Any] | None = None) -> list[Registration]:
    """Register every published version, oldest first, with FULL_TRANSITIVE on each subject; repeating it is harmless.

    Raises :class:`ConfigurationError` and :class:`Unavailable` as :func:`resolve_codec`; a version that the registry
    refuses is in the result.
    """
    client, where = _client(registry_url, client_settings or {})

    def register(name: str) -> list[Registration]:
        subject = subject_of(name)
        done = []
        for version, schema in enumerate(published(name), start=1):
            try:
                identifier = int(client.register_schema(subject, _text(schema)))
            except SchemaRegistryError as error:
                if error.http_status_code not in (409, 422):
                    raise
                done.append(Registration(subject, version, None, str(error.error_message)))
                break
            done.append(Registration(subject, version, identifier))
        # After the versions: a registry may refuse the level of a subject it does not know.
        client.set_compatibility(subject, "FULL_TRANSITIVE")
        return done

    return [entry for entries in _each(where, register, record_names()) for entry in entries]


class _NotFound(TsunagiError):
    """The registry has no such thing."""


def _client(url: str, settings: Mapping[str, Any]) -> tuple[SchemaRegistryClient, str]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"{parts.hostname or 'the schema registry'}: give its address as http://HOST:PORT")
    # Credentials in the address must not get into messages and logs.
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    quick = {"timeout": _TIMEOUT_SECONDS, "max.retries": 2, "retries.wait.ms": 100, "retries.max.wait.ms": 500}
    try:
        return SchemaRegistryClient({**quick, **settings, "url": url}), where
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"schema registry {where}: {error}") from error


def _text(schema: AvroSchema) -> Schema:
    return Schema(json.dumps(schema, ensure_ascii=False), "AVRO")


def _each(where: str, ask: Callable[[str], T], names: tuple[str, ...]) -> list[T]:
    with ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="schema-registry") as pool:
        # The first alone: a registry that is away is then found out once, not eight times over.
        first = _asked(where, lambda: ask(names[0]))
        return [first, *pool.map(lambda name: _asked(where, lambda: ask(name)), names[1:])]


def _asked(where: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except SchemaRegistryError as error:
        if error.http_status_code == 404:
            raise _NotFound(str(error)) from error
        if error.http_status_code in (401, 403):
            raise ConfigurationError(f"the schema registry at {where} refused the credentials: {error}") from error
        raise Unavailable(f"the schema registry at {where} answered: {error}") from error
    except TsunagiError:
        raise
    except Exception as error:
        # The client lets its HTTP library's errors through, and that library is its own business.
        text = f"no schema registry answers at {where} ({type(error).__name__}: {error}): start it, or mend the address"
        raise Unavailable(text) from error


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:3])}, ..."
