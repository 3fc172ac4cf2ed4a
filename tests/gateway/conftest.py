"""Fixtures of the edge's tests."""

from collections.abc import AsyncIterator

import pytest

from settlement.store.database import Database
from tests.gateway.desk import ControlledUseCases, RunningEdge, running_edge


@pytest.fixture
def use_cases() -> ControlledUseCases:
    """Use cases that the test controls."""
    return ControlledUseCases()


@pytest.fixture
async def running(
    database: Database, use_cases: ControlledUseCases
) -> AsyncIterator[RunningEdge]:
    """One worker's edge, listening."""
    async with running_edge(database, use_cases) as edge:
        yield edge
