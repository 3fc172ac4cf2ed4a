"""Health of a gateway whose database has much to do: busy is not away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from settlement.service.health import HealthLimits
from settlement.store.database import Database
from tests.settlement.house import House, caller, open_house

#: What one facility may have under way, and nearly did.
_SEARCHES = 190
_LOOKS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND query LIKE '%server_version%' AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def well(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway with nothing wrong."""
    async with open_house(database, tmp_path / "var") as house:
        await house.enrol("C1")
        any_age = HealthLimits(roster_age=timedelta(days=36_500))
        house.gateway.health._limits = any_age
        yield house


async def _pids_of_looks(database: Database) -> list[int]:
    async with database.pool.acquire() as connection:
        return [row["pid"] for row in await connection.fetch(_LOOKS)]


async def test_gateway_whose_look_ups_wait_is_ready(well: House) -> None:
    """One facility's searches hold or await every connection; others still settle."""
    pool = well.database.pool
    async with AsyncExitStack() as held:
        for _ in range(pool.get_max_size()):
            await held.enter_async_context(pool.acquire())
        searches = [
            asyncio.create_task(well.gateway.search(caller(), {"limit": 100}))
            for _ in range(_SEARCHES)
        ]
        while pool.waiting < _SEARCHES:  # noqa: ASYNC110  # other tasks
            await asyncio.sleep(0)

        look = await well.gateway.health.look()

    assert look.findings == ()
    assert look.vitals is not None
    answers = await asyncio.gather(*searches)
    assert {answer.status for answer in answers} == {200}


async def test_looks_share_one_connection(well: House) -> None:
    """However many ask at once, as `/readyz` of several proxies does."""
    looks = await asyncio.gather(*(well.gateway.health.look() for _ in range(20)))

    assert {look.findings for look in looks} == {()}
    assert len(await _pids_of_looks(well.database)) == 1


async def test_lost_connection_is_not_an_absent_server(well: House) -> None:
    """A server that was started anew answers the first look."""
    await well.gateway.health.look()
    (pid,) = await _pids_of_looks(well.database)
    async with well.database.pool.acquire() as connection:
        await connection.execute("SELECT pg_terminate_backend($1)", pid)

    assert (await well.gateway.health.look()).findings == ()


async def test_slow_look_is_given_up_and_the_next_is_not_kept(well: House) -> None:
    """A lock that nobody may wait for makes the database look away, while it lasts."""
    async with well.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE roster_head IN ACCESS EXCLUSIVE MODE")
        begin = asyncio.get_running_loop().time()

        look = await well.gateway.health.look()

        assert asyncio.get_running_loop().time() - begin < 10
        assert [found.code for found in look.findings] == ["database_away"]
    assert (await well.gateway.health.look()).findings == ()


async def test_connection_ends_with_the_gateway(
    database: Database, tmp_path: Path
) -> None:
    """A worker that is gone looks no more."""
    async with open_house(database, tmp_path / "var") as house:
        await house.gateway.health.look()
        assert len(await _pids_of_looks(database)) == 1

    async with asyncio.timeout(10):
        while await _pids_of_looks(database):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.02)
