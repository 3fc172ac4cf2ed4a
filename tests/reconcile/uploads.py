"""An upload in the middle of its work: how tests begin one, hold it and watch it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from settlement.store.closing import lock_closing
from tests.reconcile.town import Town

MONTH = "2026-01"
WITHIN_S = 60.0
POLL_S = 0.02


@asynccontextmanager
async def begun(
    town: Town, head: str, body: bytes = b"", who: str = "H001"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An upload that the test goes on with."""
    host, _, port = town.edge.authority.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /v1/reconciliation/{MONTH}/list HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {town.bearers[who]}\r\n"
        f"Content-Type: text/plain\r\n{head}\r\n\r\n".encode()
        + body
    )
    try:
        yield reader, writer
    finally:
        writer.close()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and head with the beginning of the answer."""
    async with asyncio.timeout(WITHIN_S):
        line = await reader.readuntil(b"\r\n")
        rest = await reader.readuntil(b"\r\n\r\n")
        rest += await reader.read(4_096)
    return int(line.split()[1]), rest


@asynccontextmanager
async def held(town: Town) -> AsyncIterator[None]:
    """Let every match of H001 wait in the middle of its transaction."""
    pool = town.months.database.pool
    async with pool.acquire() as session, session.transaction():
        await lock_closing(session, 1)
        yield


async def waiting(town: Town) -> None:
    """Return when a match waits there."""
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'advisory'"
    )
    await until(lambda: town.months.database.pool.fetchval(query))


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = holds()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(POLL_S)
