"""Another process builds for the one that holds the writer's lock."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from eligibility_cache import follower as follower_module
from eligibility_cache.building import BuildFailedError
from eligibility_cache.environment import CacheFolder
from eligibility_cache.follower import Follower
from eligibility_cache.store import EligibilityCache
from eligibility_cache.verification import verify
from gateway.roster_build import build_elsewhere
from settlement.domain.roster import RosterUnreachableError
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import Bureau, row, social_card
from tests.support.small_disk import fill, is_root, small_disk

_PROJECT = Path(__file__).resolve().parents[2]


async def test_only_a_large_roster_is_built_elsewhere(
    bureau: Bureau,
    feed: RosterFeed,
    cache: EligibilityCache,
    database_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process costs half a second; a small roster is built in less."""
    built = []

    async def elsewhere(folder: CacheFolder) -> None:
        built.append(folder)
        await build_elsewhere(database_dsn)(folder)

    monkeypatch.setattr(follower_module, "LARGE", 5)
    follower = Follower(feed, cache, elsewhere)
    await bureau.full(*[row(number) for number in range(5)])
    await follower.catch_up()
    assert not built
    cache.folder.suspect()
    await bureau.delta(row(5))
    await follower.catch_up()

    assert built == [cache.folder]
    assert cache.person_of_card(social_card(5))[0] is not None
    async with feed.snapshot() as snapshot:
        assert (await verify(snapshot, cache)).agrees


async def test_database_away_is_told_as_such(cache: EligibilityCache) -> None:
    """The follower tries again soon then, and not only after half a minute."""
    with pytest.raises(RosterUnreachableError):
        await build_elsewhere("postgresql:///none?host=/nowhere")(cache.folder)


@is_root
async def test_full_disk_is_told_by_its_kind(
    bureau: Bureau, database_dsn: str, tmp_path: Path
) -> None:
    """Not by the database's or the system's words, which may quote values."""
    await bureau.full(*[row(number) for number in range(50)])
    with small_disk(tmp_path / "disk", "256k") as disk:
        folder = CacheFolder(disk / "cache")
        fill(disk / "filler")
        with pytest.raises(BuildFailedError, match=r"^[A-Za-z]*Error$"):
            await build_elsewhere(database_dsn)(folder)

        assert folder.current() is None


async def test_builder_that_is_killed_is_told(
    bureau: Bureau, cache: EligibilityCache, database_dsn: str
) -> None:
    """The cache stays as it was; the next attempt builds it."""
    await bureau.full(row(1))
    known = children_of(os.getpid())
    build = asyncio.ensure_future(build_elsewhere(database_dsn)(cache.folder))
    os.kill(await new_child_of(os.getpid(), known), signal.SIGKILL)

    with pytest.raises(BuildFailedError):
        await build
    assert cache.folder.current() is None
    await build_elsewhere(database_dsn)(cache.folder)
    assert cache.folder.current() == "00000001"


_WORKER = """
import asyncio, pathlib, sys
from eligibility_cache.environment import CacheFolder
from gateway.roster_build import build_elsewhere
folder = CacheFolder(pathlib.Path(sys.argv[1]))
assert folder.try_lock()
asyncio.run(build_elsewhere(sys.argv[2])(folder))
"""


async def test_nobody_else_writes_until_a_dead_workers_builder_has_ended(
    bureau: Bureau, database_dsn: str, tmp_path: Path
) -> None:
    """The builder shares the lock, and ends when whoever started it is gone."""
    await bureau.full(row(1))
    folder = CacheFolder(tmp_path / "cache")
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, str(folder.path), database_dsn, cwd=_PROJECT,
        env=os.environ | {"PYTHONPATH": str(_PROJECT)},
    )  # fmt: skip
    builder = await new_child_of(worker.pid, set())
    while b"build_process" not in Path(f"/proc/{builder}/cmdline").read_bytes():  # noqa: ASYNC110 - until it is itself
        await asyncio.sleep(0.001)
    os.kill(builder, signal.SIGSTOP)
    worker.kill()
    await worker.wait()

    assert not folder.try_lock()
    os.kill(builder, signal.SIGCONT)
    while not folder.try_lock():  # noqa: ASYNC110 - what is awaited is its end
        await asyncio.sleep(0.01)
    folder.unlock()


def children_of(parent: int) -> set[int]:
    """Return the processes that this one's main thread started."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return {int(child) for child in children.read_text().split()}


async def new_child_of(parent: int, known: set[int]) -> int:
    """Return the process that it starts, once it has."""
    while not (started := children_of(parent) - known):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.001)
    return started.pop()
