"""Fixtures of the tests of `medaid alerts`."""

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from tests.alerts_cli.office import Office, open_office


@pytest.fixture
async def office(database: Database, tmp_path: Path) -> AsyncIterator[Office]:
    """Give an office with an empty log and nobody on the roster yet."""
    async with open_office(database, tmp_path) as office:
        yield office


@pytest.fixture(autouse=True)
def same_logs() -> Iterator[None]:
    """Leave this process's logging as it was: a command sets up its own."""
    root, aside = logging.getLogger(), logging.getLogger("asyncio")
    before = root.handlers[:], root.level, aside.level, logging.raiseExceptions
    yield
    root.handlers[:], level, aside_level, logging.raiseExceptions = before
    root.setLevel(level)
    aside.setLevel(aside_level)
