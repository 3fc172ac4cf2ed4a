"""Counts and sums over settlements, as the bureau publishes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from settlement.domain.month_range import MonthRange, month_before
from settlement.store.errors import StoreBusyError
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

#: The month of a row over all the months.
ALL_MONTHS = 0


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AidQuery:
    """What to count; `None` does not divide and does not narrow."""

    months: MonthRange
    """The one before the first is counted too, for what it grows on."""
    by_settled: bool
    """By the month of settling and of reversal, not by that of service."""
    dimension: str | None = None
    """`subdistrict`, `hospital`, `category` or `care_type`."""
    facility_id: int | None = None
    most_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AidRow:
    """The aided bills of one month and bucket, less those that were taken back."""

    bucket: str
    """Of the dimension; a hospital by the number of its row; else empty."""
    month: int
    """`ALL_MONTHS` where it is the whole stretch, which a single month has not."""
    citizens: int
    visits: int
    settlements: int
    aid_fen: int
    tilt_fen: int
    total_fen: int
    funds_fen: int
    patient_pays_fen: int


@dataclass(frozen=True, slots=True)
class FacilityName:
    """What a facility is called."""

    code: str
    name: str


class StatisticsTooLongError(StoreBusyError):
    """It took longer than `within_ms`; nothing is known."""


async def months_of_service(database: Database) -> list[MonthRow]:
    """Every month in which an aided visit ended, in order."""
    rows = await database.pool.fetch(statement("statistics_by_service_month"))
    return [MonthRow(**row) for row in rows]


async def aid_rows(
    database: Database, queries: Iterable[AidQuery], *, within_ms: int | None
) -> list[list[AidRow]]:
    """The rows of each query, all of them from one snapshot.

    One connection of the pool, no further process of the server. Raises
    `StatisticsTooLongError` where one of them takes longer than `within_ms`.
    """
    async with (
        database.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        # A generic plan would read what the values given leave out; and the planner
        # expects so few persons that it would sort a million before counting them.
        await connection.execute(
            "SELECT set_config('statement_timeout', $1, true),"
            " set_config('plan_cache_mode', 'force_custom_plan', true),"
            " set_config('enable_sort', 'off', true),"
            " set_config('max_parallel_workers_per_gather', '0', true)",
            str(within_ms or 0),
        )
        try:
            return [await _rows(connection, query) for query in queries]
        except asyncpg.QueryCanceledError as late:
            raise StatisticsTooLongError("statistics took too long") from late


async def _rows(connection: Session, query: AidQuery) -> list[AidRow]:
    months = query.months
    before = month_before(months.first)
    rows = await connection.fetch(
        statement("statistics_of_months"),
        query.by_settled,
        before,
        months.first,
        months.last,
        *MonthRange(before, months.last).days(),
        query.dimension,
        query.facility_id,
        query.most_rows,
    )
    return [AidRow(**row) for row in rows]


async def facility_names(
    database: Database, numbers: Iterable[int]
) -> dict[int, FacilityName]:
    """Code and name of each facility, by the number of its row."""
    rows = await database.pool.fetch(
        "SELECT id, code, name FROM party WHERE id = ANY($1::integer[])", list(numbers)
    )
    return {row["id"]: FacilityName(row["code"], row["name"]) for row in rows}
