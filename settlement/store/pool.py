"""asyncpg's pool with an end to waiting: so many callers at most, so long at most.

Without a bound everybody who asks while the database hangs waits for ever, and
their number grows until memory ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

from settlement.store.errors import StoreBusyError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    _Pool = asyncpg.Pool[asyncpg.Record]
else:
    _Pool = asyncpg.Pool

#: Callers that wait for one of a pool's connections.
MOST_WAITING = 1_000
#: How long each of them waits. A server that lets nobody in is given up as early.
WAIT_S = 5.0
#: asyncpg's own defaults, which its class asks for and its function fills in.
_DEFAULTS: dict[str, Any] = {
    "max_queries": 50_000,
    "max_inactive_connection_lifetime": 300.0,
    "loop": None,
    "connection_class": asyncpg.Connection,
    "record_class": asyncpg.Record,
}


class BoundedPool(_Pool):
    """A pool that says at once when too many wait, and soon when nothing comes free.

    Every way of taking a connection raises `StoreBusyError` then.
    """

    def __init__(
        self, dsn: str, *, min_size: int, max_size: int, **connecting: Any
    ) -> None:
        """Connect when awaited; `connecting` is what `asyncpg.connect` takes."""
        super().__init__(
            dsn, min_size=min_size, max_size=max_size, **_DEFAULTS, **connecting
        )
        self.waiting = 0
        """Callers that wait for a connection now."""

    async def _acquire(
        self, timeout: float | None
    ) -> PoolConnectionProxy[asyncpg.Record]:
        """What asyncpg calls for every way of taking a connection."""
        if self.waiting >= MOST_WAITING:
            raise StoreBusyError("too many wait for a connection")
        self.waiting += 1
        take = super()._acquire  # type: ignore[misc]  # the stubs leave it out
        try:
            async with asyncio.timeout(WAIT_S if timeout is None else timeout):
                taken: PoolConnectionProxy[asyncpg.Record] = await take(None)
        except TimeoutError as late:
            raise StoreBusyError("no connection came free in time") from late
        finally:
            self.waiting -= 1
        return taken
