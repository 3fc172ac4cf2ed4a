"""The watch: looks at what is new until it is told to stop.

Any number of processes may watch; the one that holds the cursor's row works, and the
others wait. Faults of the database pass; after each the next look begins where the
last committed one ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, cast

from settlement.service.watch.looking import AT_ONCE, Looked, look
from settlement.service.watch.shelf import RulesShelf
from settlement.store.database import Database
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)
from settlement.store.transaction import committed, our_errors

if TYPE_CHECKING:
    from settlement.store.database import Connection, Session

#: Between two looks when nothing waits: an alert is due within a second.
PAUSE_S = 0.15
#: Where somebody else watches, or the database is away.
_LONG_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


async def watch(
    database: Database,
    shelf: RulesShelf,
    now: Callable[[], datetime],
    *,
    on_look: Callable[[Looked], None] = lambda _: None,
) -> None:
    """Look again and again, for ever."""
    while True:
        looked = await _look(database, shelf, now)
        if looked is None:
            await asyncio.sleep(_LONG_PAUSE_S)
            continue
        on_look(looked)
        if looked.is_idle or looked.claims < AT_ONCE:
            await asyncio.sleep(PAUSE_S)


async def catch_up(
    database: Database, shelf: RulesShelf, now: Callable[[], datetime]
) -> int:
    """Look until nothing is new; how many claims were looked at.

    Waits for whoever watches meanwhile. Raises as `committed` does.
    """
    claims = 0
    while True:
        async with _looking(database) as session:
            looked = await look(session, shelf, now(), wait=True)
        if looked is None or looked.is_idle:
            return claims
        claims += looked.claims


@asynccontextmanager
async def _looking(database: Database) -> AsyncIterator[Session]:
    """A database transaction of one look."""
    with our_errors():
        async with (
            database.pool.acquire() as session,
            committed(cast("Connection", session)),
        ):
            yield session


async def _look(
    database: Database, shelf: RulesShelf, now: Callable[[], datetime]
) -> Looked | None:
    try:
        async with _looking(database) as session:
            return await look(session, shelf, now())
    except (
        StoreUnavailableError,
        BatchConflictError,
        BatchRefusedError,
        CommitUnknownError,
    ) as fault:
        # What is not known to be committed is looked at again: the cursor's row says.
        _log.warning("alerts.look_failed", extra={"fault": type(fault).__name__})
        return None
