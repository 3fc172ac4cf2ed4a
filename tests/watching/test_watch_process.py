"""The watch as a process: killed, doubled, cut off from its database; none lost."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import sys
from asyncio.subprocess import PIPE, Process
from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway.keyfiles import write_new
from settlement.service.watch.shelf import RulesShelf
from settlement.service.watch.watcher import watch
from settlement.store.database import Database
from settlement.store.embedded import EmbeddedPostgres
from settlement.store.migrate import migrate
from settlement.store.watching import behind
from tests.settlement.house import House, open_house
from tests.watching.watched import (
    LATER,
    alerts,
    costing,
    events_make_sense,
    forget_alerts,
    look,
    open_watched,
    put,
    rules_document,
    settle,
    visit,
)

_DAY = date(2026, 3, 2)
_KILLS = 22
_CARDS = 60


async def _start(dsn: str, folder: Path) -> Process:
    """The real process; it watches when this returns."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_new(keys / "party-secret.key", base64.b64encode(os.urandom(32)) + b"\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.watch_process",
        stdin=PIPE, stdout=PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    order = {"data_dir": str(folder), "dsn": dsn, "log_level": "warning"}
    process.stdin.write(json.dumps(order).encode() + b"\n")
    line = await process.stdout.readline()
    assert line == b"ready\n", line
    return process


async def _load(house: House, stop: asyncio.Event, rng: random.Random) -> None:
    """Cards used again and again, and some claims undone."""
    while not stop.is_set():
        card = f"K{rng.randrange(_CARDS)}"
        day = _DAY + timedelta(days=rng.randrange(60))
        sent = visit(card, day, **costing(rng.choice([600, 700])))
        answer = await settle(house, sent, rng.randint(1, 3), operator=card[:2])
        if rng.random() < 0.2 and answer["decision"] == "approved":
            await _undo(house, answer["settlement_id"])
        await asyncio.sleep(0.01)


async def _undo(house: House, settlement_id: str) -> None:
    row = await house.database.pool.fetchval(
        "SELECT facility_id FROM settlement WHERE id = $1", bytes.fromhex(settlement_id)
    )
    await house.reverse(facility=row, settlement_id=settlement_id, reason="mistake")


async def _looked_until(database: Database) -> int:
    seen = await database.pool.fetchval("SELECT log_index FROM watch_cursor")
    return int(seen)


async def _has_looked(database: Database, beyond: int) -> None:
    async with asyncio.timeout(60):
        while await _looked_until(database) <= beyond:  # noqa: ASYNC110  # a process
            await asyncio.sleep(0.02)


async def _caught_up(database: Database) -> None:
    async with asyncio.timeout(60):
        while await _behind(database):  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(0.05)


async def _behind(database: Database) -> int:
    async with database.pool.acquire() as session:
        return await behind(session)


async def _same_as_one_clean_look(database: Database) -> None:
    """What stands is what a single look over everything makes; nothing twice."""
    await events_make_sense(database)
    found = await alerts(database)
    assert found
    await forget_alerts(database)
    await look(database)
    assert await alerts(database) == found


@pytest.mark.timeout(400)
async def test_killed_again_and_again_loses_no_alert_and_raises_none_twice(
    database: Database, database_dsn: str, tmp_path: Path
) -> None:
    """kill -9 at random moments of a load, each time another process goes on."""
    rng = random.Random(6)
    async with open_watched(database, tmp_path / "var") as house:
        for number in range(_CARDS):
            await house.enrol(f"K{number}")
        stop = asyncio.Event()
        load = asyncio.create_task(_load(house, stop, rng))
        seen: list[int] = [0]
        for number in range(_KILLS):
            process = await _start(database_dsn, tmp_path)
            if number % 3:
                # Two of three have seen something, however slow the machine is.
                await _has_looked(database, beyond=seen[-1])
            await asyncio.sleep(rng.random() * 1.2)
            process.kill()
            await process.wait()
            seen.append(await _looked_until(database))
        stop.set()
        await load
        assert len(set(seen)) > _KILLS // 2, "killed before it could do anything"
        process = await _start(database_dsn, tmp_path)
        await _caught_up(database)
        process.terminate()
        assert await process.wait() == 0
        await _same_as_one_clean_look(database)


