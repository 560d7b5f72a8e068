"""The committed rows of one partition in RocksDB: a cache of the changelog that can be thrown away at any time.

Written after the commit only, in one batch with the changelog position it corresponds to. A store of another cluster or
topology, one that was away too long for the changelog's tombstones, or a damaged one is rebuilt, never trusted.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import structlog
from msgspec import MsgspecError
from rocksdict import DbClosedError, Rdict, ReadOptions, WriteBatch

from schemas.errors import ConfigurationError, Unavailable
from schemas.rowcodec import decode_row
from schemas.rows import Row
from streams.engine import keys
from streams.engine.budget import StoreBudget
from streams.engine.change import Change
from tables.view import Table

log = structlog.get_logger(__name__)
R = TypeVar("R", bound=Row)

_IDENTITY = keys.local("identity")
_CHANGELOG_POSITION = keys.local("changelog-position")
_WRITTEN_AT = keys.local("written-at-ms")
# Half of the changelogs' delete.retention.ms (7 days): a store that missed a tombstone would keep a deleted row.
MAX_AGE_MS = 7 * 86_400_000 // 2
_CACHED_ROWS = 20_000
_CLOSED = (DbClosedError, RuntimeError)  # the latter while it is being closed
_NOT_DAMAGE = (
    "/LOCK: ",
    *map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EROFS)),
)
"""What RocksDB says when the store is in use (a reader's last iterator, another process) or the machine is in need:
the files are good, so they are kept and opened again later."""


class StoreClosed(Exception):
    """Its owner has closed it, or is about to: a reader asks again later."""


class StoreDamaged(Exception):
    """The files cannot be read or written any more; whoever opened the store wipes it and restores."""


class PartitionStore:
    """Rows of one partition of one processor. One opener per path, whose thread writes; reading is safe from any.

    Reads raise :class:`StoreDamaged`, :class:`StoreClosed`, and :class:`ConfigurationError` for a row that this release
    cannot read.
    """

    def __init__(
        self, path: Path, tables: Iterable[Table[Any]], identity: str, budget: StoreBudget | None = None
    ) -> None:
        """Open, or rebuild empty; ``identity`` names cluster and topology version.

        Raises :class:`Unavailable` when the store is in use or the machine cannot open files now.
        """
        self._path = path
        self._tables = {table.name: table for table in tables}
        self._identity = identity.encode()
        self._budget = budget or StoreBudget()
        self._rows: OrderedDict[bytes, Any] = OrderedDict()
        self._db = self._open_trusted()

    def _open_trusted(self) -> Rdict:
        self._path.mkdir(parents=True, exist_ok=True)
        db = None
        try:
            db = Rdict(str(self._path), options=self._budget.options())
            reason = self._distrust(db)
            if reason is None:
                return db
        except Exception as error:  # rocksdict raises bare Exception for every kind of damage
            if any(told in str(error) for told in _NOT_DAMAGE):
                raise Unavailable(f"local store {self._path} cannot be opened now: {error}") from error
            reason = f"damaged: {error}"
        if db is not None:
            db.close()
        return self._open_empty(reason)

    def _open_empty(self, reason: str) -> Rdict:
        log.warning("store_rebuilt", path=str(self._path), reason=reason)
        shutil.rmtree(self._path)
        self._path.mkdir(parents=True)
        db = Rdict(str(self._path), options=self._budget.options())
        db.put(_IDENTITY, self._identity)
        return db

    def rebuild(self, reason: str) -> None:
        """Start over with no rows: what is here does not belong to the changelog."""
        self.close()
        self._db = self._open_empty(reason)

    def wipe(self) -> None:
        """Close a damaged store and delete its files."""
        self.close()
        shutil.rmtree(self._path)

    def _distrust(self, db: Rdict) -> str | None:
        found = db.get(_IDENTITY)
        if found is None:
            return None if _is_empty(db, self._identity) else "no identity"
        if found != self._identity:
            return f"of another cluster or topology: {found.decode(errors='replace')}"
        written = db.get(_WRITTEN_AT)
        if written is not None and _wall_ms() - int(written) > MAX_AGE_MS:
            return "older than half of the changelog's delete.retention.ms"
        return None

    def get(self, table: Table[R], key: bytes, remember: bool = False) -> R | None:
        """The committed row under a full key. ``remember`` it only in the thread that writes: a reader that was
        overtaken by a commit would leave the old row behind for the next fold."""
        row = self._rows.get(key)
        if row is None:
            data = self._load(key)
            if data is None:
                return None
            row = _decode(table, data)
            if remember:
                self._remember(key, row)
        found: R = row
        return found

    def range(self, table: Table[R], group: bytes, start: str, stop: str | None) -> Iterator[tuple[str, R]]:
        """Committed rows of one group with start <= row key < stop, ascending."""
        end = None if stop is None else group + keys.row_key_bytes(stop)
        for key, data in self._from(group + keys.row_key_bytes(start)):
            if not key.startswith(group) or (end is not None and key >= end):
                return
            row = self._rows.get(key)
            yield key[len(group) :].decode(), _decode(table, data) if row is None else row

    def scan(self, table: Table[R]) -> Iterator[tuple[str, str, R]]:
        """All committed rows of a table: (partition key, row key, row)."""
        prefix = keys.table_prefix(table.name)
        for key, data in self._from(prefix):
            if not key.startswith(prefix):
                return
            _, partition_key, row_key = keys.split(key)
            yield partition_key, row_key, _decode(table, data)

    def timers(self, up_to_ms: int) -> Iterator[tuple[int, bytes]]:
        """(due, row's key) of timers due at or before ``up_to_ms``, in firing order."""
        for entry, _ in self._from(keys.TIMERS_START):
            due, key = keys.split_timer(entry)
            if due > up_to_ms:
                return
            yield due, key

    def next_due_ms(self) -> int | None:
        """When the earliest timer is due."""
        for due, _ in self.timers(2**63):
            return due
        return None

    def position_bytes(self) -> bytes | None:
        """The committed input position, encoded."""
        return self._load(keys.POSITION)

    def changelog_position(self) -> int:
        """The next changelog offset this store has not seen."""
        return int(self._load(_CHANGELOG_POSITION) or b"0")

    def _load(self, key: bytes) -> bytes | None:
        try:
            found: bytes | None = self._db.get(key)
        except _CLOSED as error:
            raise StoreClosed from error
        except Exception as error:
            raise StoreDamaged(str(error)) from error
        return found

    def _from(self, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Entries in order from ``start`` on. RocksDB ends an iteration at a broken block as it does at the end of the
        data; only ``status`` tells the two apart."""
        try:
            iterator = self._db.iter(ReadOptions())
            iterator.seek(start)
            while iterator.valid():
                yield iterator.key(), iterator.value()
                iterator.next()
            iterator.status()
        except _CLOSED as error:
            raise StoreClosed from error
        except Exception as error:
            raise StoreDamaged(str(error)) from error

    def apply(self, changes: Sequence[Change], position: bytes, changelog_position: int) -> None:
        """Write one committed cycle: all of it or, after a crash, nothing."""
        batch = WriteBatch(raw_mode=True)
        for change in changes:
            key = change.key
            if change.previous_due_ms is not None:
                batch.delete(keys.timer_key(change.previous_due_ms, key))
            if change.value is None:
                batch.delete(key)
            else:
                batch.put(key, change.value)
                if change.due_ms is not None:
                    batch.put(keys.timer_key(change.due_ms, key), b"")
        batch.put(keys.POSITION, position)
        self._finish(batch, changelog_position)
        for change in changes:
            if change.row is None:
                self._rows.pop(change.key, None)
            else:
                self._remember(change.key, change.row)

    def restore(self, records: Mapping[bytes, bytes | None], changelog_position: int) -> None:
        """Write a piece of the changelog: the last value of each key in it."""
        batch = WriteBatch(raw_mode=True)
        for key, value in records.items():
            table = self._tables.get(keys.split(key)[0]) if keys.is_row(key) else None
            if table is not None and table.due is not None:
                self._restore_timer(batch, table, key, value)
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
            self._rows.pop(key, None)
        self._finish(batch, changelog_position)

    def _restore_timer(self, batch: WriteBatch, table: Table[Any], key: bytes, value: bytes | None) -> None:
        assert table.due is not None
        old = self._load(key)
        if old is not None and (due := table.due(_decode(table, old))) is not None:
            batch.delete(keys.timer_key(due, key))
        if value is not None and (due := table.due(_decode(table, value))) is not None:
            batch.put(keys.timer_key(due, key), b"")

    def _finish(self, batch: WriteBatch, changelog_position: int) -> None:
        batch.put(_CHANGELOG_POSITION, str(changelog_position).encode())
        batch.put(_WRITTEN_AT, str(_wall_ms()).encode())
        try:
            self._db.write(batch)
        except Exception as error:
            if any(told in str(error) for told in _NOT_DAMAGE):
                raise Unavailable(f"local store {self._path} cannot be written now: {error}") from error
            raise StoreDamaged(str(error)) from error

    def _remember(self, key: bytes, row: Any) -> None:
        rows = self._rows
        rows[key] = row
        if len(rows) > _CACHED_ROWS:
            rows.popitem(last=False)

    def close(self) -> None:
        """Flush and close; a store that was not closed is recovered from its write-ahead log."""
        self._rows.clear()
        self._db.close()


def _decode(table: Table[R], data: bytes) -> R:
    try:
        return decode_row(table.row_type, data)
    except MsgspecError as error:
        raise ConfigurationError(f"a {table.row_type.__name__} of {table.name} cannot be read: {error}") from error


def _wall_ms() -> int:
    # The age of a store is a fact about the machine, not about events: the wall's clock, even in a demo.
    return time.time_ns() // 1_000_000


def _is_empty(db: Rdict, identity: bytes) -> bool:
    """Marks a fresh store as ours; False when there are rows without an identity."""
    iterator = db.iter(ReadOptions())
    iterator.seek_to_first()
    if iterator.valid():
        return False
    db.put(_IDENTITY, identity)
    return True
