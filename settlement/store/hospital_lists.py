"""Hospitals' own lists: taken in line by line, kept with what each line means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from settlement.store.periods import in_chunks
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session


_NONE_UPDATED = "UPDATE 0"


class RawLine(NamedTuple):
    """A line as the hospital wrote it, with nobody's card."""

    line: int
    id: bytes | None
    """Of a settlement or a reversal; `None` where the line has none that can be one."""
    listed_id: str
    visit_no: str
    key: str
    total_fen: int
    aid_fen: int
    refund: bool


@dataclass(frozen=True, slots=True)
class ListRow:
    """A list that was taken in; in the order of the table's columns."""

    no: int
    month: int
    facility_id: int
    sha256: str
    form: str
    lines: int
    received_at: datetime
    received_by: str


class LineRow(NamedTuple):
    """A line with the settlement that it means."""

    line: int
    settlement_id: bytes | None
    visit_no: str
    key: str
    total_fen: int
    aid_fen: int
    refund: bool
    elsewhere: date | None
    listed_id: str


async def begin_list(session: Session) -> None:
    """Make the table that a list is read into; it ends with the transaction."""
    await session.execute("DROP TABLE IF EXISTS pg_temp.listed")
    await session.execute(
        "CREATE TEMPORARY TABLE listed (line integer, id bytea,"
        ' listed_id text COLLATE "C", visit_no text COLLATE "C", key text COLLATE "C",'
        " total_fen bigint, aid_fen bigint, refund boolean, settlement_id bytea,"
        " elsewhere date)"
        " ON COMMIT DROP"
    )


async def add_lines(session: Session, lines: Iterable[RawLine]) -> None:
    """Add lines to the list that was begun."""
    await session.copy_records_to_table(
        "listed", records=lines, columns=list(RawLine._fields)
    )


async def resolve_lines(session: Session, facility: int) -> None:
    """Find what each line means; the table `period` holds what lies in the period."""
    await session.execute("ANALYZE listed")
    await session.execute(statement("resolve_listed"), facility)
    # An id that is nobody's here was none of ours, whatever it looks like: a GUID of
    # the hospital's. An id of another hospital's settlement goes on to name nothing.
    told = await session.execute(
        "UPDATE listed l SET id = NULL WHERE id IS NOT NULL AND settlement_id IS NULL"
        " AND NOT EXISTS (SELECT FROM settlement s WHERE s.id = l.id)"
        " AND NOT EXISTS (SELECT FROM reversal v WHERE v.id = l.id)"
    )
    if told != _NONE_UPDATED:
        await session.execute(statement("resolve_listed"), facility)
    await session.execute(
        "UPDATE listed SET listed_id = '' WHERE settlement_id IS NOT NULL"
    )
    await session.execute(statement("place_listed"))
    await session.execute(statement("place_refunds"))


async def place_in_months(session: Session) -> None:
    """Tell lines that lie elsewhere the month that holds what they mean."""
    await session.execute(statement("place_in_months"))


async def keep_list(
    session: Session,
    *,
    month: int,
    facility: int,
    sha256: str,
    form: str,
    received_at: datetime,
    received_by: str,
) -> tuple[ListRow, bool]:
    """Keep what was read as the list that counts; and whether it was new.

    A file that came before is not kept twice, but counts again.
    """
    values = (month, facility, sha256, form, received_at, received_by)
    row = await session.fetchrow(
        "UPDATE hospital_list SET received_at = $5, received_by = $6"
        " WHERE month = $1 AND facility_id = $2 AND sha256 = $3 AND form = $4"
        " RETURNING *",
        *values,
    )
    if row is not None:
        return ListRow(*row.values()), False
    row = await session.fetchrow(
        "INSERT INTO hospital_list (month, facility_id, sha256, form, lines,"
        " received_at, received_by)"
        " SELECT $1, $2, $3, $4, count(*), $5, $6 FROM listed"
        " RETURNING *",
        *values,
    )
    if row is None:
        raise RuntimeError("an insert gave no row")
    kept = ListRow(*row.values())
    await session.execute(
        "INSERT INTO hospital_line SELECT $1, line, id, listed_id, visit_no, key,"
        " total_fen, aid_fen, refund FROM listed",
        kept.no,
    )
    return kept, True


async def read_kept(session: Session, no: int) -> None:
    """Put a kept list's lines into the list that was begun."""
    await session.execute(
        "INSERT INTO listed (line, id, listed_id, visit_no, key, total_fen, aid_fen,"
        " refund) SELECT line, id, listed_id, visit_no, key, total_fen, aid_fen, refund"
        " FROM hospital_line"
        " WHERE list_no = $1",
        no,
    )


async def list_that_counts(
    session: Session, month: int, facility: int
) -> ListRow | None:
    """The list received last for the month."""
    row = await session.fetchrow(
        "SELECT * FROM hospital_list WHERE month = $1 AND facility_id = $2"
        " ORDER BY received_at DESC, no DESC LIMIT 1",
        month,
        facility,
    )
    return None if row is None else ListRow(*row.values())


async def lines_resolved(session: Session) -> AsyncIterator[list[LineRow]]:
    """Lines that mean one of the hospital's settlements, by its id."""
    async for rows in in_chunks(
        session,
        "SELECT line, settlement_id, visit_no, key, total_fen, aid_fen, refund,"
        " elsewhere, listed_id FROM listed WHERE settlement_id IS NOT NULL"
        " ORDER BY settlement_id, line",
    ):
        yield [LineRow(*row.values()) for row in rows]


async def lines_unresolved(session: Session) -> AsyncIterator[list[LineRow]]:
    """Lines that mean none of them, by visit, key and listed id."""
    async for rows in in_chunks(
        session,
        "SELECT line, settlement_id, visit_no, key, total_fen, aid_fen, refund,"
        " elsewhere, listed_id FROM listed WHERE settlement_id IS NULL"
        " ORDER BY visit_no, key, listed_id, line",
    ):
        yield [LineRow(*row.values()) for row in rows]


async def counts_read(session: Session) -> tuple[int, int]:
    """How many lines were read, and how many of them lie in the period."""
    row = await session.fetchrow(
        "SELECT count(*) AS lines, count(*) FILTER (WHERE settlement_id IS NOT NULL"
        " AND elsewhere IS NULL) AS inside FROM listed"
    )
    return (0, 0) if row is None else (row["lines"], row["inside"])
