"""What the watch meets that no detector foresaw: it goes on, and tells."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from settlement.domain.watch.detecting import find_signals
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.service.watch import subjects
from settlement.service.watch.shelf import RulesShelf
from settlement.service.watch.watcher import watch
from settlement.store import alerts as stored_alerts
from settlement.store.database import Database
from settlement.store.errors import BatchRefusedError
from settlement.store.watching import behind
from tests.settlement.house import House
from tests.watching.watched import LATER, alerts, look, open_watched, settle, visit

_DAY = date(2026, 3, 2)


async def _watched_for(database: Database, hours_later: int = 0) -> None:
    """A watch until nothing is behind."""
    now = LATER + timedelta(hours=hours_later)
    watching = asyncio.create_task(watch(database, RulesShelf(), lambda: now))
    try:
        async with asyncio.timeout(30):
            while True:
                await asyncio.sleep(0.3)
                async with database.pool.acquire() as session:
                    if not await behind(session):
                        return
                assert not watching.done()
    finally:
        watching.cancel()


async def _pairs(house: House, *cards: str) -> dict[str, bytes]:
    tokens = {}
    for card in cards:
        tokens[card] = await house.enrol(card)
        for _ in range(2):
            await settle(house, visit(card, _DAY))
    return tokens


async def test_person_over_whom_a_detector_raises_is_kept_for_the_next_start(
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The others are looked at; health says so until somebody has mended it."""
    find = find_signals
    async with open_watched(database, tmp_path / "var") as house:
        tokens = await _pairs(house, "A1", "A2", "A3")

        def broken(
            kind: SubjectKind, claims: list[SeenClaim], rules: Any
        ) -> list[Signal]:
            if kind is SubjectKind.PERSON and claims[0].person == tokens["A2"]:
                raise ZeroDivisionError
            return find(kind, claims, rules)

        monkeypatch.setattr(subjects, "find_signals", broken)
        await _watched_for(database)
        assert len(await alerts(database)) == 2
        assert "alerts.claims_skipped" in {r.message for r in caplog.records}
        (finding,) = [
            f for f in await house.gateway.findings() if f.code == "claims_skipped"
        ]
        assert finding.seen == "2"
        await _watched_for(database, hours_later=1)
        assert len(await alerts(database)) == 2
        monkeypatch.setattr(subjects, "find_signals", find)
        await settle(house, visit("C1", _DAY))
        await _watched_for(database, hours_later=2)
        assert len(await alerts(database)) == 3
        codes = {found.code for found in await house.gateway.findings()}
        assert "claims_skipped" not in codes


async def test_row_that_cannot_be_stored_does_not_stop_the_others(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look is made smaller until one claim is left, and goes on behind it."""
    async with open_watched(database, tmp_path / "var") as house:
        tokens = await _pairs(house, "A1", "A2", "A3")
        insert = stored_alerts.insert_alerts

        async def refused(session: Any, rows: Any, at: Any) -> None:
            if any(row.person == tokens["A2"] for row, _, _ in rows):
                raise BatchRefusedError("CheckViolationError")
            await insert(session, rows, at)

        monkeypatch.setattr(stored_alerts, "insert_alerts", refused)
        await _watched_for(database)
        assert len(await alerts(database)) == 2
        skipped = await database.pool.fetch("SELECT fault FROM watch_skipped")
        assert {row["fault"] for row in skipped} == {"BatchRefusedError"}
        monkeypatch.setattr(stored_alerts, "insert_alerts", insert)
        await settle(house, visit("C1", _DAY))
        await _watched_for(database, hours_later=1)
        assert len(await alerts(database)) == 3
        assert await database.pool.fetchval("SELECT count(*) FROM watch_skipped") == 0


async def test_watch_that_stands_still_is_a_finding(
    database: Database, tmp_path: Path
) -> None:
    """Seconds since it had seen all that there was."""
    async with open_watched(database, tmp_path / "var") as house:
        health = house.gateway.health
        await settle(house, visit("C1", _DAY))
        assert (await health.look()).watch_lag_s == 0
        await asyncio.sleep(0.3)
        await settle(house, visit("C1", _DAY))
        assert (await health.look()).watch_lag_s >= 0.3
        health._limits = type(health._limits)(watch_behind_s=0.2)
        assert "watch_behind" in {f.code for f in await house.gateway.findings()}
        await look(database)
        assert (await health.look()).watch_lag_s == 0
        assert "watch_behind" not in {f.code for f in await house.gateway.findings()}


async def test_idle_watch_writes_nothing(database: Database, tmp_path: Path) -> None:
    """No commit that the disk must wait for, several times a second."""
    # Who locked or wrote the cursor's row last.
    writer = "SELECT xmin::text || ' ' || xmax::text FROM watch_cursor"
    async with open_watched(database, tmp_path / "var") as house:
        await settle(house, visit("C1", _DAY))
        await look(database)
        idle: list[bool] = []
        before = await database.pool.fetchval(writer)
        watching = asyncio.create_task(
            watch(
                database,
                RulesShelf(),
                lambda: LATER,
                on_look=lambda looked: idle.append(looked.is_idle),
            )
        )
        await asyncio.sleep(2)
        watching.cancel()
        after = await database.pool.fetchval(writer)
        assert len(idle) >= 6
        assert all(idle)
        assert after == before
