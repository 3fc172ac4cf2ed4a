"""Running totals read without a lock: for quotes and quotas, which bind nobody."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg

from settlement.store.database import Database
from settlement.store.errors import StoreUnavailableError
from settlement.store.statements import statement

AccumulatorId = tuple[bytes, int, str]


async def read_used(
    database: Database, wanted: Iterable[AccumulatorId]
) -> dict[AccumulatorId, int]:
    """Fen used for each accumulator that exists, in one query on the primary.

    Raises `StoreUnavailableError`.
    """
    order = sorted(set(wanted))
    columns = [list(c) for c in zip(*order, strict=True)] if order else [[], [], []]
    try:
        async with database.pool.acquire() as connection:
            found = await connection.fetch(statement("read_accumulators"), *columns)
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        # A connection that is torn down while a statement begins.
        asyncpg.InternalClientError,
        OSError,
    ) as error:
        raise StoreUnavailableError(type(error).__name__) from error
    return {(row["person"], row["year"], row["pot"]): row["used_fen"] for row in found}
