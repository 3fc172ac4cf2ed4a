"""What the bureau reads in decrypted records, held for the length of a match."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, NamedTuple

from settlement.store.periods import in_chunks
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session
    from settlement.store.periods import OpenedMonth

_RECORDS = 500


class ToldRow(NamedTuple):
    """One decrypted record of a settlement or of the reversal of one."""

    facility: str
    settlement_id: bytes
    is_reversal: bool
    total_fen: int
    aid_fen: int


class ToldItem(NamedTuple):
    """What the records say of a settlement, with how many of each kind they are."""

    settlement_id: bytes
    settled: int
    reversed: int
    total_fen: int
    """What all of them come to: a settlement adds, a reversal takes away."""
    aid_fen: int


async def month_records(
    session: Session, cut: OpenedMonth
) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Every record of the month with its index, some hundreds at a time."""
    after = -1
    while True:
        rows = await session.fetch(
            statement("month_records"),
            cut.month,
            cut.first_index,
            cut.tree_size,
            after,
            _RECORDS,
        )
        if rows:
            yield [(row["log_index"], row["record"]) for row in rows]
            after = rows[-1]["log_index"]
        if len(rows) < _RECORDS:
            return


async def begin_told(session: Session) -> None:
    """Make the table of what the bureau reads; it stays until it is ended."""
    await end_told(session)
    await session.execute(
        'CREATE TEMPORARY TABLE told (facility text COLLATE "C", settlement_id bytea,'
        " is_reversal boolean, total_fen bigint, aid_fen bigint)"
    )


async def end_told(session: Session) -> None:
    """Take the table away."""
    await session.execute("DROP TABLE IF EXISTS pg_temp.told")


async def add_told(session: Session, rows: Iterable[ToldRow]) -> None:
    """Add what was read."""
    await session.copy_records_to_table(
        "told", records=rows, columns=list(ToldRow._fields)
    )


async def told_of(session: Session, facility: str) -> AsyncIterator[list[ToldItem]]:
    """A hospital's settlements as the bureau reads them, by id."""
    async for rows in in_chunks(
        session,
        "SELECT settlement_id, count(*) FILTER (WHERE NOT is_reversal) AS settled,"
        " count(*) FILTER (WHERE is_reversal) AS reversed,"
        " sum(CASE WHEN is_reversal THEN -total_fen ELSE total_fen END)::bigint"
        " AS total_fen,"
        " sum(CASE WHEN is_reversal THEN -aid_fen ELSE aid_fen END)::bigint AS aid_fen"
        " FROM told WHERE facility = $1 GROUP BY settlement_id ORDER BY settlement_id",
        facility,
    ):
        yield [ToldItem(*row.values()) for row in rows]
