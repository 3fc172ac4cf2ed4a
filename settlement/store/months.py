"""Partitions of records and answers, made before the first row of a month."""

from __future__ import annotations

from collections.abc import Iterable

from settlement.store.database import Database
from settlement.store.transaction import our_errors


class Months:
    """Remembers which partitions exist, so that a batch asks only once."""

    def __init__(self, database: Database) -> None:
        """Nothing is known yet."""
        self.database = database
        self._known: set[int] = set()

    def lacks(self, month: int) -> bool:
        """Whether `ensure` has to be awaited first."""
        return month not in self._known

    async def ensure(self, months: Iterable[int]) -> None:
        """Make missing partitions, each in its own database transaction.

        Raises `StoreUnavailableError` or `BatchConflictError`.
        """
        for month in set(months) - self._known:
            with our_errors():
                async with self.database.pool.acquire() as connection:
                    await connection.execute("SELECT ensure_month($1)", month)
            self._known.add(month)
