"""Running totals are opened and locked by one statement, whoever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from settlement.store.database import Database
from settlement.store.ledger import Ledger, ledger_transaction

if TYPE_CHECKING:
    from settlement.store.database import Connection

_PERSON = b"p" * 16
_OUT = (_PERSON, 2026, "outpatient")
_IN = (_PERSON, 2026, "inpatient")


@asynccontextmanager
async def _line(database: Database) -> AsyncIterator[Connection]:
    connection = await database.connect()
    try:
        yield connection
    finally:
        connection.terminate()


async def _wait_until_it_waits(database: Database, pid: int) -> None:
    """Until this backend waits for another's lock."""
    asked = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    async with asyncio.timeout(60):
        # PostgreSQL has nothing to wait on for the wait of another backend.
        while not await database.pool.fetchval(asked, pid):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_totals_are_opened_once_and_found_later(database: Database) -> None:
    """Known and new ones come back together; new ones begin at 0, without a cap."""
    async with _line(database) as line:
        async with ledger_transaction(line) as ledger:
            assert await ledger.lock_accumulators([_OUT]) == {_OUT: (0, None)}
            await line.execute("UPDATE accumulator SET used_fen = 7, cap_fen = 9")
        async with ledger_transaction(line) as ledger:
            found = await ledger.lock_accumulators([_OUT, _IN, _OUT])
    assert found == {_OUT: (7, 9), _IN: (0, None)}


@pytest.mark.parametrize("kept", [True, False])
async def test_total_that_two_open_at_once_is_seen_by_both(
    database: Database, *, kept: bool
) -> None:
    """Who comes second waits, sees what the first has made of it, and locks it."""
    async with _line(database) as one, _line(database) as two:
        await one.execute("BEGIN")
        await Ledger(one).lock_accumulators([_OUT])
        await one.execute("UPDATE accumulator SET used_fen = 7, cap_fen = 9")
        async with ledger_transaction(two) as ledger:
            second = asyncio.create_task(ledger.lock_accumulators([_IN, _OUT]))
            await _wait_until_it_waits(database, two.get_server_pid())
            await one.execute("COMMIT" if kept else "ROLLBACK")
            found = await second
            assert found == {_OUT: (7, 9) if kept else (0, None), _IN: (0, None)}
            if kept:
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await one.execute("SELECT FROM accumulator FOR UPDATE NOWAIT")
