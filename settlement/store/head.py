"""The log's head row: made once, empty, and read at start."""

from __future__ import annotations

from settlement.store.database import Database
from settlement.store.rows import LogHead, NewHead


async def ensure_head(database: Database, empty: NewHead) -> LogHead:
    """The head as it stands; an empty log where there was none."""
    async with database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO log_head (size, root, edge, checkpoint)"
            " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            empty.size,
            empty.root,
            empty.edge,
            empty.checkpoint,
        )
        row = await connection.fetchrow("SELECT size, root, edge FROM log_head")
    if row is None:
        raise RuntimeError("the log's head row vanished while it was made")
    return LogHead(*row.values())
