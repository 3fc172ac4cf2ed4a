"""A hospital's closed month as it was signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from settlement.domain.calendar import month_name
from settlement.service.reconcile.closing import valid_officers
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.months import require_opened
from settlement.store import closing as store
from settlement.store.closing import ClosedRow, SignatureRow

if TYPE_CHECKING:
    from settlement.store.database import Database


@dataclass(frozen=True, slots=True)
class ClosedStatement:
    """The statement with the signatures that hold for it."""

    closed: ClosedRow
    signatures: tuple[SignatureRow, ...]


async def closed_statement(
    database: Database, month: int, facility_id: int
) -> ClosedStatement:
    """What two officers signed; raises `MonthFault`: MA-4201, MA-4213."""
    async with (
        database.pool.acquire() as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        await require_opened(session, month)
        for row in await store.closed_months(session, month):
            if row.facility_id == facility_id:
                break
        else:
            raise MonthFault("MA-4213", month_name(month))
        signed = await store.signatures_of(session, month, facility_id, row.sha256)
    officers = set(valid_officers(row.statement, signed))
    return ClosedStatement(
        row, tuple(each for each in signed if each.officer in officers)
    )
