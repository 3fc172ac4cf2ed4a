"""The roster looked at across its rows: what a bureau should look into. Tokens only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from settlement.store.statements import statement
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    from settlement.store.database import Database, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One person or household."""

    person: bytes | None
    """Token; `None` where the row is a household's."""
    household: bytes
    subdistrict: str
    categories: Sequence[str]
    first_day: date
    last_day: date | None
    """What the two days are is said by the list; `None`: open."""


@dataclass(frozen=True, slots=True)
class AuditList:
    """As many rows as were asked for, and how many there are."""

    rows: Sequence[AuditRow]
    total: int


@dataclass(frozen=True, slots=True)
class AuditCount:
    """Persons of one category in one sub-district."""

    subdistrict: str
    """Nine digits; empty where the roster does not say."""
    category: str
    persons: int


class RosterAuditReader:
    """Every list of one moment and one day."""

    def __init__(self, connection: Session, day: date, most: int) -> None:
        """Made by `open_audit`."""
        self._connection = connection
        self._day = day
        self._most = most

    async def twice(self) -> AuditList:
        """Persons with two windows of a category, or two households, at a time."""
        return await self._list("roster_audit_twice")

    async def contradicting(self, excluding: Sequence[str]) -> AuditList:
        """Households with members in categories that exclude each other."""
        return await self._list("roster_audit_contradicting", list(excluding))

    async def ending(self, within_days: int) -> AuditList:
        """Who loses aid soon: nothing follows on the window."""
        return await self._list("roster_audit_ending", within_days)

    async def reentered(self, within_days: int) -> AuditList:
        """Who was struck and has come back."""
        return await self._list("roster_audit_reentered", within_days)

    async def dead(self, deaths: dict[bytes, date]) -> AuditList:
        """Who is reported dead and on the roster all the same."""
        return await self._list("roster_audit_dead", *_columns(deaths))

    async def settled_after_death(self, deaths: dict[bytes, date]) -> AuditList:
        """Who is reported dead and had visits settled that began later."""
        return await self._list("roster_audit_after_death", *_columns(deaths))

    async def counts(self) -> list[AuditCount]:
        """Persons by sub-district and category."""
        rows = await self._connection.fetch(statement("roster_audit_counts"), self._day)
        return [AuditCount(*row.values()) for row in rows]

    async def _list(self, name: str, *arguments: Any) -> AuditList:
        rows = await self._connection.fetch(
            statement(name), self._day, self._most, *arguments
        )
        return AuditList(
            [
                AuditRow(**{k: v for k, v in row.items() if k != "total"})
                for row in rows
            ],
            rows[0]["total"] if rows else 0,
        )


@asynccontextmanager
async def open_audit(
    database: Database, day: date, most: int
) -> AsyncIterator[RosterAuditReader]:
    """One read-only snapshot. Raises `StoreUnavailableError`."""
    with our_errors():
        async with (
            database.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield RosterAuditReader(connection, day, most)


def _columns(deaths: dict[bytes, date]) -> tuple[list[bytes], list[date]]:
    return list(deaths), list(deaths.values())
