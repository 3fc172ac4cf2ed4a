"""Opening a month: its place in the log is fixed, and with it what it holds."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from settlement.domain.calendar import (
    days_of_month,
    month_name,
    month_of_day,
    next_month,
    shanghai_day,
)
from settlement.domain.month_range import month_before
from settlement.service.ids import ids_of_days
from settlement.service.reconcile.faults import MonthFault
from settlement.store import periods
from settlement.store.closing import FacilityRow, facility_of
from settlement.store.periods import MonthSpan, OpenedMonth

if TYPE_CHECKING:
    from settlement.store.database import Database, Session


async def open_month(database: Database, month: int, *, by: str) -> OpenedMonth:
    """Fix the month's cut at the log as it is now; as it was, where it is open already.

    Raises `MonthFault`: MA-4202 for a month that is not over in Shanghai by the
    database's clock, MA-4203 where an earlier one has to be opened first, MA-4220
    where there is no log yet.
    """
    async with database.pool.acquire() as connection, connection.transaction():
        now = await periods.lock_opening(connection)
        opened = await periods.opened_months(connection)
        for row in opened:
            if row.month == month:
                return row
        today = shanghai_day(now)
        if today <= days_of_month(month)[1]:
            raise MonthFault("MA-4202", month_name(month))
        first_index = opened[-1].tree_size if opened else 0
        try:
            await _require_turn(connection, month, opened, today)
            return await periods.open_month(connection, month, first_index, now, by)
        except LookupError:
            raise MonthFault("MA-4220") from None


async def _require_turn(
    session: Session, month: int, opened: list[OpenedMonth], today: date
) -> None:
    """Months follow each other without a gap, from the first that holds anything.

    An opening is never taken back, so a slip of the pen (2006-01) must not begin them.
    """
    if opened:
        expected = next_month(opened[-1].month)
    else:
        expected = await periods.earliest_month(session) or month_before(
            month_of_day(today)
        )
    if month != expected:
        raise MonthFault("MA-4203", f"{month_name(expected)} comes first")


def span_of(cut: OpenedMonth) -> MonthSpan:
    """Where the entries of an opened month are found."""
    return MonthSpan(cut, *ids_of_days(*days_of_month(cut.month)))


async def require_opened(session: Session, month: int) -> OpenedMonth:
    """The month's cut; raises MA-4201."""
    cut = await periods.opened_month(session, month)
    if cut is None:
        raise MonthFault("MA-4201", month_name(month))
    return cut


async def require_facility(session: Session, code: str) -> FacilityRow:
    """A hospital by its code; raises MA-4209."""
    facility = await facility_of(session, code)
    if facility is None:
        raise MonthFault("MA-4209", code)
    return facility
