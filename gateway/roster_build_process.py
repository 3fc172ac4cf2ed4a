"""A large roster's cache, built by a process of its own beside the workers.

`python -m gateway.roster_build_process` reads the whole roster for a minute or more. In
a worker it would hold up every answer of that worker; here it has a lower priority.
It holds the machine's writer's lock together with the worker that started it, ends when
that worker is gone, and says in one line how it went.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import lmdb
import uvloop

from eligibility_cache.building import build
from eligibility_cache.environment import CacheFolder
from gateway.crash_dumps import forbid_crash_dumps
from gateway.roster_build import BUILT
from gateway.worker_process import say, until_alone
from settlement.domain.errors import FatalError
from settlement.domain.roster import RosterUnreachableError
from settlement.store.database import Database
from settlement.store.errors import StoreUnavailableError
from settlement.store.priority import lower
from settlement.store.roster_feed import RosterFeed

_UNREACHABLE = (RosterUnreachableError, StoreUnavailableError, FatalError)
#: Answers come first; but a build that got only what they leave would take for ever on
#: a busy machine.
_NICE = 5


async def _run(dsn: str, folder: CacheFolder) -> None:
    alone = asyncio.Event()
    lonely = asyncio.create_task(until_alone(alone), name="parent")
    building = asyncio.create_task(_build(dsn, folder), name="build")
    left = asyncio.create_task(alone.wait(), name="alone")
    try:
        await asyncio.wait({building, left}, return_when=asyncio.FIRST_COMPLETED)
        if not building.done():
            building.cancel()
        await building
    finally:
        lonely.cancel()
        left.cancel()


async def _build(dsn: str, folder: CacheFolder) -> None:
    database = await Database.open(dsn, max_size=1)
    try:
        feed = RosterFeed(database, priority=_NICE)
        try:
            async with feed.snapshot() as snapshot:
                await build(snapshot, folder)
        finally:
            await feed.close()
    finally:
        await database.close()


def main() -> None:
    """Build, and say how it went: `built`, or the kind of the fault."""
    forbid_crash_dumps()
    with suppress(OSError):
        lower(os.getpid(), _NICE)
    order = json.loads(sys.stdin.readline())
    try:
        uvloop.run(_run(order["dsn"], CacheFolder(Path(order["folder"]))))
    except _UNREACHABLE:
        say(RosterUnreachableError.__name__)
    except (lmdb.Error, OSError, MemoryError) as fault:
        say(type(fault).__name__)
    except asyncio.CancelledError:
        raise SystemExit(1) from None
    else:
        say(BUILT)


if __name__ == "__main__":
    main()
