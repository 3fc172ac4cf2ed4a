"""A worker for tests: follows the roster and looks persons up without pause.

Arguments: data source, cache folder, number of persons, and `elsewhere` where every
build is left to another process. Prints each version as it
first sees it. Ends with status 3 when an answer mixes two versions: in these tests
file `v` writes sub-district `v` for everybody.
"""

import asyncio
import sys
from pathlib import Path

from eligibility_cache import follower as follower_module
from eligibility_cache.follower import Follower
from eligibility_cache.store import CacheAnswer, EligibilityCache
from gateway.roster_build import build_elsewhere
from settlement.store.database import Database
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import TOKENIZER, social_card


async def work(dsn: str, folder: Path, persons: int, *, elsewhere: bool) -> None:
    """Follow, look up, compare."""
    database = await Database.open(dsn)
    cache = EligibilityCache(folder, TOKENIZER)
    if elsewhere:
        follower_module.LARGE = 0
    builder = build_elsewhere(dsn) if elsewhere else None
    follower = Follower(RosterFeed(database), cache, builder)
    task = asyncio.create_task(follower.run())
    seen, number = 0, 0
    while not task.done():
        number = (number + 1) % persons
        answer = cache.look_up(social_card(number))
        if answer.version is not None:
            if not is_whole(answer):
                sys.exit(3)
            if answer.version.version != seen:
                seen = answer.version.version
                print(seen, flush=True)  # noqa: T201 - read by the test
        await asyncio.sleep(0)
    await task


def is_whole(answer: CacheAnswer) -> bool:
    """Whether person and version come from the same file."""
    if answer.person is None or answer.version is None:
        return False
    return int(answer.person.windows[0].subdistrict[-3:]) == answer.version.version


if __name__ == "__main__":
    asyncio.run(
        work(
            sys.argv[1],
            Path(sys.argv[2]),
            int(sys.argv[3]),
            elsewhere="elsewhere" in sys.argv[4:],
        )
    )
