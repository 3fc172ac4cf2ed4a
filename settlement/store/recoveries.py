"""Aid that confirmed cases ask back, as reconciliation reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.domain.matching import Recovery
from settlement.store.periods import in_chunks
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session


async def open_recoveries(
    session: Session, facility: int, month: int, tree_size: int
) -> AsyncIterator[list[Recovery]]:
    """What a month's match has to name of a hospital, some thousands at a time."""
    query = statement("recoveries_open")
    async for rows in in_chunks(session, query, facility, tree_size, month):
        yield [Recovery(*row.values()) for row in rows]


async def drop_given_back(
    session: Session, month: int, facility: int, at: datetime, by: str
) -> None:
    """Let what earlier months carry over go, where it was given back since."""
    await session.execute(statement("recoveries_gone"), month, facility, at, by)
