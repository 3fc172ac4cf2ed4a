"""A database that goes back stops settlement: at start, and while running.

Real servers: a base backup put back, a stale standby promoted, a log cut off, another
installation's database. In each, nothing more is acknowledged, the reason says what
to do, and what needs no new settlement is still answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from settlement.domain.bill import Card, CardKind
from settlement.domain.errors import FatalError, RequestRefused
from settlement.store.database import Database
from tests.settlement.house import House, bill, body, caller, make_keys, open_house
from tests.tampering.forger import Forger
from tests.tampering.servers import Server, Standby, a_server, execute, make_schema

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds children in /proc"),
    pytest.mark.timeout(180),
]
#: The longest that a running gateway may take to notice by itself.
NOTICED_WITHIN_S = 15.0


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a primary that the test may crash, replace and restore."""
    with a_server() as server:
        yield server


@contextlib.asynccontextmanager
async def a_house(dsn: str, data_dir: Path, keys: Any) -> AsyncIterator[House]:
    """One worker on an address; more than one may share a data folder."""
    database = await Database.open(dsn)
    try:
        async with open_house(database, data_dir, keys) as house:
            yield house
    finally:
        database.pool.terminate()


async def settle(house: House, count: int = 1) -> None:
    """Settle a few, each answered."""
    for _ in range(count):
        assert body(await house.settle(bill("C1")))["decision"] == "approved"


async def noticed(house: House) -> str:
    """Wait until settlement has stopped by itself, and say why it says it did."""
    async with asyncio.timeout(NOTICED_WITHIN_S):
        while house.gateway.sequencer.stopped is None:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)
    return house.gateway.sequencer.stopped


