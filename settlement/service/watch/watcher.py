"""The watch: looks at what is new until it is told to stop.

Any number of processes may watch; the one that holds the cursor's row works, and the
others wait. Faults of the database pass; after each the next look begins where the
last committed one ended. Claims over which looking raises are kept for another time:
one of them does not keep the others from being looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, cast

from settlement.service.watch.looking import (
    AT_ONCE,
    Looked,
    look,
    look_again,
    pass_over,
)
from settlement.service.watch.shelf import RulesShelf
from settlement.store.database import Database
from settlement.store.errors import (
    BatchConflictError,
    CommitUnknownError,
    StoreUnavailableError,
)
from settlement.store.priority import give_way
from settlement.store.transaction import committed, our_errors
from settlement.store.watching import has_news

if TYPE_CHECKING:
    from settlement.store.database import Connection, Session

#: Between two looks when nothing waits: an alert is due within a second.
PAUSE_S = 0.25
#: Where somebody else watches, or the database is away.
_LONG_PAUSE_S = 1.0
#: A look that fails is tried again with so many times fewer claims.
_FEWER = 8

_PASSING = (StoreUnavailableError, BatchConflictError, CommitUnknownError)

_log = logging.getLogger(__name__)


async def watch(
    database: Database,
    shelf: RulesShelf,
    now: Callable[[], datetime],
    *,
    on_look: Callable[[Looked], None] = lambda _: None,
    priority: int | None = None,
) -> None:
    """Look again and again, for ever; first at what was skipped before.

    `priority`: of the database's processes that work for it, where it is on this
    machine; as `give_way` has it.
    """
    started_at = now()
    is_first = True
    at_once = AT_ONCE
    while True:
        try:
            if is_first:
                await _look_again(database, shelf, started_at)
                is_first = False
            looked = await _look(database, shelf, now, at_once, priority)
        except _PASSING as fault:
            # What is not known to be committed is looked at again: the cursor says.
            _log.warning("alerts.look_failed", extra={"fault": type(fault).__name__})
            looked = None
        except Exception as fault:  # noqa: BLE001  # told below
            # Whatever it is, one claim must not end the watch.
            _log.error("alerts.look_raised", exc_info=fault)
            is_first = False
            at_once = await _after_fault(database, now, at_once, fault)
            continue
        if looked is None:
            await asyncio.sleep(_LONG_PAUSE_S)
            continue
        on_look(looked)
        at_once = min(AT_ONCE, at_once * _FEWER)
        if not looked.is_full:
            await asyncio.sleep(PAUSE_S)


async def catch_up(
    database: Database, shelf: RulesShelf, now: Callable[[], datetime]
) -> int:
    """Look until nothing is new; how many claims were looked at.

    Waits for whoever watches meanwhile. Raises as `committed` does, and whatever a
    look raises.
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
    database: Database,
    shelf: RulesShelf,
    now: Callable[[], datetime],
    at_once: int,
    priority: int | None,
) -> Looked | None:
    """One look; where nothing is new, without a lock and without a write."""
    with our_errors():
        async with database.pool.acquire() as session:
            if not await has_news(session):
                return Looked(0, 0, is_idle=True)
    async with _looking(database) as session:
        if priority is not None:
            give_way(session, priority)
        return await look(session, shelf, now(), at_once=at_once)


async def _look_again(database: Database, shelf: RulesShelf, at: datetime) -> None:
    """At all that was skipped before."""
    looked = Looked(0, 0, is_full=True)
    while looked.is_full:
        async with _looking(database) as session:
            looked = await look_again(session, shelf, at)


async def _after_fault(
    database: Database, now: Callable[[], datetime], at_once: int, fault: Exception
) -> int:
    """Fewer claims at once, down to one; that one is kept for another time."""
    if at_once > 1:
        return max(1, at_once // _FEWER)
    try:
        async with _looking(database) as session:
            await pass_over(session, now(), type(fault).__name__)
    except _PASSING as passing:
        _log.warning("alerts.look_failed", extra={"fault": type(passing).__name__})
        await asyncio.sleep(_LONG_PAUSE_S)
    return at_once
