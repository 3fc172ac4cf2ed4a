"""Several processes share one cache: one writes, all read, any may be killed."""

import asyncio
import contextlib
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eligibility_cache.store import EligibilityCache
from eligibility_cache.verification import verify
from settlement.store.database import Database
from settlement.store.roster_feed import RosterFeed
from tests.roster.bureau import TOKENIZER, Bureau, row

PROJECT = Path(__file__).resolve().parents[2]
PERSONS = 300


class Worker:
    """A process that follows and reads; see `worker_process`."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def sees(self, version: int) -> None:
        """Wait until the process answers from a version; fail when it has ended."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if int(line) >= version:
                return
        assert self.process.stderr is not None
        raise AssertionError((await self.process.stderr.read()).decode())

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def workers(
    dsn: str, folder: Path, count: int, *options: str
) -> AsyncIterator[list[Worker]]:
    """Run workers; whoever still runs at the end is killed."""
    running = [await start(dsn, folder, *options) for _ in range(count)]
    try:
        yield running
    finally:
        for worker in running:
            await worker.kill()


async def start(dsn: str, folder: Path, *options: str) -> Worker:
    """Start one worker."""
    return Worker(
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.roster.worker_process", dsn, str(folder),
            str(PERSONS), *options, cwd=PROJECT, stdout=PIPE, stderr=PIPE,
        )
    )  # fmt: skip


def everybody(version: int) -> list[dict[str, str]]:
    """Return lines that write the version into every person's sub-district."""
    return [
        row(number, subdistrict=f"990100{version:03d}") for number in range(PERSONS)
    ]


async def agrees(database: Database, folder: Path) -> bool:
    """Compare the cache that the processes left with the table."""
    cache, feed = EligibilityCache(folder, TOKENIZER), RosterFeed(database)
    try:
        async with feed.snapshot() as snapshot:
            return (await verify(snapshot, cache)).agrees
    finally:
        cache.close()
        await feed.close()


async def test_every_process_sees_every_answer_whole(
    bureau: Bureau, database_dsn: str, tmp_path: Path
) -> None:
    """While one process writes, no reader sees a mixture of two versions."""
    folder = tmp_path / "cache"
    await bureau.full(*everybody(1))
    async with workers(database_dsn, folder, 3) as running:
        for version in range(2, 8):
            await bureau.delta(*everybody(version))
        for worker in running:
            await worker.sees(7)

    assert await agrees(bureau.database, folder)


async def test_build_by_another_process_is_taken_over(
    bureau: Bureau, database_dsn: str, tmp_path: Path
) -> None:
    """Every worker goes over to what the builder made, and follows from there."""
    folder = tmp_path / "cache"
    await bureau.full(*everybody(1))
    async with workers(database_dsn, folder, 2, "elsewhere") as running:
        for worker in running:
            await worker.sees(1)
        await bureau.delta(*everybody(2))
        for worker in running:
            await worker.sees(2)

    assert (folder / "CURRENT").read_text(encoding="ascii") == "00000001"
    assert await agrees(bureau.database, folder)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "kills", [6, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
async def test_killed_writers_leave_nothing_half_applied(
    bureau: Bureau, database_dsn: str, tmp_path: Path, kills: int
) -> None:
    """Workers killed at random moments of a change or of a build, with their builders.

    After each kill the other takes over, no answer mixes two versions, and the cache
    is equal to the table row by row.
    """
    folder = tmp_path / "cache"
    chance = random.Random(2026)
    await bureau.full(*everybody(1))
    async with workers(database_dsn, folder, 2, "elsewhere") as running:
        for worker in running:
            await worker.sees(1)
        for version in range(2, kills + 2):
            if version % 2:
                await another_database(bureau.database)
            await bureau.delta(*everybody(version))
            await asyncio.sleep(chance.random() * (1.0 if version % 2 else 0.05))
            victim = chance.randrange(len(running))
            await running[victim].kill()
            assert running[victim].process.returncode == -9
            running[victim] = await start(database_dsn, folder, "elsewhere")
            for worker in running:
                await worker.sees(version)
            assert await agrees(bureau.database, folder)


async def another_database(database: Database) -> None:
    """Let the cache seem to come from elsewhere, so that it is built anew."""
    async with database.pool.acquire() as connection:
        await connection.execute("UPDATE roster_head SET roster_id = gen_random_uuid()")


async def test_cache_outlives_its_processes(
    bureau: Bureau, database_dsn: str, tmp_path: Path
) -> None:
    """A process that starts on an existing cache goes on, and builds nothing anew."""
    folder = tmp_path / "cache"
    await bureau.full(*everybody(1))
    async with workers(database_dsn, folder, 1) as running:
        await running[0].sees(1)
    generation = (folder / "CURRENT").read_text(encoding="ascii")
    await bureau.delta(*everybody(2))
    async with workers(database_dsn, folder, 1) as running:
        await running[0].sees(2)

    assert (folder / "CURRENT").read_text(encoding="ascii") == generation
    assert await agrees(bureau.database, folder)
