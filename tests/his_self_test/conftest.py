"""A whole gateway that speaks the envelope; the test person is on its roster."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from tests.his.desk import HisRoom, open_room
from tests.his.doors import GuardedRoom, open_guarded_room
from tests.his_self_test.runs import CARD, ID_NUMBER
from tests.settlement.house import open_house


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[HisRoom]:
    """Its door believes everybody."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_room(house) as room,
    ):
        await house.enrol(CARD, person=ID_NUMBER, resident_id=ID_NUMBER)
        yield room


@pytest.fixture
async def guarded(database: Database, tmp_path: Path) -> AsyncIterator[GuardedRoom]:
    """Its door is the real one; one hospital is registered."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_guarded_room(house) as room,
    ):
        await house.enrol(CARD, person=ID_NUMBER, resident_id=ID_NUMBER)
        yield room
