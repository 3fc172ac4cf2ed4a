"""Fixtures of the simulator's tests: a gateway in process that believes everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from tests.his.desk import HisRoom, open_room
from tests.settlement.house import open_house


@pytest.fixture
async def room(database: Database, tmp_path: Path) -> AsyncIterator[HisRoom]:
    """Two hospitals that are known without showing anything; nobody on the roster."""
    async with (
        open_house(database, tmp_path / "var") as house,
        open_room(house) as room,
    ):
        yield room
