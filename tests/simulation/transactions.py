"""Tables in memory with the locks and the visibility that PostgreSQL gives.

READ COMMITTED: a statement sees what was committed when it began, and its own
transaction's rows; a row that somebody else has written or locked is waited for, and
seen again afterwards as it then stands. Locks are held until the transaction ends.
A circle of waiting ends, for whoever closes it, as a deadlock.
"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

#: How long PostgreSQL waits before it looks for a deadlock.
DEADLOCK_TIMEOUT_S = 1.0
#: A row that the transaction has deleted.
GONE: Any = object()

Key = Any
Place = tuple[str, Key]
TABLES = (
    "settle_key", "reversal_key", "settlement", "reversal", "reversal_of", "visit",
    "diagnosis", "accumulator", "posting", "sealed_record", "answer", "log_leaf",
    "log_node", "log_head", "month", "watched_decline",
)  # fmt: skip


class Tables:
    """What is committed, who has written what, and who holds which lock."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Key, Any]] = {name: {} for name in TABLES}
        #: Rows that a transaction has inserted, changed or deleted, uncommitted.
        self.written_by: dict[Place, Transaction] = {}
        self.locked_by: dict[Place, Transaction] = {}
        #: Ids of answers, transaction by transaction: the order of commits.
        self.commits: list[list[bytes]] = []

    def copy(self) -> dict[str, dict[Key, Any]]:
        """What is committed now; rows are never changed in place."""
        return {name: dict(rows) for name, rows in self.rows.items()}

    def restore(self, rows: dict[str, dict[Key, Any]]) -> None:
        """An older state takes the place of this one; nothing may be open."""
        self.rows = rows
        self.written_by.clear()
        self.locked_by.clear()


class Transaction:
    """One open transaction; also one that has failed and waits for ROLLBACK."""

    def __init__(self, tables: Tables, name: str) -> None:
        self._tables = tables
        self.name = name
        self.has_failed = False
        self.is_over = False
        self._writes: dict[str, dict[Key, Any]] = {}
        self._places: list[Place] = []
        self._locks: list[Place] = []
        self._waits_for: Transaction | None = None
        self._waiters: list[asyncio.Future[None]] = []

    # -- reading -------------------------------------------------------------------

    def get(self, table: str, key: Key) -> Any:
        """The row as this transaction sees it now, or `None`."""
        own = self._writes.get(table)
        if own is not None and key in own:
            row = own[key]
            return None if row is GONE else row
        return self._tables.rows[table].get(key)

    def own(self, table: str, key: Key) -> bool:
        """Whether this transaction has a row of its own there."""
        row = self._writes.get(table, {}).get(key)
        return row is not None and row is not GONE

    # -- writing -------------------------------------------------------------------

    async def claim(self, table: str, key: Key, row: Any) -> bool:
        """INSERT ... ON CONFLICT DO NOTHING: whether the row was inserted."""
        await self._wait_for_writer((table, key))
        if self.get(table, key) is not None:
            return False
        self._write(table, key, row)
        return True

    async def insert(self, table: str, key: Key, row: Any) -> None:
        """INSERT; raises `UniqueViolationError`."""
        if not await self.claim(table, key, row):
            raise violated(asyncpg.UniqueViolationError, f"{table}_pkey")

    async def lock(self, table: str, key: Key) -> Any:
        """The row, locked, as the latest commit left it; `None` where it is gone."""
        place = (table, key)
        while True:
            await self._wait_for_writer(place)
            holder = self._tables.locked_by.get(place)
            if holder is None or holder is self:
                break
            await self._wait(holder)
        if holder is None:
            self._tables.locked_by[place] = self
            self._locks.append(place)
        return self.get(table, key)

    async def update(self, table: str, key: Key, row: Any) -> None:
        """Change a row that exists, or delete it with `GONE`; the lock comes along."""
        await self.lock(table, key)
        self._write(table, key, row)

    def _write(self, table: str, key: Key, row: Any) -> None:
        place = (table, key)
        if place not in self._tables.written_by:
            self._tables.written_by[place] = self
            self._places.append(place)
        self._writes.setdefault(table, {})[key] = row

    # -- waiting -------------------------------------------------------------------

    async def _wait_for_writer(self, place: Place) -> None:
        while True:
            writer = self._tables.written_by.get(place)
            if writer is None or writer is self:
                return
            await self._wait(writer)

    async def _wait(self, other: Transaction) -> None:
        behind: Transaction | None = other
        while behind is not None:
            if behind is self:
                await asyncio.sleep(DEADLOCK_TIMEOUT_S)
                raise asyncpg.DeadlockDetectedError("deadlock detected")
            behind = behind._waits_for
        self._waits_for = other
        woken = asyncio.get_running_loop().create_future()
        other._waiters.append(woken)
        try:
            await woken
        finally:
            self._waits_for = None

    # -- the end -------------------------------------------------------------------

    def commit(self) -> None:
        """Everything becomes visible at once."""
        rows = self._tables.rows
        for table, written in self._writes.items():
            into = rows[table]
            for key, row in written.items():
                if row is GONE:
                    into.pop(key, None)
                else:
                    into[key] = row
        answers = self._writes.get("answer")
        if answers:
            self._tables.commits.append([key[1] for key in answers])
        self.end()

    def end(self) -> None:
        """Locks and claims are free; whoever waits looks again."""
        if self.is_over:
            return
        self.is_over = True
        for place in self._places:
            self._tables.written_by.pop(place, None)
        for place in self._locks:
            self._tables.locked_by.pop(place, None)
        for woken in self._waiters:
            if not woken.done():
                woken.set_result(None)


def violated(
    kind: type[asyncpg.PostgresError], constraint: str
) -> asyncpg.PostgresError:
    """A constraint's error as the driver raises it."""
    error = kind(f"violates {constraint}")
    error.constraint_name = constraint
    return error
