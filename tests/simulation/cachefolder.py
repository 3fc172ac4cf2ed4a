"""The eligibility cache's folder in memory: LMDB's snapshots, CURRENT, writer's lock.

The product's own follower, cache and packing work on it. Shared by the workers of a
machine, as the files are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lmdb

from crypto.tokens import Tokenizer
from eligibility_cache import store
from eligibility_cache.environment import CacheMeta, FolderState
from eligibility_cache.store import EligibilityCache
from tests.simulation.loop import Process, current_process

_MAIN, _PERSONS, _CARDS = "main", "persons", "cards"
_META = b"meta"


class _View:
    """A transaction of the map; a writer's is put in force when its block ends."""

    def __init__(
        self, tables: dict[str, dict[bytes, bytes]], number: int, db: str
    ) -> None:
        self.tables = tables
        self._number = number
        self._db = db

    def id(self) -> int:
        return self._number

    def get(self, key: bytes, default: Any = None, db: str | None = None) -> Any:
        return self.tables[db or self._db].get(key, default)

    def put(
        self,
        key: bytes,
        value: bytes,
        *,
        append: bool = False,  # noqa: ARG002  # a dictionary needs no such hint
        db: str | None = None,
    ) -> bool:
        self.tables[db or self._db][key] = value
        return True

    def delete(self, key: bytes, db: str | None = None) -> bool:
        return self.tables[db or self._db].pop(key, None) is not None

    def cursor(self, db: str) -> _Cursor:
        return _Cursor(self.tables[db])


class _Cursor:
    """Stands on an entry, in the order of keys."""

    def __init__(self, table: dict[bytes, bytes]) -> None:
        self._table = table
        self._keys = sorted(table)
        self._place = 0

    def set_range(self, key: bytes) -> bool:
        self._place = bisect_left(self._keys, key)
        return self._place < len(self._keys)

    def prev(self) -> bool:
        self._place -= 1
        return self._place >= 0

    def key(self) -> bytes:
        return self._keys[self._place]

    def item(self) -> tuple[bytes, bytes]:
        return self.key(), self._table[self.key()]


class _Environment:
    def __init__(self) -> None:
        self._tables: dict[str, dict[bytes, bytes]] = {
            _MAIN: {}, _PERSONS: {}, _CARDS: {},
        }  # fmt: skip
        self._number = 0

    @contextmanager
    def begin(self, *, write: bool = False, db: str = _MAIN) -> Iterator[_View]:
        if not write:
            yield _View(self._tables, self._number, db)
            return
        copied = {name: dict(rows) for name, rows in self._tables.items()}
        yield _View(copied, self._number + 1, db)
        self._tables = copied
        self._number += 1

    def reader_check(self) -> int:
        return 0

    def sync(self, force: bool) -> None:
        """Memory needs none."""


class _Generation:
    """As `eligibility_cache.environment.Generation`, over an environment in memory."""

    persons, cards = _PERSONS, _CARDS

    def __init__(self, name: str, environment: _Environment) -> None:
        self.name = name
        self.environment = environment

    def read_meta(self, transaction: _View) -> CacheMeta:
        return CacheMeta.unpack(transaction.get(_META))

    def write_meta(self, transaction: _View, meta: CacheMeta) -> None:
        transaction.put(_META, meta.pack())

    def fill_up(self) -> None:
        """Memory has no end that could be cut off."""

    def close(self) -> None:
        """The map stays for the others."""


class SharedFolder:
    """The files of one machine."""

    def __init__(self) -> None:
        self.generations: dict[str, _Environment] = {}
        self.current: str | None = None
        self.is_suspect = False
        self.writer: Process | None = None

    def lose(self, process: Process) -> None:
        """The system frees the lock of whoever dies."""
        if self.writer is process:
            self.writer = None


class MemoryFolder:
    """One process's hold on the folder; the product's `CacheFolder` in memory."""

    def __init__(self, shared: SharedFolder) -> None:
        self._shared = shared

    def current(self) -> str | None:
        return self._shared.current

    def open(self, name: str) -> _Generation:
        environment = self._shared.generations.get(name)
        if environment is None:
            raise lmdb.Error("no such file")
        return _Generation(name, environment)

    def begin(self) -> _Generation:
        name = f"{int(self._shared.current or '0') + 1:08d}"
        self._shared.generations[name] = _Environment()
        return _Generation(name, self._shared.generations[name])

    def put_in_force(self, built: _Generation) -> None:
        self._shared.current = built.name

    def discard(self, built: _Generation) -> None:
        del self._shared.generations[built.name]

    def state(self) -> FolderState:
        return FolderState(self._shared.current, self._shared.is_suspect)

    def suspect(self) -> None:
        self._shared.is_suspect = True

    def is_suspect(self) -> bool:
        return self._shared.is_suspect

    def clear_suspicion(self) -> None:
        self._shared.is_suspect = False

    def try_lock(self) -> bool:
        process = current_process()
        if self._shared.writer is not None and self._shared.writer is not process:
            return False
        self._shared.writer = process
        return True

    def unlock(self) -> None:
        process = current_process()
        if process is not None and self._shared.writer is process:
            self._shared.writer = None


def open_cache(shared: SharedFolder, tokenizer: Tokenizer) -> EligibilityCache:
    """The product's cache on a folder in memory."""
    folder = MemoryFolder(shared)
    with patch.object(store, "CacheFolder", lambda _path: folder):
        return EligibilityCache(Path("cache"), tokenizer)
