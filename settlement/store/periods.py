"""What lies in a month or in some days: entries, the ledger by settlement, sums."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session

CHUNK = 5_000
#: Two openings at once: the second finds the first one's month.
_OPENING = int.from_bytes(b"openmont")


@dataclass(frozen=True, slots=True)
class OpenedMonth:
    """A month's place in the log, fixed when it was opened."""

    month: int
    first_index: int
    """The cut of the month before; 0 for the first."""
    tree_size: int
    checkpoint: str
    opened_at: datetime
    opened_by: str


class LedgerRow(NamedTuple):
    """A settlement of which something lies in the period."""

    settlement_id: bytes
    settled_on: date
    care_type: str
    visit_no: str
    key: str
    total_fen: int
    aid_fen: int
    is_settled: bool
    """Whether the settlement itself lies in the period, not only its reversal."""
    reversal_id: bytes | None
    """Where the reversal lies in it."""
    reversal_key: str | None


@dataclass(frozen=True, slots=True)
class FiguresRow:
    """Sums of entries that are alike in all by which sums are grouped."""

    facility_id: int
    is_reversal: bool
    is_late: bool
    category: str
    subdistrict: str
    care_type: str
    count: int
    total_fen: int
    funds_fen: int
    aid_fen: int
    tilt_fen: int
    patient_pays_fen: int


@dataclass(frozen=True, slots=True)
class DayTotals:
    """One day and care type of a facility."""

    day: date
    care_type: str
    settled: int
    settled_total_fen: int
    settled_aid_fen: int
    reversed: int
    reversed_total_fen: int
    reversed_aid_fen: int


async def lock_opening(session: Session) -> datetime:
    """Let one opening go on at a time; the database's clock."""
    await session.execute("SELECT pg_advisory_xact_lock($1)", _OPENING)
    now: datetime = await session.fetchval("SELECT clock_timestamp()")
    return now


async def opened_months(session: Session) -> list[OpenedMonth]:
    """Every opened month, in order."""
    rows = await session.fetch(
        "SELECT month, first_index, tree_size, checkpoint, opened_at, opened_by"
        " FROM opened_month ORDER BY month"
    )
    return [OpenedMonth(*row.values()) for row in rows]


async def opened_month(session: Session, month: int) -> OpenedMonth | None:
    """One month, if it is opened."""
    rows = await opened_months(session)
    return next((row for row in rows if row.month == month), None)


async def earliest_month(session: Session) -> int | None:
    """The month of the earliest entry of the log; `None` for an empty log.

    Raises `LookupError` where there is no log yet.
    """
    row = await session.fetchrow(
        "SELECT (SELECT min(month) FROM log_leaf) AS month FROM log_head"
    )
    if row is None:
        raise LookupError("there is no log yet")
    month: int | None = row["month"]
    return month


async def open_month(
    session: Session, month: int, first_index: int, opened_at: datetime, by: str
) -> OpenedMonth:
    """Fix the month's cut at the log as it is committed now.

    Raises `LookupError` where there is no log yet.
    """
    row = await session.fetchrow(
        "INSERT INTO opened_month SELECT $1, $2, size, checkpoint, $3, $4 FROM log_head"
        " RETURNING month, first_index, tree_size, checkpoint, opened_at, opened_by",
        month,
        first_index,
        opened_at,
        by,
    )
    if row is None:
        raise LookupError("there is no log yet")
    return OpenedMonth(*row.values())


@dataclass(frozen=True, slots=True)
class MonthSpan:
    """How a month's entries are found."""

    cut: OpenedMonth
    lowest: bytes
    beyond: bytes

    def _values(self) -> tuple[int, int, int, bytes, bytes]:
        cut = self.cut
        return cut.month, cut.first_index, cut.tree_size, self.lowest, self.beyond

    async def gather(self, session: Session, facility: int) -> None:
        """Put a facility's entries into the table `period` of this transaction."""
        await _period(
            session,
            "SELECT * FROM month_entries($1, $2, $3, $4, $5) WHERE facility_id = $6",
            *self._values(),
            facility,
        )

    async def figures(
        self, session: Session, facility: int | None = None
    ) -> list[FiguresRow]:
        """Sums of one facility, or of all, in order."""
        rows = await session.fetch(
            statement("month_figures"), *self._values(), facility
        )
        return [FiguresRow(*row.values()) for row in rows]

    async def facilities(self, session: Session) -> list[int]:
        """Who has entries, a list or differences in the month."""
        rows = await session.fetch(
            "SELECT DISTINCT facility_id FROM month_entries($1, $2, $3, $4, $5)"
            " UNION SELECT facility_id FROM hospital_list WHERE month = $1"
            " UNION SELECT facility_id FROM difference WHERE month = $1"
            " ORDER BY 1",
            *self._values(),
        )
        return [row["facility_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class DaySpan:
    """How the entries of some days are found."""

    lowest: bytes
    beyond: bytes

    async def gather(self, session: Session, facility: int) -> None:
        """Put a facility's entries into the table `period` of this transaction."""
        await _period(
            session,
            "SELECT * FROM day_entries($1, $2) WHERE facility_id = $3",
            self.lowest,
            self.beyond,
            facility,
        )

    async def totals(self, session: Session, facility: int) -> list[DayTotals]:
        """Counts and sums by day and care type, in order."""
        rows = await session.fetch(
            statement("day_totals"), self.lowest, self.beyond, facility
        )
        return [DayTotals(*row.values()) for row in rows]


async def _period(session: Session, query: str, *values: object) -> None:
    await session.execute("DROP TABLE IF EXISTS pg_temp.period")
    await session.execute(
        "CREATE TEMPORARY TABLE period (id bytea, settlement_id bytea,"
        " facility_id integer, is_reversal boolean, is_late boolean,"
        " at timestamptz, log_index bigint) ON COMMIT DROP"
    )
    await session.execute(f"INSERT INTO period {query}", *values)
    await session.execute("ANALYZE period")


async def ledger_of_period(session: Session) -> AsyncIterator[list[LedgerRow]]:
    """The ledger of what was gathered, by settlement id, some thousands at a time."""
    async for rows in in_chunks(session, statement("period_ledger")):
        yield [LedgerRow(*row.values()) for row in rows]


async def in_chunks(
    session: Session, query: str, *values: object
) -> AsyncIterator[list[asyncpg.Record]]:
    """A query's rows, some thousands at a time; within a transaction."""
    cursor = await session.cursor(query, *values)
    while rows := await cursor.fetch(CHUNK):
        yield rows
