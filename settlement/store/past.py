"""Read what persons have had settled, person by person, in one read-only snapshot.

PostgreSQL itself refuses to write here, whatever is asked of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from settlement.domain.decision import AccumulatorKey, Posting
from settlement.domain.eligibility import Window
from settlement.store.books import BookLeaf, BookPosting
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

#: Persons held at once; each has some dozens of settlements a year.
_PERSONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PastSettlement:
    """One settlement as the tables have it, with its record where it was asked for."""

    person: bytes
    id: bytes
    month: int
    state: bytes
    """`s` in force, `r` reversed, `d` declined."""
    reason: str
    settled_at: datetime
    log_index: int | None
    aid_fen: int
    category: str | None
    care_type: str
    facility_id: int
    visit_identity: bytes | None
    """`None` for declines: they hold no visit."""
    roster_version: int
    reversed_index: int | None
    reversed_at: datetime | None
    facility_level: int | None
    """As the facility is graded now."""
    record: bytes | None
    request: bytes | None
    """Of a decline: the canonical values that were asked."""


@dataclass(frozen=True, slots=True)
class PastWindow:
    """A roster window and the roster version that last changed it."""

    window: Window
    version: int


@dataclass(frozen=True, slots=True)
class PersonPast:
    """Everything that one person has had settled, by instant of settling."""

    settlements: Sequence[PastSettlement]
    postings: dict[int, list[Posting]]
    """By the log index of the settlement that made them."""
    windows: Sequence[PastWindow]


@dataclass(frozen=True, slots=True)
class PastCounts:
    """How much a stretch of months holds."""

    persons: int
    declines_of_nobody: int
    """Of cards that no roster knew."""


@dataclass(frozen=True, slots=True)
class Declined:
    """A settlement that has no record."""

    reason: str
    settled_at: datetime


async def past_counts(database: Database, first: int, last: int) -> PastCounts:
    """Count what the months (year times 100 plus month) hold, both included."""
    async with database.pool.acquire() as connection:
        row = await connection.fetchrow(statement("past_counts"), first, last)
    if row is None:
        raise RuntimeError("an aggregate gave no row")
    return PastCounts(row["persons"], row["of_nobody"])


async def past_of_persons(
    database: Database, first: int, last: int
) -> AsyncIterator[PersonPast]:
    """Every person with a settlement in the months, with all that they ever had.

    Records and requests are of these months only. One snapshot, read only; memory
    holds `_PERSONS` persons.
    """
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        cursor = await connection.cursor(statement("past_persons"), first, last)
        while rows := await cursor.fetch(_PERSONS):
            persons = [row["person"] for row in rows]
            for past in await _read(connection, persons, first, last):
                yield past


async def _read(
    connection: Session, persons: list[bytes], first: int, last: int
) -> list[PersonPast]:
    rows = await connection.fetch(statement("past_settlements"), persons, first, last)
    settlements = [PastSettlement(**row) for row in rows]
    indexes = [s.log_index for s in settlements if s.log_index is not None]
    postings: dict[int, list[Posting]] = defaultdict(list)
    for row in await connection.fetch(statement("past_postings"), indexes):
        key = AccumulatorKey(row["year"], row["pot"])
        posting = Posting(key, row["amount_fen"], row["cap_fen"])
        postings[row["log_index"]].append(posting)
    windows: dict[bytes, list[PastWindow]] = defaultdict(list)
    for row in await connection.fetch(statement("past_windows"), persons):
        _, category, valid_from, valid_to, subdistrict, version = row
        window = Window(category, valid_from, valid_to, subdistrict)
        windows[row["person"]].append(PastWindow(window, version))
    return [
        PersonPast(list(own), postings, windows.get(person, []))
        for person, own in groupby(settlements, lambda each: each.person)
    ]


async def leaf_of(database: Database, id_: bytes) -> BookLeaf | None:
    """The leaf of a settlement or reversal; `None` where it has none."""
    async with database.pool.acquire() as connection:
        index = await connection.fetchval(statement("past_log_index"), id_)
        if index is None:
            return None
        row = await connection.fetchrow(statement("books_leaves"), index, 1)
    return None if row is None else BookLeaf(**row)


async def posted_by(database: Database, log_index: int) -> list[BookPosting]:
    """What a leaf posted, with what stood in each pot before it."""
    async with database.pool.acquire() as connection:
        rows = await connection.fetch(statement("past_posted"), log_index)
    return [BookPosting(*row.values()) for row in rows]


async def declined(database: Database, id_: bytes) -> Declined | None:
    """Why a settlement was declined; `None` where it was not."""
    async with database.pool.acquire() as connection:
        row = await connection.fetchrow(statement("past_declined"), id_)
    return None if row is None else Declined(row["reason"], row["settled_at"])
