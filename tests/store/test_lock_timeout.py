"""A lock that is not to be had in time is a passing fault, as a deadlock is."""

import asyncpg
import pytest

from settlement.store.database import Database
from settlement.store.errors import BatchConflictError
from settlement.store.transaction import our_errors


async def test_a_lock_time_out_is_tried_again(database: Database) -> None:
    """Where the operator has set `lock_timeout`, callers meet no internal error."""
    holder, waiter = await database.connect(), await database.connect()
    try:
        await holder.execute("BEGIN; LOCK TABLE log_head IN EXCLUSIVE MODE")
        await waiter.execute("SET lock_timeout = '10ms'")

        with pytest.raises(BatchConflictError) as conflict, our_errors():
            await waiter.execute("SELECT 1 FROM log_head FOR UPDATE")

        assert isinstance(conflict.value.__cause__, asyncpg.LockNotAvailableError)
    finally:
        await holder.close()
        await waiter.close()
