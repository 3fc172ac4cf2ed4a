"""The roster's change feed for the caches: snapshots, changes, and a bell.

All errors of the connection come out as `RosterUnreachableError`; the next call
connects again by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import asyncpg

from settlement.domain.eligibility import RosterPerson
from settlement.domain.errors import FatalError
from settlement.domain.roster import RosterChanges, RosterHead, RosterUnreachableError
from settlement.store.priority import give_way
from settlement.store.roster import persons_of, read_head, read_persons
from settlement.store.roster_import import CHANNEL
from settlement.store.statements import statement

if TYPE_CHECKING:
    from asyncpg.transaction import Transaction

    from settlement.store.database import Connection, Database

_CHUNK = 20_000
#: `FatalError`: the server is a standby, as it may be for a moment in a failover.
_UNREACHABLE = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    FatalError,
)


class RosterSnapshot:
    """The whole roster as one moment saw it, read in bounded memory."""

    def __init__(self, connection: Connection, head: RosterHead) -> None:
        """Made by `RosterFeed.snapshot`."""
        self._connection = connection
        self.head = head

    async def has_more_than(self, windows: int) -> bool:
        """Whether the roster has more windows than this; counts no further."""
        with _reached():
            found: bool = await self._connection.fetchval(
                statement("roster_has_more"), windows
            )
        return found

    async def persons(self) -> AsyncIterator[list[RosterPerson]]:
        """Everybody with a window, ascending by token, some thousands at a time."""
        cursor = await self._cursor("roster_all_windows")
        held: list[asyncpg.Record] = []
        while rows := await self._fetch(cursor):
            # The last person of a chunk may go on in the next one.
            last = rows[-1]["person"]
            whole = [row for row in rows if row["person"] != last]
            if whole:
                yield list(persons_of(held + whole))
                held = rows[len(whole) :]
            else:
                held += rows
        if held:
            yield list(persons_of(held))

    async def cards(self) -> AsyncIterator[list[tuple[bytes, bytes]]]:
        """Every card token with its person's, ascending, some thousands at a time."""
        cursor = await self._cursor("roster_all_cards")
        while rows := await self._fetch(cursor):
            yield [(row["card"], row["person"]) for row in rows]

    async def _cursor(self, name: str) -> asyncpg.cursor.Cursor[asyncpg.Record]:
        with _reached():
            return await self._connection.cursor(statement(name))

    async def _fetch(
        self, cursor: asyncpg.cursor.Cursor[asyncpg.Record]
    ) -> list[asyncpg.Record]:
        with _reached():
            return await cursor.fetch(_CHUNK)


class RosterFeed:
    """Changes of the roster for one follower; not for use by several tasks."""

    def __init__(self, database: Database, *, priority: int = 0) -> None:
        """Connect when first asked, apart from the pool that settles.

        `priority`: above 0, by how much the server serves all others first.
        """
        self._database = database
        self._priority = priority
        self._connection: Connection | None = None
        self._rung = asyncio.Event()

    async def changes(self, after: int, limit: int) -> RosterChanges:
        """At most `limit` changes after a cursor, with the state they led to.

        All of it from one snapshot. Raises `RosterUnreachableError`.
        """
        with _reached():
            connection = await self._connected()
            async with _one_moment(connection):
                head = await read_head(connection)
                rows = await connection.fetch(statement("roster_changes"), after, limit)
                tokens = sorted({row["person"] for row in rows})
                persons = await read_persons(connection, tokens)
                # A review changes windows; a city's cards lie on as many pages again.
                with_cards = sorted({r["person"] for r in rows if r["cards_changed"]})
                cards = await connection.fetch(statement("roster_cards_of"), with_cards)
        is_last = len(rows) < limit
        return RosterChanges(
            head=head,
            cursor=max(head.last_change, after) if is_last else rows[-1]["seq"],
            persons={token: persons.get(token) for token in tokens},
            cards=[(row["card"], row["person"]) for row in cards],
        )

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[RosterSnapshot]:
        """The whole roster of one moment. Raises `RosterUnreachableError`."""
        with _reached():
            connection = await self._connected()
            transaction = _one_moment(connection)
            await transaction.start()
        try:
            with _reached():
                head = await read_head(connection)
            yield RosterSnapshot(connection, head)
        finally:
            # Nothing was written; a connection that broke has ended it by itself.
            if not connection.is_closed():
                with _reached():
                    await transaction.rollback()

    async def wait(self, seconds: float) -> None:
        """Until the roster changed, or the time is over; a broken line counts too."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()

    async def close(self) -> None:
        """Give the connection up."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            connection = await self._database.connect()
            if self._priority:
                give_way(connection, self._priority)
            connection.add_termination_listener(self._ring)
            await connection.add_listener(CHANNEL, self._ring)
            self._connection = connection
        return self._connection

    def _ring(self, *_: object) -> None:
        self._rung.set()


def _one_moment(connection: Connection) -> Transaction:
    return connection.transaction(isolation="repeatable_read", readonly=True)


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except _UNREACHABLE as error:
        raise RosterUnreachableError(type(error).__name__) from error