async def stands_still(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is acknowledged; eligibility answers; operator and metrics are told."""
    for _ in range(3):
        with pytest.raises(RequestRefused, match=r"MA-5104"):
            await house.settle(bill("C1"))
    card = Card(kind=CardKind.SOCIAL_SECURITY_CARD, number="C1")
    answer = await house.gateway.eligibility(
        caller(), card, date(2026, 1, 5), house.when()
    )
    assert body(answer)["status"] == "eligible"
    findings = await house.gateway.findings()
    assert [f.code for f in findings if f.stops] == ["settlement_stopped"]
    assert [r.levelno for r in caplog.records if r.message == "settle.stopped"] == [
        logging.CRITICAL
    ]


async def test_old_backup_under_a_stopped_gateway(
    server: Server, tmp_path: Path
) -> None:
    """The start is refused with both sizes; the newest copy is accepted again."""
    await make_schema(server.dsn)
    keys, var = make_keys(), tmp_path / "var"
    async with a_house(server.dsn, var, keys) as house:
        await house.enrol("C1")
        await settle(house, 2)
        old = await asyncio.to_thread(server.base_backup, server.folder / "old")
        await settle(house, 3)
        new = await asyncio.to_thread(server.base_backup, server.folder / "new")
    for backup, is_refused in ((old, True), (new, False)):
        await asyncio.to_thread(server.crash)
        await asyncio.to_thread(server.restore, backup)
        await asyncio.to_thread(server.embedded.start)
        if is_refused:
            with pytest.raises(
                FatalError, match=r"has 2 entries, but this machine has seen 5"
            ):
                async with a_house(server.dsn, var, keys):
                    pass
    async with a_house(server.dsn, var, keys) as house:
        await settle(house)


async def test_old_backup_under_running_machines(
    server: Server, tmp_path: Path
) -> None:
    """Each machine has a mark of its own and notices without a single settlement."""
    await make_schema(server.dsn)
    keys = make_keys()
    async with (
        a_house(server.dsn, tmp_path / "one", keys) as first,
        a_house(server.dsn, tmp_path / "two", keys) as second,
        a_house(server.dsn, tmp_path / "three", keys) as third,
    ):
        await first.enrol("C1")
        for house in (second, third):
            await house.follow(1)
        await settle(first)
        old = await asyncio.to_thread(server.base_backup, server.folder / "old")
        for house in (first, second, third):
            await settle(house)
        await asyncio.to_thread(server.crash)
        await asyncio.to_thread(server.restore, old)
        await asyncio.to_thread(server.embedded.start)
        for house in (first, second, third):
            assert "went back" in await noticed(house)
        for house in (first, second, third):
            with pytest.raises(RequestRefused, match="MA-5104"):
                await house.settle(bill("C1"))


async def test_stale_standby_promoted(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients are led to a standby that had stopped receiving: nobody settles on it."""
    await make_schema(server.dsn)
    standby = Standby(server, server.folder / "standby")
    address = tmp_path / "current"
    address.symlink_to(server.embedded.place.socket_folder)
    dsn = f"postgresql://medaid@/medaid?host={address}"
    keys, var = make_keys(), tmp_path / "var"
    try:
        async with a_house(dsn, var, keys) as house:
            await house.enrol("C1")
            await settle(house)
            await asyncio.to_thread(standby.start)
            await _follows(standby, 1)
            await execute(
                standby.dsn,
                "ALTER SYSTEM SET primary_conninfo = ''",
                "SELECT pg_reload_conf()",
            )
            await _receives_nothing(standby)
            await settle(house, 3)
            await asyncio.to_thread(server.crash)
            await asyncio.to_thread(standby.promote)
            address.unlink()
            address.symlink_to(standby.socket)
            assert "has 1 entries, but this machine has seen 4" in await noticed(house)
            await stands_still(house, caplog)
        with pytest.raises(FatalError, match="has seen 4"):
            async with a_house(dsn, var, keys):
                pass
    finally:
        await asyncio.to_thread(standby.stop)


async def _follows(standby: Standby, size: int) -> None:
    await _until(standby.dsn, f"SELECT size >= {size:d} FROM log_head")  # noqa: S608


async def _receives_nothing(standby: Standby) -> None:
    await _until(standby.dsn, "SELECT count(*) = 0 FROM pg_stat_wal_receiver")


async def _until(dsn: str, question: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(20):
            while not await connection.fetchval(question):  # noqa: ASYNC110  # a server
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def cut_off(house: House, _tmp_path: Path) -> None:
    """A superuser takes the last settlements out, and the head with them."""
    await Forger(house).remove(3)


async def cut_in_the_middle(house: House, tmp_path: Path) -> None:
    """A superuser takes one out, and others are settled until the size is past."""
    await Forger(house).remove(1)
    async with open_house(
        house.database, tmp_path / "elsewhere", (house.keys, house.opening)
    ) as other:
        await other.follow(1)
        await settle(other, 3)


async def empty(house: House, _tmp_path: Path) -> None:
    """A superuser empties the log."""
    await execute(house.database.dsn, "DELETE FROM log_leaf", "DELETE FROM log_head")


@pytest.mark.parametrize("deed", [cut_off, cut_in_the_middle, empty])
async def test_log_altered_under_a_running_gateway(
    database: Database,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    deed: Callable[[House, Path], Awaitable[None]],
) -> None:
    """Noticed within seconds although nobody settles and no connection is lost."""
    async with open_house(database, tmp_path / "var", make_keys()) as house:
        await house.enrol("C1")
        await settle(house, 4)
        # Before the deed: on a busy machine it is noticed while it goes on.
        caplog.clear()
        await deed(house, tmp_path)
        await noticed(house)
        await stands_still(house, caplog)


async def test_memory_stands_where_the_file_lags(
    database: Database, tmp_path: Path
) -> None:
    """What a process has shown it holds the log against, whatever its file says."""
    async with open_house(database, tmp_path / "var", make_keys()) as house:
        await house.enrol("C1")
        await settle(house, 3)
        await asyncio.sleep(0.5)
        kept = (tmp_path / "var" / "checkpoint").read_bytes()
        await settle(house, 2)
        await asyncio.sleep(0.5)
        (tmp_path / "var" / "checkpoint").write_bytes(kept)
        await Forger(house).remove(4)
        async with open_house(
            database, tmp_path / "fork", (house.keys, house.opening)
        ) as other:
            await other.follow(1)
            await settle(other, 4)
        assert "does not extend" in await noticed(house)


async def test_another_installations_database(
    server: Server, database: Database, tmp_path: Path
) -> None:
    """Longer, shorter or never seen: another log is never settled on."""
    await make_schema(server.dsn)
    keys, var = make_keys(), tmp_path / "var"
    async with open_house(database, var, keys) as house:
        await house.enrol("C1")
        await settle(house, 2)
    async with a_house(server.dsn, tmp_path / "theirs", make_keys()) as other:
        await other.enrol("C1")
        await settle(other, 3)
    with pytest.raises(FatalError, match="or it is another database"):
        async with a_house(server.dsn, var, keys):
            pass
    await execute(
        server.dsn,
        "UPDATE log_head SET checkpoint = replace(checkpoint, 'medaid.test/log',"
        " 'east.example/log')",
    )
    with pytest.raises(FatalError, match=r"the log east\.example/log.*Is --dsn"):
        async with a_house(server.dsn, tmp_path / "fresh", keys):
            pass
