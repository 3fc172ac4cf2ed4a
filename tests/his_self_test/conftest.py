"""A whole gateway that speaks the envelope; the test person is on its roster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from eligibility_cache.store import key_check
from settlement.store.database import Database
from tests.his.desk import HisRoom, open_room
from tests.his.doors import GuardedRoom, open_guarded_room
from tests.his_self_test.runs import CARD, ID_NUMBER
from tests.settlement.house import NOW, House, open_house


async def _enrol(house: House) -> None:
    """By card and by identity number, in one version."""
    token = house.tokenizer.person(ID_NUMBER)
    async with house.database.pool.acquire() as connection, connection.transaction():
        version = await connection.fetchval(
            "UPDATE roster_head SET version = version + 1, as_of = $1,"
            " last_change = last_change + 1, key_check = $2 RETURNING version",
            NOW - timedelta(days=1), key_check(house.tokenizer),
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO roster_window VALUES ($1, $2, $3, $4, $5, $6, $7)",
            token, "dibao", date(2020, 1, 1), None, "990101001", b"", version,
        )  # fmt: skip
        for kind, number in (
            ("social_security_card", CARD), ("resident_id", ID_NUMBER)
        ):  # fmt: skip
            await connection.execute(
                "INSERT INTO roster_card VALUES ($1, $2)",
                house.tokenizer.card(kind, number), token,
            )  # fmt: skip
        await connection.execute(
            "INSERT INTO roster_change SELECT last_change, $1, version"
            " FROM roster_head",
            token,
        )
        await connection.execute("NOTIFY roster_change")
    await house.follow(version)


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[HisRoom]:
    """Its door believes everybody."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_room(house) as room,
    ):
        await _enrol(house)
        yield room


@pytest.fixture
async def guarded(database: Database, tmp_path: Path) -> AsyncIterator[GuardedRoom]:
    """Its door is the real one; one hospital is registered."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_guarded_room(house) as room,
    ):
        await _enrol(house)
        yield room
