"""The database as the operator sees it: clock, log, roster, partitions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database


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
    roster_version: int
    """In force; 0 before the first file."""
    roster_refused: int
    """Rows refused in the file that made it."""
    months: frozenset[int]
    """Months of record with partitions, as year times 100 plus month."""


async def read_vitals(database: Database, *, within_s: float) -> Vitals | None:
    """Look once; `None` where the server does not answer in this time."""
    try:
        async with asyncio.timeout(within_s), database.pool.acquire() as connection:
            row = await connection.fetchrow(statement("vitals"))
    except _FAULTS:
        return None
    if row is None:
        return None
    return Vitals(
        clock=row["clock"],
        server=row["server"],
        log_entries=row["log_entries"] or 0,
        roster_version=row["roster_version"],
        roster_refused=row["roster_refused"],
        months=frozenset(row["months"]),
    )
