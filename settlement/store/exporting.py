"""Read a month's records in log order, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from settlement.store.database import Database
from settlement.store.statements import statement

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class MonthLeaf:
    """One record of the month and its place in the log."""

    log_index: int
    id: bytes
    record: bytes


async def facility_no(database: Database, code: str) -> int | None:
    """The number behind a facility's code."""
    async with database.pool.acquire() as connection:
        number: int | None = await connection.fetchval(
            "SELECT id FROM party WHERE code = $1 AND role = 'facility'", code
        )
    return number


async def month_leaves(
    database: Database, month: int, *, below: int, facility: int | None
) -> AsyncIterator[MonthLeaf]:
    """Every leaf of the month with an index below `below`."""
    start = 0
    while True:
        async with database.pool.acquire() as connection:
            found = await connection.fetch(
                statement("export_leaves"), month, start, below, facility, _CHUNK
            )
        for row in found:
            yield MonthLeaf(*row.values())
        if len(found) < _CHUNK:
            return
        start = found[-1]["log_index"] + 1
