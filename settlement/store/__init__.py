"""PostgreSQL: the only place with asyncpg and SQL."""
