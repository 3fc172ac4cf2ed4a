"""Fixtures of the policy desk's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from tests.settlement.house import House, open_house


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway with an empty log, the demo pack and no roster yet."""
    async with open_house(database, tmp_path / "var") as house:
        yield house
