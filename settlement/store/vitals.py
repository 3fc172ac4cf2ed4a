"""The database as the operator sees it: clock, log, roster, partitions."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database


_CLOSE_WITHIN_S = 2
_FAULTS = (
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # A connection that is torn down while a statement begins.
    asyncpg.InternalClientError,
    OSError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """One look at the database."""

    clock: datetime
    """The server's, at the look."""
    server: str
    """PostgreSQL's version."""
    log_entries: int
    watched_entries: int
    """Entries of the log that the watch has looked at."""
    skipped_claims: int
    """Claims that it could not look at."""
    roster_version: int
    """In force; 0 before the first file."""
    roster_refused: int
    """Rows refused in the file that made it."""
    months: frozenset[int]
    """Months of record with partitions, as year times 100 plus month."""


class VitalsReader:
    """Looks at the database over a connection of its own.

    The pool's may all be busy, or waited for: that does not mean that the server is
    away.
    """

    def __init__(self, database: Database) -> None:
        """Nothing is connected until the first look."""
        self._database = database
        self._connection: Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def read(self, *, within_s: float) -> Vitals | None:
        """Look once; `None` where the server does not answer in this time."""
        try:
            async with asyncio.timeout(within_s), self._one_at_a_time:
                row = await self._row()
        except _FAULTS:
            return None
        if row is None:
            return None
        return Vitals(
            clock=row["clock"],
            server=row["server"],
            log_entries=row["log_entries"] or 0,
            watched_entries=row["watched_entries"],
            skipped_claims=row["skipped_claims"],
            roster_version=row["roster_version"],
            roster_refused=row["roster_refused"],
            months=frozenset(row["months"]),
        )

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.close(timeout=_CLOSE_WITHIN_S)
        except _FAULTS:
            connection.terminate()

    async def _row(self) -> asyncpg.Record | None:
        """Ask over the connection at hand; where it was lost meanwhile, over another.

        A server that was started anew is not away.
        """
        if self._connection is not None:
            with contextlib.suppress(*_FAULTS):
                return await self._ask(self._connection)
        self._connection = await self._database.connect()
        return await self._ask(self._connection)

    async def _ask(self, connection: Connection) -> asyncpg.Record | None:
        try:
            return await connection.fetchrow(statement("vitals"))
        except BaseException:
            # Whoever gave up on it leaves nothing behind that the next would wait for.
            self._connection = None
            connection.terminate()
            raise
