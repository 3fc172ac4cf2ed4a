"""The embedded server: shared, durable, private, and stopped by the last one."""

from settlement.store.database import Database


async def test_fixture_database_is_migrated_and_durable(database: Database) -> None:
    """Every test that stores runs on a server that passes the durability check."""
    async with database.pool.acquire() as connection:
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SELECT count(*) FROM schema_migration") > 0
