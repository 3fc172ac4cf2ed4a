"""Each finding of /readyz, made true for real."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway import wiring
from gateway.wiring import open_gateway
from settlement.domain.calendar import month_of_day, shanghai_day
from settlement.domain.errors import RequestRefused
from settlement.service.findings import KINDS, Finding
from settlement.service.health import HealthLimits
from settlement.store.database import Database
from tests.settlement.house import House, bill, make_keys, open_house
from tests.support.sources import PROJECT

#: The test's roster is of a fixed day, long ago.
_ANY_AGE = HealthLimits(roster_age=timedelta(days=36_500))

_END_ALL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1"
)


@pytest.fixture
async def well(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway with nothing wrong."""
    async with open_house(database, tmp_path / "var") as house:
        await house.enrol("C1")
        house.gateway.health._limits = _ANY_AGE
        yield house


async def findings(house: House) -> dict[str, Finding]:
    """What is wrong now, by code."""
    return {found.code: found for found in await house.gateway.findings()}


async def test_well_gateway_has_no_findings(well: House) -> None:
    """Ready means that the list is empty, not that nobody looked."""
    look = await well.gateway.health.look()

    assert look.findings == ()
    assert look.vitals is not None
    assert look.months_ahead >= 1
    assert look.lag_versions == 0
    assert 0 < look.disk_free <= look.disk_size


async def test_no_roster(database: Database, tmp_path: Path) -> None:
    """Before the first file nobody is eligible, and nobody is told no."""
    async with open_house(database, tmp_path / "var") as house:
        assert set(await findings(house)) == {"no_roster"}
        assert await house.gateway.not_ready() == ["no roster has been imported"]


async def test_no_policy_pack(database: Database, tmp_path: Path) -> None:
    """A gateway that knows no rules cannot settle."""
    keys, _ = make_keys()
    (tmp_path / "var").mkdir()
    async with open_gateway(
        data_dir=tmp_path / "var",
        database=database,
        keys=keys,
        origin="medaid.test/log",
        sandbox=True,
        published_keys={},
    ) as gateway:
        codes = {found.code for found in await gateway.findings()}

    assert codes == {"no_policy_pack", "no_roster"}


async def test_settlement_stopped(well: House) -> None:
    """The sentence of what failed stands in the finding, in both languages."""
    await well.settle(bill("C1"))
    async with well.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE log_head SET edge = set_byte(edge, 20, get_byte(edge, 20) # 1)"
        )
    with pytest.raises(RequestRefused, match="MA-5104"):
        await well.settle(bill("C1"))

    found = (await findings(well))["settlement_stopped"]

    assert found.stops
    assert found.text.zh.startswith("结算已停止：")
    assert "edge" in found.text.en


async def test_mark_not_written(well: House, tmp_path: Path) -> None:
    """Told while it lasts, with the system's reason; over with the next success."""
    in_the_way = tmp_path / "var" / "checkpoint.new"
    in_the_way.mkdir()
    await well.settle(bill("C1"))
    while not well.gateway.publisher.failures:  # noqa: ASYNC110  # another task writes
        await asyncio.sleep(0.02)

    assert (await findings(well))["mark_not_written"].seen == "Is a directory"

    in_the_way.rmdir()
    await well.settle(bill("C1"))
    while well.gateway.publisher.fault is not None:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0.02)
    assert await findings(well) == {}


