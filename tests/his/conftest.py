"""Fixtures of the envelope's tests: a whole gateway in process, spoken to by HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from tests.his.desk import HisRoom, open_room
from tests.his.doors import GuardedRoom, open_guarded_room
from tests.settlement.house import open_house


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[HisRoom]:
    """Two hospitals that are known without showing anything; nobody on the roster."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_room(house) as room,
    ):
        yield room


@pytest.fixture
async def guarded(database: Database, tmp_path: Path) -> AsyncIterator[GuardedRoom]:
    """One registered hospital behind the real door; nothing is allowed yet."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_guarded_room(house) as room,
    ):
        yield room
