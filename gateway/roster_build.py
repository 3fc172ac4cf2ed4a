"""Have a large roster's cache built by another process, `roster_build_process`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from eligibility_cache.building import BuildFailedError
from eligibility_cache.environment import CacheFolder
from eligibility_cache.follower import BuildElsewhere
from gateway.child import spawn
from settlement.domain.roster import RosterUnreachableError

if TYPE_CHECKING:
    from asyncio.subprocess import Process

BUILT = "built"
"""What the process says when the cache is in force."""


def build_elsewhere(dsn: str) -> BuildElsewhere:
    """What builds a cache from the roster in this database, in another process."""

    async def run(folder: CacheFolder) -> None:
        process = await spawn(
            "gateway.roster_build_process",
            {"dsn": dsn, "folder": str(folder.path)},
            {},
            keeping=folder.lock_descriptors,
        )
        try:
            said = await _last_line(process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            # Not before: until it has ended it may write.
            await process.wait()
        if said == RosterUnreachableError.__name__:
            raise RosterUnreachableError(said)
        if said != BUILT:
            raise BuildFailedError(said or "its process was ended")

    return run


async def _last_line(process: Process) -> str:
    if process.stdout is None:
        return ""
    return (await process.stdout.read()).decode().strip()
