"""An importer that is killed, or whose disk is full, leaves nothing half done."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from random import Random

import pytest

from settlement.domain.roster import RosterRefusedError
from settlement.store.database import Database
from settlement.store.errors import StoreUnavailableError
from settlement.store.roster import head_version
from tests.roster.bureau import Bureau, row
from tests.roster.test_roster_versions import contents

#: `id_number` makes no more.
PERSONS = 1_000
WITHIN_S = 120.0


def file_of(bureau: Bureau, version: int) -> Path:
    """Sign a full file that changes everybody: file `v` has sub-district `v`."""
    bureau.version = version
    rows = [
        row(number, subdistrict=f"99010{version:04d}", household_id="")
        for number in range(PERSONS)
    ]
    return bureau.sign(bureau.write(rows), "full", len(rows))


async def imported(dsn: str, manifest: Path, kill_after_s: float | None) -> float:
    """Run an importer, perhaps killed after a while; how long it worked."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.roster.import_process", dsn, str(manifest),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        assert await process.stdout.readline() == b"begun\n"
        began = time.monotonic()
        if kill_after_s is None:
            assert await process.stdout.readline() == b"done\n"
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(kill_after_s):
                    await process.stdout.readline()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        took = time.monotonic() - began
        await process.wait()
    return took


async def version_of(database: Database) -> int:
    """Return the version in force."""
    async with database.pool.acquire() as connection:
        head = await head_version(connection)
    assert head is not None
    return head.version


async def kill_again_and_again(bureau: Bureau, times: int, seed: int) -> int:
    """Kill importers at random points; return how many were killed before the end."""
    random, database, cut = Random(seed), bureau.database, 0
    took = await imported(database.dsn, file_of(bureau, 1), None)
    before, version = await contents(database), 1
    while times:
        manifest = file_of(bureau, version + 1)
        await imported(database.dsn, manifest, random.uniform(0, 1.1 * took))
        times -= 1
        # Its transaction ends with it; the next importer waits for that itself.
        async with database.pool.acquire() as session, asyncio.timeout(WITHIN_S):
            await session.execute("SELECT FROM roster_head FOR UPDATE")
        if await version_of(database) == version:
            assert await contents(database) == before
            cut += 1
            await bureau.take(manifest)
        with pytest.raises(RosterRefusedError, match="MA-6110"):
            await bureau.take(manifest)
        version += 1
        assert await version_of(database) == version
        async with database.pool.acquire() as session:
            found = await session.fetch(
                "SELECT subdistrict, count(*) FROM roster_window GROUP BY 1"
            )
        assert [tuple(each) for each in found] == [(f"99010{version:04d}", PERSONS)]
        before = await contents(database)
    return cut


async def test_importer_killed_leaves_nothing_half_done(bureau: Bureau) -> None:
    """At a few random points: the former roster to the byte, or the whole new one."""
    await kill_again_and_again(bureau, 4, seed=8)


@pytest.mark.slow
async def test_importer_killed_fifty_times(bureau: Bureau) -> None:
    """At fifty; most of them fall before the end."""
    assert await kill_again_and_again(bureau, 50, seed=9) > 10


@pytest.mark.parametrize("table", ["roster_window", "roster_card", "roster_version"])
async def test_disk_full_in_the_database_takes_nothing(
    bureau: Bureau, table: str
) -> None:
    """Wherever PostgreSQL finds no room, the former roster stays, and it runs again."""
    await bureau.full(row(1))
    database, before = bureau.database, await contents(bureau.database)
    async with database.pool.acquire() as session:
        await session.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END$$;"
            f"CREATE TRIGGER full_disk BEFORE INSERT ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION no_room()"
        )
    bureau.version = 2
    rows = [row(1), row(2)]
    manifest = bureau.sign(bureau.write(rows), "full", len(rows))
    with pytest.raises(StoreUnavailableError, match="DiskFullError"):
        await bureau.take(manifest)
    async with database.pool.acquire() as session:
        await session.execute(f"DROP TRIGGER full_disk ON {table}")

    assert await contents(database) == before
    await bureau.take(manifest)
    assert await version_of(database) == 2
