"""What the national envelope's look-ups read of settlements; on the pool, no lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from settlement.store.errors import StoreUnavailableError
from settlement.store.find import reading_faults
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database


class VisitCharge(NamedTuple):
    """One settlement of a visit, and what it was asked for with."""

    id: bytes
    request: bytes


async def charges_of_visit(
    database: Database, facility_id: int, visit_no: str
) -> list[VisitCharge]:
    """The facility's settlements of a visit: approved ones first, each newest first."""
    with reading_faults():
        async with database.pool.acquire() as connection:
            rows = await connection.fetch(
                statement("his_charges_of_visit"), facility_id, visit_no
            )
    return [VisitCharge(row["id"], row["request"]) for row in rows]


async def aid_of_year(database: Database, person: bytes, year: int) -> int:
    """Fen of aid that a person's settlements in force have drawn in a pack's year.

    Raises `StoreUnavailableError`.
    """
    try:
        async with database.pool.acquire() as connection:
            found: int = await connection.fetchval(
                statement("his_aid_of_year"), person, year
            )
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        # A connection that is torn down while a statement begins.
        asyncpg.InternalClientError,
        OSError,
    ) as error:
        raise StoreUnavailableError(type(error).__name__) from error
    return found
