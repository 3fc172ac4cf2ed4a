"""Read the whole of the books, piece by piece and with flat memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from settlement.store.database import Database
from settlement.store.statements import statement

_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class BookLeaf:
    """One leaf with its record, its answer, and what the tables say of it."""

    log_index: int
    entry: bytes
    id: bytes
    record: bytes | None
    head: bytes | None
    tail: bytes | None
    op: str
    total_fen: int
    aid_fen: int
    patient_pays_fen: int

    @property
    def answer(self) -> bytes | None:
        """The stored answer's exact bytes; `None` where a part is missing."""
        if self.record is None or self.head is None or self.tail is None:
            return None
        return self.head + self.record + self.tail


@dataclass(frozen=True, slots=True)
class BookCounts:
    """How much there is."""

    settlements: int
    reversals: int
    declines: int
    tombstones: int
    persons: int
    accumulators: int
    aid_fen: int
    """Net of reversals."""


async def violations(database: Database) -> list[tuple[str, str]]:
    """(rule, place) for everything that a query can see to be wrong."""
    async with database.pool.acquire() as connection:
        found = await connection.fetch(statement("books_violations"))
    return [(row["rule"], row["place"]) for row in found]


async def counts(database: Database) -> BookCounts:
    """Totals to show beside the verdict."""
    async with database.pool.acquire() as connection:
        row = await connection.fetchrow(statement("books_counts"))
    if row is None:
        raise RuntimeError("an aggregate gave no row")
    return BookCounts(*row.values())


async def leaves(database: Database) -> AsyncIterator[BookLeaf]:
    """Every leaf in index order."""
    start = 0
    while True:
        async with database.pool.acquire() as connection:
            found = await connection.fetch(statement("books_leaves"), start, _CHUNK)
        for row in found:
            yield BookLeaf(*row.values())
        if len(found) < _CHUNK:
            return
        start = found[-1]["log_index"] + 1
