"""Partitions of records and answers, made before the first row of a month."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from settlement.store.database import Database


def month_number(day: date) -> int:
    """The partition of a Shanghai day: year times 100 plus month."""
    return day.year * 100 + day.month


class Months:
    """Remembers which partitions exist, so that a batch asks only once."""

    def __init__(self, database: Database) -> None:
        """Nothing is known yet."""
        self.database = database
        self._known: set[int] = set()

    async def ensure(self, months: Iterable[int]) -> None:
        """Make missing partitions, each in its own database transaction."""
        for month in set(months) - self._known:
            async with self.database.pool.acquire() as connection:
                await connection.execute("SELECT ensure_month($1)", month)
            self._known.add(month)
