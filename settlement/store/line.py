"""The sequencer's own connection, and how an unknown COMMIT is resolved on another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)
from settlement.store.transaction import committed

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database

_log = logging.getLogger(__name__)

#: How long to wait for a lost backend to end, and for the server to come back.
RESOLVE_TIMEOUT_S = 30.0
_PAUSE_S = 0.05

_FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # A connection that is torn down while a statement begins.
    asyncpg.InternalClientError,
    OSError,
)
#: The same faults, and a fence that is not known to be lasting, in our own words.
_OURS = (
    BatchConflictError,
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)

_BACKEND = (
    "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
)
_STILL_THERE = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
_KEPT = (
    "SELECT a.id FROM unnest($1::int[], $2::bytea[]) AS wanted(month, id)"
    " JOIN answer a USING (month, id)"
)
#: Writes WAL, so that its commit waits for the standbys that settlements wait for.
_FENCE = "SELECT pg_logical_emit_message(true, 'medaid', 'fence')"


class Line:
    """One dedicated connection, opened when needed, never shared."""

    def __init__(
        self, database: Database, on_connect: Callable[[], Awaitable[None]]
    ) -> None:
        """No connection yet. `on_connect` may refuse the server (`FatalError`)."""
        self._database = database
        self._on_connect = on_connect
        self._connection: Connection | None = None
        self._backend: tuple[int, datetime] | None = None
        #: Connections opened so far, for metrics.
        self.opened = 0

    async def connection(self) -> Connection:
        """The connection, opened anew where it was lost.

        Raises `StoreUnavailableError`; `FatalError` on a server that may lose
        commits.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._open()
        return self._connection

    async def _open(self) -> Connection:
        try:
            connection = await self._database.connect()
            try:
                row = await connection.fetchrow(_BACKEND)
                await self._on_connect()
            except BaseException:
                # It is tried again soon: what was refused must not pile up.
                connection.terminate()
                raise
        except (*_FAULTS, TimeoutError) as error:
            raise StoreUnavailableError(type(error).__name__) from error
        if row is not None:
            self._backend = (row["pid"], row["backend_start"])
        self.opened += 1
        _log.info("database.connected", extra={"connection": self.opened})
        return connection

    async def drop(self) -> None:
        """Let the connection go; the next batch opens another."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close in good order."""
        if self._connection is not None:
            with contextlib.suppress(*_FAULTS):
                await self._connection.close()
            self._connection = None

    async def resolve(self, ids: Mapping[bytes, int]) -> set[bytes]:
        """Which of the ids (with their months) a lost COMMIT has kept.

        The old backend is waited for, so that the answer is final; a fence makes
        what was found as durable as a settlement. Raises `StoreUnavailableError`
        when that cannot be told in time.
        """
        await self.drop()
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                while True:
                    with contextlib.suppress(*_FAULTS, *_OURS):
                        return await self._ask(ids)
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise StoreUnavailableError("an unknown commit was not resolved") from None

    async def _ask(self, ids: Mapping[bytes, int]) -> set[bytes]:
        connection = await self._database.connect()
        try:
            if self._backend is not None:
                await _wait_for_end(connection, self._backend)
            async with committed(connection):
                # Its COMMIT says whether the wait for a standby was cut short.
                await connection.execute(_FENCE)
            found = await connection.fetch(_KEPT, list(ids.values()), list(ids))
            return {row["id"] for row in found}
        finally:
            connection.terminate()


async def _wait_for_end(connection: Connection, backend: tuple[int, datetime]) -> None:
    # PostgreSQL has nothing to wait on for the end of another backend.
    while await connection.fetchval(_STILL_THERE, *backend):  # noqa: ASYNC110
        await asyncio.sleep(_PAUSE_S)
