"""One pool of connections, each checked before money may pass through it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from settlement.domain.errors import FatalError
from settlement.store.errors import StoreUnavailableError
from settlement.store.pool import BoundedPool
from settlement.store.priority import give_way

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record]
    Session = Connection | PoolConnectionProxy[asyncpg.Record]

#: Settings without which an acknowledged commit could be lost, and what is accepted.
REQUIRED_SETTINGS = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "remote_apply"),
    "transaction_read_only": ("off",),
}
#: The same on every connection, whatever the server's or the user's defaults are.
#: A server that lets nobody in within this time cannot be reached.
CONNECT_TIMEOUT_S = 5.0
#: A server that says nothing for this long is gone.
_SILENCE_S = 10
_KEEPALIVE_EVERY_S = 3
_SESSION_SETTINGS = {
    "application_name": "medaid",
    "timezone": "UTC",
    "jit": "off",
    "default_transaction_isolation": "read committed",
}
#: Else a query goes on to its end when its caller is no more; and helpers would begin
#: with the usual priority.
_LONG_WORK = _SESSION_SETTINGS | {
    "client_connection_check_interval": "1s",
    "max_parallel_workers_per_gather": "0",
    # What is sorted in memory writes no files, which a commit nearby would wait for.
    "work_mem": "64MB",
}


class UnfitServerError(FatalError, ConnectionError):
    """A server on which settling would not be safe: a standby, or read-only.

    At start it ends the program. While running it counts as a server that cannot be
    reached, because during a failover it passes; hence also a `ConnectionError`.
    """


async def check_durable(connection: Connection) -> None:
    """Refuse a server on which an acknowledged settlement could be lost.

    Raises `UnfitServerError` naming the setting; also on a standby in recovery.
    """
    rows = await connection.fetch(
        "SELECT name, current_setting(name) AS value"
        " FROM unnest($1::text[]) AS name"
        " UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::text",
        list(REQUIRED_SETTINGS),
    )
    found = {row["name"]: row["value"] for row in rows}
    for name, accepted in REQUIRED_SETTINGS.items():
        if found[name] not in accepted:
            raise UnfitServerError(
                f"PostgreSQL setting {name} is {found[name]!r};"
                f" settling needs {' or '.join(accepted)}"
            )
    if found["in_recovery"] != "false":
        raise UnfitServerError("this PostgreSQL server is a standby in recovery")
    _notice_silence(connection)


async def read_token_epoch(session: Session) -> int:
    """Of which epoch the database's tokens are; waits while they are renewed."""
    epoch: int = await session.fetchval("SELECT token_epoch FROM roster_head")
    return epoch


class _Fitness:
    """What a connection must be before anything passes through it."""

    def __init__(self, *, gives_way: bool) -> None:
        self._gives_way = gives_way
        self._epoch: int | None = None

    def hold_to(self, epoch: int) -> None:
        """From now on, of tokens of this epoch; raises `FatalError` for a second."""
        if self._epoch not in {None, epoch}:
            raise _other_epoch(self._epoch, epoch)
        self._epoch = epoch

    async def check(self, connection: Connection) -> None:
        """For the pool."""
        await self.check_kept(connection)
        if self._gives_way:
            give_way(connection)

    async def check_kept(self, connection: Connection) -> None:
        """For every connection; raises `UnfitServerError`."""
        await check_durable(connection)
        if self._epoch is not None:
            epoch = await read_token_epoch(connection)
            if epoch != self._epoch:
                raise _other_epoch(self._epoch, epoch)


def _other_epoch(held: int | None, found: int) -> UnfitServerError:
    return UnfitServerError(
        f"the database's tokens are of epoch {found}, and this process began with"
        f" epoch {held}: start it again"
    )


def _notice_silence(connection: Connection) -> None:
    """Have the kernel end a connection whose other side has gone without a word.

    No time-out of ours does that: it would send a cancel into a COMMIT. asyncpg has
    no setting for it.
    """
    transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001
    link = transport.get_extra_info("socket")
    if link is None or link.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_EVERY_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_S * 1_000)


@dataclass(frozen=True, slots=True)
class PoolState:
    """How busy the pool is."""

    in_use: int
    limit: int
    waiting: int
    """Calls that wait for a connection."""


class Database:
    """The pool. Every new connection is checked by `check_durable`."""

    def __init__(self, pool: BoundedPool, dsn: str, fitness: _Fitness) -> None:
        """Take an open pool; use `Database.open` to make one."""
        self.pool = pool
        self.dsn = dsn
        self._fitness = fitness

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        min_size: int = 1,
        max_size: int = 8,
        gives_way: bool = False,
    ) -> Database:
        """Connect, check durability settings, and keep `min_size` connections.

        No command time-out: a time-out cancels the wait for a synchronous standby
        while the row stays committed (reliability H2). `gives_way`: for long work off
        the money path, served after all others, and ended when we are gone.
        Raises `StoreUnavailableError` saying why the server lets nobody in, and
        `FatalError` where it could lose what it acknowledged.
        """
        fitness = _Fitness(gives_way=gives_way)
        try:
            pool = await BoundedPool(
                dsn,
                min_size=min_size,
                max_size=max_size,
                init=fitness.check,
                command_timeout=None,
                timeout=CONNECT_TIMEOUT_S,
                server_settings=_LONG_WORK if gives_way else _SESSION_SETTINGS,
            )
        except UnfitServerError:
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise StoreUnavailableError(str(error) or type(error).__name__) from error
        except ValueError:
            # Its message may quote the part of the address that holds the password.
            raise StoreUnavailableError("its address is malformed") from None
        return cls(pool, dsn, fitness)

    async def connect(self) -> Connection:
        """One connection of its own outside the pool, checked likewise."""
        connection = await asyncpg.connect(
            self.dsn, timeout=CONNECT_TIMEOUT_S, server_settings=_SESSION_SETTINGS
        )
        try:
            await self._fitness.check_kept(connection)
        except BaseException:
            # Whoever is refused or cancelled here leaves no connection behind.
            connection.terminate()
            raise
        return connection

    async def hold_to_token_epoch(self) -> int:
        """The epoch of the database's tokens, which this process then keeps to.

        Connections that are made later are refused where tokens have been renewed
        meanwhile: what this process would look for, and write, is no token any more.
        Raises `FatalError` where the epoch has changed since it was asked first.
        """
        async with self.pool.acquire() as connection:
            epoch = await read_token_epoch(connection)
        self._fitness.hold_to(epoch)
        return epoch

    async def answers(self, *, within_s: float) -> bool:
        """Whether the server answers a question of nothing in this time."""
        try:
            async with asyncio.timeout(within_s), self.pool.acquire() as connection:
                await connection.fetchval("SELECT 1")
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return False
        return True

    def pool_state(self) -> PoolState:
        """How many connections work, may work, and are waited for."""
        pool = self.pool
        in_use = pool.get_size() - pool.get_idle_size()
        return PoolState(in_use, pool.get_max_size(), pool.waiting)

    async def close(self) -> None:
        """Close every connection of the pool."""
        await self.pool.close()
