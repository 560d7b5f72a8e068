"""API keys: each team has its own, stored hashed, with the roles it needs and no other.

A key is 256 random bits, so one plain SHA-256 is enough: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import structlog
import yaml
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from connectors.gateway.problems import KEY_ID, Problem, Reason
from schemas.catalogue import channels
from schemas.errors import ConfigurationError

log = structlog.get_logger(__name__)

READ = "read"
OPERATE = "operate"
_PRODUCE = "produce:"
_LOOK_AGAIN_SECONDS = 1.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tsunagi"'}


def produce(channel: str) -> str:
    """The role that may send events of ``channel``."""
    return _PRODUCE + channel


class ApiKey(BaseModel):
    """One entry of the keys file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="Who holds it; appears in logs.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the key, hex.")
    roles: frozenset[str] = Field(min_length=1, description="read, operate, produce:<channel>.")

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, roles: frozenset[str]) -> frozenset[str]:
        known = {READ, OPERATE, *map(produce, channels())}
        unknown = roles - known
        if unknown:
            raise ValueError(f"no such role: {', '.join(sorted(unknown))}; there is {', '.join(sorted(known))}")
        return roles


class _KeysFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[ApiKey, ...]

    @field_validator("keys")
    @classmethod
    def _one_entry_an_id(cls, keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("two entries have the same id")
        return keys


def load_keys(path: Path) -> tuple[ApiKey, ...]:
    """The entries of a keys file; raises :class:`ConfigurationError` saying what to mend."""
    try:
        return _KeysFile.model_validate(yaml.safe_load(path.read_text())).keys
    except FileNotFoundError as error:
        raise ConfigurationError(f"no keys file {path}: create a key with `tsunagi keys create`") from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"keys file {path} cannot be read: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"keys file {path}: {error}") from error


def create_key(path: Path, key_id: str, roles: Sequence[str]) -> str:
    """Adds a new key to the file (made if missing, readable by its owner only) and returns it; it is nowhere else.

    Raises :class:`ConfigurationError` when the id is taken, or id or a role is not valid.
    """
    existing = load_keys(path) if path.exists() else ()
    if any(key.id == key_id for key in existing):
        raise ConfigurationError(f"{path} already has a key {key_id!r}: choose another id, or remove that entry first")
    key = "tsu_" + secrets.token_urlsafe(32)
    try:
        entry = ApiKey(id=key_id, sha256=_digest(key), roles=frozenset(roles))
    except ValidationError as error:
        raise ConfigurationError("; ".join(item["msg"] for item in error.errors())) from error
    entries = [{"id": k.id, "sha256": k.sha256, "roles": sorted(k.roles)} for k in (*existing, entry)]
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
        yaml.safe_dump({"keys": entries}, file, sort_keys=False)
    fresh.replace(path)
    return key


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """The keys of the file, read again when it changes. A changed file with a mistake keeps the last good keys."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = load_keys(path)
        self._stamp = self._current_stamp()
        self._look_at = time.monotonic() + _LOOK_AGAIN_SECONDS

    def find(self, presented: str) -> ApiKey | None:
        """The entry of a presented key; compared in constant time with every entry."""
        self._refresh()
        digest = _digest(presented)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def _current_stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def _refresh(self) -> None:
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_AGAIN_SECONDS
        stamp = self._current_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = load_keys(self._path)
            log.info("keys file read again", keys=len(self._keys))
        except ConfigurationError as error:
            log.error("keys file not taken over; the last good keys stay", error=str(error))


def authenticate(request: web.Request, keys: KeyRing) -> ApiKey:
    """The key of ``Authorization: Bearer <key>``; raises a 401 problem."""
    scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not presented:
        raise Problem(Reason.NO_KEY, "Send `Authorization: Bearer <key>`.", headers=_CHALLENGE)
    key = keys.find(presented.strip())
    if key is None:
        raise Problem(Reason.NO_KEY, "This key is not known here.", headers=_CHALLENGE)
    request[KEY_ID] = key.id
    return key


def require(key: ApiKey, role: str) -> None:
    """Raises a 403 problem unless the key has the role."""
    if role not in key.roles:
        raise Problem(Reason.FORBIDDEN, f"The key {key.id!r} lacks the role {role!r}.")
