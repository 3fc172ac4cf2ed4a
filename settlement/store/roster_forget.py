"""Erasing persons from the roster, in one database transaction with the reasons not to.

What stays is what the books need: settlements, records, postings, under the token.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from settlement.domain.errors import require
from settlement.store.roster_import import CHANNEL
from settlement.store.statements import statement
from settlement.store.transaction import committed, our_errors

if TYPE_CHECKING:
    from settlement.store.database import Database, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """Who has asked for it, and from when on something is within retention."""

    first_day: date
    first_instant: datetime
    years: int
    at: datetime
    by: str


async def forget_persons(
    database: Database,
    persons: Collection[bytes],
    forgetting: Forgetting,
    *,
    only_look: bool,
) -> Mapping[bytes, str]:
    """Erase those of the persons who may be; why not, by token, of all others.

    `unknown`, `window`, `settlement` or `case`. Waits for an import that is under way,
    and the next one waits for it. Raises `StoreUnavailableError` where nothing was
    erased, `CommitUnknownError` where the same call again tells (`unknown` then means
    that it was).
    """
    tokens = sorted(set(persons))
    with our_errors():
        connection = await database.connect()
        try:
            async with committed(connection):
                kept = await _why_not(connection, tokens, forgetting)
                erased = [token for token in tokens if token not in kept]
                if erased and not only_look:
                    await _erase(connection, erased, forgetting)
        finally:
            await connection.close()
    return kept


async def _why_not(
    connection: Session, tokens: list[bytes], forgetting: Forgetting
) -> dict[bytes, str]:
    await connection.fetchrow(statement("roster_lock_head"))
    rows = await connection.fetch(
        statement("roster_forget_why_not"),
        tokens,
        forgetting.first_day,
        forgetting.first_instant,
    )
    return {row["person"]: row["code"] for row in rows}


async def _erase(
    connection: Session, tokens: list[bytes], forgetting: Forgetting
) -> None:
    await connection.execute(
        statement("roster_forget"),
        tokens,
        forgetting.at,
        forgetting.by,
        forgetting.years,
    )
    tag = await connection.execute(statement("roster_forget_head"))
    require(tag == "UPDATE 1", "roster_head has its one row")
    await connection.execute("SELECT pg_notify($1, 'forgotten')", CHANNEL)
