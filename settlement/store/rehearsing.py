"""Read past months for a rehearsal of alert rules: one snapshot, read only.

PostgreSQL itself refuses to write here, whatever is asked of it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from settlement.domain.watch.changes import StoredAlert
from settlement.store.statements import statement

if TYPE_CHECKING:
    import asyncpg

    from settlement.store.database import Database, Session

#: Subjects held at once; each has some dozens of claims a year.
AT_ONCE = 100
#: Months of operators held at once; each may have thousands of claims.
_DESKS = 10


@dataclass(frozen=True, slots=True)
class ActivePerson:
    """A person or a household with claims in the months."""

    token: bytes
    since: date
    until: date
    inside: frozenset[bytes]
    """Ids of the claims in the months."""


@dataclass(frozen=True, slots=True)
class ActiveOperator:
    """An operator with claims in one of the months."""

    facility: int
    operator: str
    since: datetime
    until: datetime
    inside: frozenset[bytes]


class JudgedClaim(NamedTuple):
    """A claim in an alert of a closed case. In the statement's order."""

    claim: bytes
    alert: bytes
    detector: str
    case: bytes
    is_confirmed: bool


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[Session]:
    """A session that sees one instant and cannot write."""
    async with (
        database.pool.acquire() as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield session


async def count_subjects(session: Session, first: int, last: int) -> int:
    """How many persons, months of operators and households there are to look at."""
    count: int = await session.fetchval(statement("rehearse_counts"), first, last)
    return count


async def active_persons(
    session: Session, first: int, last: int
) -> AsyncIterator[list[ActivePerson]]:
    """Persons with claims in the months, some at a time."""
    async for rows in _chunks(session, "rehearse_persons", AT_ONCE, first, last):
        yield [
            ActivePerson(
                row["person"],
                row["since"],
                row["until"],
                frozenset(row["inside"]),
            )
            for row in rows
        ]


async def active_households(
    session: Session, first: int, last: int
) -> AsyncIterator[list[ActivePerson]]:
    """Households with claims in the months, some at a time."""
    async for rows in _chunks(session, "rehearse_households", AT_ONCE, first, last):
        yield [
            ActivePerson(
                row["household"],
                row["since"],
                row["until"],
                frozenset(row["inside"]),
            )
            for row in rows
        ]


async def active_operators(
    session: Session, first: int, last: int
) -> AsyncIterator[list[ActiveOperator]]:
    """Operators with claims in the months, some of their months at a time."""
    async for rows in _chunks(session, "rehearse_operators", _DESKS, first, last):
        yield [
            ActiveOperator(
                row["facility_id"],
                row["operator"],
                row["since"],
                row["until"],
                frozenset(row["inside"]),
            )
            for row in rows
        ]


async def _chunks(
    session: Session, name: str, size: int, *values: int
) -> AsyncIterator[list[asyncpg.Record]]:
    cursor = await session.cursor(statement(name), *values)
    while rows := await cursor.fetch(size):
        yield rows


async def alerts_about(
    session: Session, subjects: Collection[bytes]
) -> list[StoredAlert]:
    """All alerts about subjects, withdrawn and muted ones included, oldest first."""
    found = await session.fetch(statement("alerts_about"), list(subjects))
    return [
        StoredAlert(
            id=row["id"],
            detector=row["detector"],
            subject=row["subject"],
            claims=frozenset(row["claims"]),
            latest=row["latest"],
            score=row["score"],
            facts=tuple(tuple(fact) for fact in json.loads(row["facts"])),
            is_withdrawn=row["state"] == "withdrawn",
            order=row["no"],
        )
        for row in found
    ]


async def judged_claims(
    session: Session, claims: Collection[bytes]
) -> list[JudgedClaim]:
    """What staff said of the claims, once for each alert that holds them."""
    found = await session.fetch(statement("judged_claims"), list(claims))
    return [JudgedClaim(*row.values()) for row in found]


async def confirmed_cases(
    session: Session, first: int, last: int
) -> list[tuple[bytes, str]]:
    """Confirmed cases with claims in the months, with each detector that spoke."""
    found = await session.fetch(statement("confirmed_cases"), first, last)
    return [(row["id"], row["detector"]) for row in found]


async def undone_by_recovery(
    session: Session, claims: Collection[bytes]
) -> frozenset[bytes]:
    """Those of the claims that were reversed because a case asked the aid back."""
    found = await session.fetch(
        "SELECT q.settlement_id FROM aid_recovery q"
        " JOIN reversal v ON v.settlement_id = q.settlement_id"
        " WHERE q.settlement_id = ANY($1::bytea[]) AND v.reversed_at >= q.ordered_at",
        list(claims),
    )
    return frozenset(row["settlement_id"] for row in found)


async def codes_of_facilities(session: Session) -> dict[int, str]:
    """Every hospital's code by its number."""
    found = await session.fetch("SELECT id, code FROM party")
    return {row["id"]: row["code"] for row in found}
