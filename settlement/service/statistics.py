"""The month table: citizens served, visits aided, aid paid, and their growth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from settlement.store.statistics import MonthRow, months_of_service

if TYPE_CHECKING:
    from settlement.store.database import Database

_THOUSAND = 1000
_NOTHING = MonthRow(month=0, citizens=0, visits=0, aid_fen=0)


@dataclass(frozen=True, slots=True)
class MonthStatistics:
    """One month of service, net of reversals, beside the month before it."""

    month: str
    """`YYYY-MM`, of the last day of service."""
    citizens: int
    """Distinct persons with an aided visit in the month."""
    visits: int
    """Visits with aid above 0."""
    aid_fen: int
    citizens_growth: int | None
    """Against the month before, in parts per thousand; `None` for the first month
    and after a month without any."""
    visits_growth: int | None
    aid_growth: int | None


async def month_statistics(database: Database) -> list[MonthStatistics]:
    """Every month with an aided visit, in order, read from PostgreSQL."""
    rows = await months_of_service(database)
    table = [_month(row, None) for row in rows[:1]]
    table += [_month(row, before) for before, row in pairwise(rows)]
    return table


def _month(row: MonthRow, before: MonthRow | None) -> MonthStatistics:
    if before is None or row.month != _next_month(before.month):
        before = _NOTHING
    return MonthStatistics(
        month=f"{row.month // 100:04d}-{row.month % 100:02d}",
        citizens=row.citizens,
        visits=row.visits,
        aid_fen=row.aid_fen,
        citizens_growth=growth(before.citizens, row.citizens),
        visits_growth=growth(before.visits, row.visits),
        aid_growth=growth(before.aid_fen, row.aid_fen),
    )


def _next_month(month: int) -> int:
    year, number = divmod(month, 100)
    return (year + 1) * 100 + 1 if number == 12 else month + 1  # noqa: PLR2004


def growth(before: int, now: int) -> int | None:
    """Growth in parts per thousand, half away from zero; `None` without a base."""
    if before <= 0:
        return None
    size = (abs(now - before) * 2 * _THOUSAND + before) // (2 * before)
    return size if now >= before else -size
