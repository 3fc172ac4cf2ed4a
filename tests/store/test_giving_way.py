"""Long work beside settling is served after it."""

from __future__ import annotations

import os

from settlement.store.database import Database


def _priority(process: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, process)


async def test_only_long_work_gives_way(database: Database) -> None:
    """The server's process of a match has the lowest priority, a cashier's none."""
    long_work = await Database.open(database.dsn, max_size=1, gives_way=True)
    try:
        async with database.pool.acquire() as first, long_work.pool.acquire() as second:
            assert _priority(first.get_server_pid()) == 0
            assert _priority(second.get_server_pid()) == 19
            for name, value in (
                ("max_parallel_workers_per_gather", "0"),
                ("client_connection_check_interval", "1s"),
            ):
                assert await second.fetchval(f"SHOW {name}") == value
                assert await first.fetchval(f"SHOW {name}") != value
    finally:
        await long_work.close()
