"""Settlements whose person's windows a later roster version has changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from settlement.domain.eligibility import Window
from settlement.store.past import PastWindow
from settlement.store.statements import statement
from settlement.store.transaction import our_errors

if TYPE_CHECKING:
    import asyncpg

    from settlement.store.database import Database, Session

_CHUNK = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A settlement, or a decline, that rests on a version changed since."""

    id: bytes
    state: bytes
    """`s` in force, `d` declined."""
    person: bytes
    """Token; of a decline the person whom the card belongs to now."""
    facility: str | None
    visit_no: str
    service_start: date
    service_end: date
    settled_at: datetime
    category: str | None
    reason: str
    aid_fen: int
    roster_version: int
    """That the decision was made on."""
    policy_no: int
    corrected_by: int
    """The newest version that changed a window of the person."""

    @property
    def is_in_force(self) -> bool:
        """Settled and not reversed; otherwise declined."""
        return self.state == b"s"


class Suspects:
    """All of them as one moment saw them, in bounded memory."""

    def __init__(self, connection: Session, since: datetime) -> None:
        """Made by `suspects_since`."""
        self._connection = connection
        self._since = since

    async def chunks(
        self,
    ) -> AsyncIterator[list[tuple[Suspect, Sequence[PastWindow]]]]:
        """By instant of settling, each with its person's windows as they are now."""
        cursor = await self._connection.cursor(statement("roster_sweep"), self._since)
        while rows := await cursor.fetch(_CHUNK):
            suspects = [Suspect(**row) for row in rows]
            windows = await self._windows({each.person for each in suspects})
            yield [(each, windows[each.person]) for each in suspects]

    async def _windows(self, persons: set[bytes]) -> dict[bytes, list[PastWindow]]:
        found: dict[bytes, list[PastWindow]] = defaultdict(list)
        rows: list[asyncpg.Record] = await self._connection.fetch(
            statement("past_windows"), sorted(persons)
        )
        for row in rows:
            person, category, valid_from, valid_to, subdistrict, version = row
            window = Window(category, valid_from, valid_to, subdistrict)
            found[person].append(PastWindow(window, version))
        return found


@asynccontextmanager
async def suspects_since(
    database: Database, since: datetime
) -> AsyncIterator[Suspects]:
    """Read them from one read-only snapshot; raises `StoreUnavailableError`."""
    with our_errors():
        async with (
            database.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Suspects(connection, since)