async def test_two_watches_at_once_are_as_one(
    database: Database, database_dsn: str, tmp_path: Path
) -> None:
    """One on each machine; whoever holds the cursor looks."""
    async with open_watched(database, tmp_path / "var") as house:
        for number in range(_CARDS):
            await house.enrol(f"K{number}")
        processes = [await _start(database_dsn, tmp_path) for _ in range(2)]
        stop = asyncio.Event()
        load = asyncio.create_task(_load(house, stop, random.Random(7)))
        await asyncio.sleep(4)
        processes[0].kill()
        await asyncio.sleep(2)
        stop.set()
        await load
        await _caught_up(database)
        processes[1].terminate()
        for process in processes:
            await process.wait()
        await _same_as_one_clean_look(database)


async def test_watch_outlives_a_restart_of_the_database(
    data_dir: Path, tmp_path: Path
) -> None:
    """Connections are cut, the server is gone for a while, and it goes on by itself."""
    server = EmbeddedPostgres(data_dir)
    dsn = server.start()
    database = await Database.open(dsn)
    async with database.pool.acquire() as session:
        await migrate(session)  # type: ignore[arg-type]
    await put(database, rules_document())
    async with open_house(database, tmp_path / "var") as house:
        await house.enrol("C1")
        process = await _start(dsn, tmp_path)
        watching = asyncio.create_task(watch(database, RulesShelf(), lambda: LATER))
        for _ in range(2):
            await settle(house, visit("C1", _DAY))
        await _caught_up(database)
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(30):
            while True:
                try:
                    await settle(house, visit("C1", _DAY + timedelta(days=40)))
                    break
                except Exception:  # noqa: BLE001  # away for a moment
                    await asyncio.sleep(0.3)
        await settle(house, visit("C1", _DAY + timedelta(days=40)))
        await _caught_up(database)
        assert not watching.done()
        assert process.returncode is None
        watching.cancel()
        process.terminate()
        assert await process.wait() == 0
        await _same_as_one_clean_look(database)
    await database.close()
    await asyncio.to_thread(server.stop)


async def test_flood_is_stored_and_the_watch_comes_back(
    database: Database, tmp_path: Path
) -> None:
    """Ten thousand alerts at once: all there, in seconds, and nothing is behind."""
    await put(database, rules_document())
    await database.pool.execute(_FLOOD)
    began = asyncio.get_running_loop().time()
    assert await look(database) == 20_000
    took = asyncio.get_running_loop().time() - began
    count = await database.pool.fetchval(
        "SELECT count(*) FROM alert WHERE detector = 'exact-repeat'"
    )
    cases = await database.pool.fetchval("SELECT count(*) FROM alert_case")
    print(f"flood: 10,000 alerts in {took:.1f} s")  # noqa: T201
    assert (count, await _behind(database)) == (10_000, 0)
    assert cases >= 10_000


_FLOOD = """
INSERT INTO party (code, role, name, level, subdistrict, created_at)
VALUES ('H001', 'facility', 'H001', 2, '990101001', now());
INSERT INTO settlement
SELECT substr(sha256(n::text::bytea), 1, 16), 202603,
       (SELECT id FROM party WHERE code = 'H001'), 'k' || n, 's',
       substr(sha256(('p' || n / 2)::bytea), 1, 16), 'MZ-' || n,
       sha256(('v' || n)::bytea), 'outpatient', '2026-03-02', '2026-03-02',
       timestamptz '2026-03-02 09:00+08', timestamptz '2026-03-02 09:00+08',
       'op' || n % 500, true, 'dibao', '990101001', 1, 1, 'MA-2000', NULL,
       25000, 16000, 7200, 5760, 0, 3240, n
FROM generate_series(0, 19999) AS n;
INSERT INTO log_leaf SELECT log_index, sha256(id), id, month FROM settlement;
INSERT INTO log_head (size, root, edge, checkpoint) VALUES (20000, '', '', 'made');
"""
