"""The pool: what it refuses, and whether somebody is there."""

import asyncpg
import pytest

from settlement.domain.errors import FatalError
from settlement.store.database import Database
from settlement.store.embedded import EmbeddedPostgres


async def test_answers_tells_a_living_server_from_a_closed_pool(
    database_dsn: str,
) -> None:
    """Readiness rests on an answer, not on a pool that once was open."""
    database = await Database.open(database_dsn)

    assert await database.answers(within_s=10)
    await database.close()
    assert not await database.answers(within_s=10)


async def test_answers_gives_up_on_a_pool_that_is_taken(database_dsn: str) -> None:
    """A question that has to wait longer than the caller can is a no."""
    database = await Database.open(database_dsn, max_size=1)
    async with database.pool.acquire():
        assert not await database.answers(within_s=0.01)
    await database.close()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("SET synchronous_commit = off", "synchronous_commit"),
        ("SET synchronous_commit = local", "synchronous_commit"),
        ("SET default_transaction_read_only = on", "transaction_read_only"),
    ],
)
async def test_server_that_could_lose_a_commit_is_refused(
    database_dsn: str, postgres_server: EmbeddedPostgres, statement: str, named: str
) -> None:
    """No settling where an acknowledged settlement might not be on disk."""
    name = database_dsn.partition("@/")[2].partition("?")[0]
    admin = await asyncpg.connect(postgres_server.dsn_of("postgres"))
    try:
        await admin.execute(f'ALTER DATABASE "{name}" {statement}')
    finally:
        await admin.close()

    with pytest.raises(FatalError, match=named):
        await Database.open(database_dsn)