@asynccontextmanager
async def _shut(dsn: str, database_dsn: str) -> AsyncIterator[None]:
    """Have the server let nobody into the database."""
    name = await _ask(database_dsn, "SELECT current_database()")
    await _ask(dsn, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    # Told to end is not ended yet.
    while await _ask(dsn, _END_ALL, name):  # noqa: ASYNC110  # other processes
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        await _ask(dsn, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


async def _ask(dsn: str, sql: str, *values: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql, *values)
    finally:
        await connection.close()


async def test_database_away(well: House, database_dsn: str, empty_dsn: str) -> None:
    """Of an absent database nothing else is claimed; it passes by itself."""
    async with _shut(empty_dsn, database_dsn):
        look = await well.gateway.health.look()

        assert [found.code for found in look.findings] == ["database_away"]
        assert look.vitals is None
    assert await findings(well) == {}


async def test_cache_behind(database: Database, tmp_path: Path) -> None:
    """Another process holds the cache's lock and does not write."""
    cache = tmp_path / "var" / "cache"
    async with open_house(database, tmp_path / "var") as house:
        keys = (house.keys, house.opening)
        await house.enrol("C1")
    lock = os.open(cache / "writer.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        async with open_house(database, tmp_path / "var", keys) as house:
            house.gateway.health._limits = HealthLimits(
                cache_behind_s=0.05, roster_age=_ANY_AGE.roster_age
            )
            async with database.pool.acquire() as connection:
                await connection.execute("UPDATE roster_head SET version = version + 3")
            assert await findings(house) == {}
            await asyncio.sleep(0.1)

            found = (await findings(house))["cache_behind"]
    finally:
        os.close(lock)

    assert (found.seen, found.stops) == ("3", False)


async def test_roster_old(well: House) -> None:
    """The roster's age is that of what it describes, not of its import."""
    well.gateway.health._limits = HealthLimits(roster_age=timedelta(hours=1))

    found = (await findings(well))["roster_old"]

    assert int(found.seen) >= 0
    assert not found.stops


async def test_month_missing(well: House) -> None:
    """Next month's partitions were dropped behind the gateway's back."""
    # The month of Shanghai, which is eight hours ahead of the clock's.
    today = shanghai_day(well.gateway.now())
    next_month = month_of_day(today.replace(day=1) + timedelta(days=32))
    async with well.database.pool.acquire() as connection:
        await connection.execute(f"DROP TABLE answer_{next_month}")

    look = await well.gateway.health.look()

    assert look.findings == (Finding("month_missing", str(next_month)),)
    assert look.months_ahead == 0


async def test_month_begins_in_shanghai(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its first eight hours it is still the former month elsewhere."""
    now = datetime(2026, 1, 31, 17, tzinfo=UTC)
    monkeypatch.setattr(wiring, "wall_clock", lambda: now)
    async with open_house(database, tmp_path / "var") as house:
        look = await house.gateway.health.look()

    assert look.vitals is not None
    assert look.vitals.months == {202602, 202603}
    assert look.months_ahead == 1


async def test_next_month_is_made_while_the_gateway_runs(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that was started in January has March before February ends."""
    now = datetime(2026, 1, 31, tzinfo=UTC)
    monkeypatch.setattr(wiring, "wall_clock", lambda: now)
    monkeypatch.setattr(wiring, "_MONTHS_EVERY_S", 0.01)
    async with open_house(database, tmp_path / "var") as house:
        before = await house.gateway.health.look()
        now += timedelta(days=2)
        async with asyncio.timeout(10):
            while (await house.gateway.health.look()).months_ahead != 1:  # noqa: ASYNC110  # a task makes them
                await asyncio.sleep(0.02)
        after = await house.gateway.health.look()

    assert before.vitals is not None
    assert before.vitals.months == {202601, 202602}
    assert after.vitals is not None
    assert after.vitals.months == {202601, 202602, 202603}


@pytest.mark.parametrize("distance", [-60, 60])
async def test_clock_far(well: House, distance: int) -> None:
    """Either way; the sentence says by how much."""
    clock = well.gateway.now
    well.gateway.health._now = lambda: clock() + timedelta(seconds=distance)

    look = await well.gateway.health.look()

    assert [found.code for found in look.findings if not found.stops] == ["clock_far"]
    assert 59 <= look.skew_s <= 61


async def test_disk_nearly_full(well: House) -> None:
    """Against a bound that this machine's disk does not meet."""
    well.gateway.health._limits = HealthLimits(
        disk_free_bytes=1 << 62, disk_free_part=1, roster_age=_ANY_AGE.roster_age
    )

    assert set(await findings(well)) == {"disk_nearly_full"}


def test_every_finding_is_documented() -> None:
    """In operations.md with its code; and no code is there that is none."""
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    begin = text.index("| code | ")
    table = text[begin : text.index("\n\n", begin)]
    rows = [line.split("`")[1] for line in table.splitlines()[2:]]

    assert rows == list(KINDS)


def test_sentences_are_in_both_languages() -> None:
    """Chinese is Chinese, and both have the same places."""
    for kind in KINDS.values():
        assert not kind.text.zh.isascii()
        assert kind.text.en.isascii()
        assert kind.text.zh.count("{}") == kind.text.en.count("{}") <= 1
