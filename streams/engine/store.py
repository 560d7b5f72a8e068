"""The committed rows of one partition in RocksDB: a cache of the changelog that can be thrown away at any time.

Written after the commit only, in one batch with the changelog position it corresponds to. A store of another cluster or
topology, one that was away too long for the changelog's tombstones, or a damaged one is rebuilt, never trusted.
"""

from __future__ import annotations

import shutil
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
from rocksdict import BlockBasedOptions, Cache, Options, Rdict, ReadOptions, WriteBatch, WriteBufferManager

from schemas.rowcodec import decode_row
from schemas.rows import Row
from streams.engine import keys
from tables.view import Table

log = structlog.get_logger(__name__)
R = TypeVar("R", bound=Row)

_IDENTITY = keys.local("identity")
_CHANGELOG_POSITION = keys.local("changelog-position")
_WRITTEN_AT = keys.local("written-at-ms")
# Half of the changelogs' delete.retention.ms (7 days): a store that missed a tombstone would keep a deleted row.
MAX_AGE_MS = 7 * 86_400_000 // 2
_CACHED_ROWS = 20_000


class StoreBudget:
    """One block cache and one write-buffer budget for all stores of a worker, in bytes."""

    def __init__(self, cache_bytes: int = 32 << 20, write_buffer_bytes: int = 32 << 20) -> None:
        self.cache = Cache(cache_bytes)
        self.write_buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            write_buffer_bytes, False, self.cache
        )

    def options(self) -> Options:
        """RocksDB options of one partition's store."""
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self.cache)
        blocks.set_bloom_filter(10, False)
        blocks.set_cache_index_and_filter_blocks(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_manager(self.write_buffers)
        options.set_write_buffer_size(4 << 20)
        options.set_max_write_buffer_number(2)
        options.set_max_open_files(64)
        options.set_keep_log_file_num(2)
        return options


@dataclass(frozen=True, slots=True)
class Change:
    """One row as a cycle leaves it: ``row`` ``None`` is a deletion. ``previous_due_ms`` finds the old timer entry."""

    table: Table[Any]
    partition_key: str
    row_key: str
    row: Any | None
    value: bytes | None
    previous_due_ms: int | None

    @property
    def due_ms(self) -> int | None:
        """When the row's timer fires."""
        return self.table.due(self.row) if self.table.due is not None and self.row is not None else None


class PartitionStore:
    """Rows of one partition of one processor. One opener per path; reading is safe from any thread."""

    def __init__(
        self, path: Path, tables: Iterable[Table[Any]], identity: str, budget: StoreBudget | None = None
    ) -> None:
        """Open, or rebuild empty; ``identity`` names cluster and topology version."""
        self._path = path
        self._tables = {table.name: table for table in tables}
        self._identity = identity.encode()
        self._budget = budget or StoreBudget()
        self._rows: OrderedDict[bytes, Any] = OrderedDict()
        self._db = self._open_trusted()

    def _open_trusted(self) -> Rdict:
        self._path.mkdir(parents=True, exist_ok=True)
        try:
            db = Rdict(str(self._path), options=self._budget.options())
            reason = self._distrust(db)
            if reason is None:
                return db
            db.close()
        except Exception as error:  # rocksdict raises bare Exception for every kind of damage
            reason = f"damaged: {error}"
        log.warning("store_rebuilt", path=str(self._path), reason=reason)
        shutil.rmtree(self._path)
        self._path.mkdir(parents=True)
        db = Rdict(str(self._path), options=self._budget.options())
        db.put(_IDENTITY, self._identity)
        return db

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

    def get(self, table: Table[R], key: bytes) -> R | None:
        """The committed row under a full key."""
        row = self._rows.get(key)
        if row is None:
            data = self._db.get(key)
            if data is None:
                return None
            row = decode_row(table.row_type, data)
            self._remember(key, row)
        found: R = row
        return found

    def range(self, table: Table[R], group: bytes, start: str, stop: str | None) -> Iterator[tuple[str, R]]:
        """Committed rows of one group with start <= row key < stop, ascending."""
        end = None if stop is None else group + keys.row_key_bytes(stop)
        iterator = self._db.iter(ReadOptions())
        iterator.seek(group + keys.row_key_bytes(start))
        while iterator.valid():
            key = iterator.key()
            if not key.startswith(group) or (end is not None and key >= end):
                break
            row = self._rows.get(key)
            yield key[len(group) :].decode(), decode_row(table.row_type, iterator.value()) if row is None else row
            iterator.next()

    def scan(self, table: Table[R]) -> Iterator[tuple[str, str, R]]:
        """All committed rows of a table: (partition key, row key, row)."""
        prefix = keys.table_prefix(table.name)
        iterator = self._db.iter(ReadOptions())
        iterator.seek(prefix)
        while iterator.valid() and iterator.key().startswith(prefix):
            _, partition_key, row_key = keys.split(iterator.key())
            yield partition_key, row_key, decode_row(table.row_type, iterator.value())
            iterator.next()

    def timers(self, up_to_ms: int) -> Iterator[tuple[int, bytes]]:
        """(due, row's key) of timers due at or before ``up_to_ms``, in firing order."""
        iterator = self._db.iter(ReadOptions())
        iterator.seek(keys.TIMERS_START)
        while iterator.valid():
            due, key = keys.split_timer(iterator.key())
            if due > up_to_ms:
                break
            yield due, key
            iterator.next()

    def next_due_ms(self) -> int | None:
        """When the earliest timer is due."""
        for due, _ in self.timers(2**63):
            return due
        return None

    def position_bytes(self) -> bytes | None:
        """The committed input position, encoded."""
        found: bytes | None = self._db.get(keys.POSITION)
        return found

    def changelog_position(self) -> int:
        """The next changelog offset this store has not seen."""
        return int(self._db.get(_CHANGELOG_POSITION) or b"0")

    def apply(self, changes: Iterable[Change], position: bytes, changelog_position: int) -> None:
        """Write one committed cycle: all of it or, after a crash, nothing."""
        batch = WriteBatch(raw_mode=True)
        for change in changes:
            key = keys.group_key(change.table.name, change.partition_key) + keys.row_key_bytes(change.row_key)
            if change.previous_due_ms is not None:
                batch.delete(keys.timer_key(change.previous_due_ms, key))
            if change.value is None:
                batch.delete(key)
                self._rows.pop(key, None)
            else:
                batch.put(key, change.value)
                self._remember(key, change.row)
                if change.due_ms is not None:
                    batch.put(keys.timer_key(change.due_ms, key), b"")
        batch.put(keys.POSITION, position)
        self._finish(batch, changelog_position)

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
        old = self._db.get(key)
        if old is not None and (due := table.due(decode_row(table.row_type, old))) is not None:
            batch.delete(keys.timer_key(due, key))
        if value is not None and (due := table.due(decode_row(table.row_type, value))) is not None:
            batch.put(keys.timer_key(due, key), b"")

    def _finish(self, batch: WriteBatch, changelog_position: int) -> None:
        batch.put(_CHANGELOG_POSITION, str(changelog_position).encode())
        batch.put(_WRITTEN_AT, str(_wall_ms()).encode())
        self._db.write(batch)

    def _remember(self, key: bytes, row: Any) -> None:
        rows = self._rows
        rows[key] = row
        if len(rows) > _CACHED_ROWS:
            rows.popitem(last=False)

    def table(self, name: str) -> Table[Any] | None:
        """The table of that name, if the processor has it."""
        return self._tables.get(name)

    def close(self) -> None:
        """Flush and close; a store that was not closed is recovered from its write-ahead log."""
        self._rows.clear()
        self._db.close()


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
