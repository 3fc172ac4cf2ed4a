"""Read the whole of the books, piece by piece and with flat memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from settlement.store.answers import answer_digest
from settlement.store.rows import AnswerRow
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

#: Rows held at once; a leaf with its answer has about ten kilobytes.
_CHUNK = 500

Row = Mapping[str, Any]
"""One row of a table, by the names of its columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookAnswer:
    """A stored answer with the row that it stands for; `None` where it is missing."""

    id: bytes
    record: bytes | None = None
    request: bytes | None
    head: bytes | None
    tail: bytes | None
    digest: bytes | None
    settlement: Row | None = None
    diagnoses: Sequence[str] | None = None
    prescription_days: int | None = None
    is_on_roster: bool = False
    """Whether the roster has ever known the person; windows are never deleted."""

    @property
    def answer(self) -> bytes | None:
        """The answer's exact bytes; `None` where a part is missing."""
        if self.head is None or self.tail is None:
            return None
        if self.tail and self.record is None:
            return None
        return self.head + (self.record or b"") + self.tail

    @property
    def is_whole(self) -> bool:
        """Whether the checksum beside the answer is the answer's."""
        if self.request is None or self.head is None or self.tail is None:
            return False
        row = AnswerRow(0, self.id, self.request, self.head, self.tail)
        return self.digest == answer_digest(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLeaf(BookAnswer):
    """One leaf with its record, its answer, and what the tables say of it."""

    log_index: int
    entry: bytes
    reversal: Row | None
    original: Row | None
    """The settlement that the reversal undid."""
    facility: str | None
    """Code of the facility; `None` where it is no registered party."""


@dataclass(frozen=True, slots=True)
class BookPosting:
    """One posting, and what its pot held before it."""

    log_index: int
    person: bytes
    year: int
    pot: str
    amount_fen: int
    cap_fen: int | None
    before_fen: int


@dataclass(frozen=True, slots=True)
class BookPack:
    """One installed policy document, and what the table calls it."""

    no: int
    id: str
    version: str
    document: bytes


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


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Session]:
    """The books of one instant, whatever is settled meanwhile; nothing is locked.

    One connection serves every read in turn, a cursor and what is read between its
    rows alike. As long as the block runs, vacuum removes nothing that was still
    visible at its begin.
    """
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def violations(session: Session) -> list[tuple[str, str]]:
    """(rule, place) for everything that a query can see to be wrong."""
    found = await session.fetch(statement("books_violations"))
    return [(row["rule"], row["place"]) for row in found]


async def counts(session: Session) -> BookCounts:
    """Totals to show beside the verdict."""
    row = await session.fetchrow(statement("books_counts"))
    if row is None:
        raise RuntimeError("an aggregate gave no row")
    return BookCounts(*row.values())


async def leaves(session: Session) -> AsyncIterator[BookLeaf]:
    """Every leaf in index order."""
    start = 0
    while True:
        found = await session.fetch(statement("books_leaves"), start, _CHUNK)
        for row in found:
            yield BookLeaf(**row)
        if len(found) < _CHUNK:
            return
        start = found[-1]["log_index"] + 1


async def declines(session: Session) -> AsyncIterator[BookAnswer]:
    """Every settlement that has no leaf."""
    async for answer in _by_id(session, "books_declines"):
        yield answer


async def repeats(session: Session) -> AsyncIterator[BookAnswer]:
    """Every answer to a reversal that undid nothing itself."""
    async for answer in _by_id(session, "books_repeats"):
        yield answer


async def _by_id(session: Session, name: str) -> AsyncIterator[BookAnswer]:
    start = b""
    while True:
        found = await session.fetch(statement(name), start, _CHUNK)
        for row in found:
            yield BookAnswer(**row)
        if len(found) < _CHUNK:
            return
        start = found[-1]["id"]


async def postings(session: Session) -> AsyncGenerator[BookPosting]:
    """Every posting in the order of the log; the server sorts, in its own files."""
    async for row in session.cursor(statement("books_postings"), prefetch=_CHUNK):
        yield BookPosting(*row.values())


async def differing_nodes(
    session: Session, nodes: Mapping[tuple[int, int], bytes]
) -> list[tuple[int, int]]:
    """Which of these roots of full tiles are not stored so."""
    found = await session.fetch(
        "SELECT level, node_index, hash FROM log_node JOIN unnest($1::smallint[],"
        " $2::bigint[]) AS wanted(level, node_index) USING (level, node_index)",
        [level for level, _ in nodes],
        [index for _, index in nodes],
    )
    stored = {(row["level"], row["node_index"]): row["hash"] for row in found}
    return [key for key, node in nodes.items() if stored.get(key) != node]


async def node_count(session: Session) -> int:
    """How many roots of full tiles are stored."""
    count: int = await session.fetchval("SELECT count(*) FROM log_node")
    return count


async def packs(session: Session) -> list[BookPack]:
    """Every installed document, active or not."""
    found = await session.fetch(
        "SELECT no, id, version, document FROM policy_pack ORDER BY no"
    )
    return [BookPack(*row.values()) for row in found]
