"""Fixtures of the meta-tests: each safeguard is switched off, and a run turns red."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from tests.meta.checker import Checker
from tests.settlement.house import House, open_house


@pytest.fixture
def checker(tmp_path: Path) -> Checker:
    """Give an empty notebook."""
    return Checker(tmp_path)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway with an empty log, the demo pack and no roster yet."""
    async with open_house(database, tmp_path / "var") as house:
        yield house
