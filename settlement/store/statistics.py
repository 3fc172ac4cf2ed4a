"""Counts and sums over settlements, as the bureau publishes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One month of service, net of reversals."""

    month: int
    """Year times 100 plus month, of `service_end`."""
    citizens: int
    """Distinct persons with an aided visit."""
    visits: int
    """Distinct visits with aid above 0."""
    aid_fen: int


async def months_of_service(database: Database) -> list[MonthRow]:
    """Every month in which an aided visit ended, in order."""
    rows = await database.pool.fetch(statement("statistics_by_service_month"))
    return [MonthRow(**row) for row in rows]
