"""Packages that every test of this folder may read, made once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from settlement.store.database import Database
from settlement.store.embedded import EmbeddedPostgres
from tests.month_package.packages import (
    TwoMonths,
    bureau_of,
    close,
    package,
    package_two_months,
    settle_january,
)
from tests.reconcile.months import open_months
from tests.support import postgres


async def _make(dsn: str, folder: Path) -> TwoMonths:
    database = await Database.open(dsn)
    try:
        async with open_months(database, folder / "var") as months:
            return await package_two_months(months, folder)
    finally:
        await database.close()


async def _make_alone(dsn: str, folder: Path) -> TwoMonths:
    database = await Database.open(dsn)
    try:
        async with open_months(database, folder / "var") as months:
            bureau, path = bureau_of(months), folder / "alone.zip"
            await settle_january(months)
            await close(months)
            await package(database, bureau.signer, path)
            return TwoMonths(bureau, path, path)
    finally:
        await database.close()


@pytest.fixture(scope="session")
def two_months(
    postgres_server: EmbeddedPostgres,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TwoMonths]:
    """Give January and February of two hospitals."""
    folder = tmp_path_factory.mktemp("months")
    name = f"packages_{worker_id}"
    with postgres.fresh_database(postgres_server, name) as dsn:
        yield asyncio.run(_make(dsn, folder))


@pytest.fixture(scope="session")
def alone(
    postgres_server: EmbeddedPostgres,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TwoMonths]:
    """Give a January of which nothing is deferred: every leaf is in it."""
    folder = tmp_path_factory.mktemp("alone")
    name = f"package_alone_{worker_id}"
    with postgres.fresh_database(postgres_server, name) as dsn:
        yield asyncio.run(_make_alone(dsn, folder))
