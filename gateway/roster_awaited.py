"""A worker starts with the roster in its cache, or says that it has not got it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from settlement.domain.bill import Card, CardKind
from settlement.store.roster import head_version

if TYPE_CHECKING:
    from eligibility_cache.store import EligibilityCache
    from settlement.store.database import Database

#: How long a start waits for the roster: a city's is built within minutes.
_WITHIN_S = 120.0
_PAUSE_S = 0.05
#: Nobody's card: a look-up that only asks for the version.
_NOBODY = Card(kind=CardKind.RESIDENT_ID, number="")


async def has_the_roster(database: Database, cache: EligibilityCache) -> bool:
    """Wait until this process' cache holds the roster in force, within bounds.

    Another worker may be writing the machine's cache just now. Past the bound the
    gateway starts all the same and says of eligibility that it cannot tell.
    Gives whether it does hold it.
    """
    async with database.pool.acquire() as connection:
        head = await head_version(connection)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_WITHIN_S):
            while head is not None and not _holds(cache, head.version):  # noqa: ASYNC110  # another process writes it
                await asyncio.sleep(_PAUSE_S)
            return True
    return False


def _holds(cache: EligibilityCache, version: int) -> bool:
    held = cache.look_up(_NOBODY).version
    return held is not None and held.version >= version
