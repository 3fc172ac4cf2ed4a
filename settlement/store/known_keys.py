"""What stands under keys: read for a batch, or for one caller who asks again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from settlement.store import rows
from settlement.store.errors import (
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)
from settlement.store.statements import statement
from settlement.store.transaction import committed, our_errors

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database

#: How long a look-up of one settle key is waited for.
_KNOWN_WITHIN_S = 10.0
#: Writes WAL where standbys are required, so that its commit waits for them.
FENCE = (
    "SELECT pg_logical_emit_message(true, 'medaid', 'fence')"
    " WHERE current_setting('synchronous_standby_names') <> ''"
)


def stored_answer(row: asyncpg.Record) -> rows.StoredAnswer:
    """The parts of an answer as a statement gives them."""
    return rows.StoredAnswer(
        row["id"],
        row["request"] or b"",
        row["head"] or b"",
        row["record"],
        row["tail"] or b"",
    )


async def read_settlements(
    connection: Any, keys: Sequence[tuple[int, str]]
) -> dict[tuple[int, str], rows.StoredKey]:
    """What stands under settle keys, on any connection."""
    found = await connection.fetch(
        statement("stored_settlements"),
        [facility for facility, _ in keys],
        [key for _, key in keys],
    )
    return {
        (row["facility_id"], row["key"]): rows.StoredKey(
            row["key_id"],
            row["tombstone"],
            row["has_late_original"],
            stored_answer(row),
        )
        for row in found
    }


async def known_settlement(
    database: Database, facility_id: int, key: str
) -> rows.StoredKey | None:
    """What stands under one settle key; raises `StoreUnavailableError`, also when late.

    A late look-up is left to end by itself: its COMMIT is never cancelled.
    """
    looking = asyncio.ensure_future(_known_settlement(database, facility_id, key))
    looking.add_done_callback(_take_outcome)
    done, _ = await asyncio.wait({looking}, timeout=_KNOWN_WITHIN_S)
    if not done:
        raise StoreUnavailableError("no answer in time")
    return looking.result()


def _take_outcome(looking: asyncio.Future[Any]) -> None:
    """So that a fault nobody waits for any more is not reported as never retrieved."""
    if not looking.cancelled():
        looking.exception()


async def _known_settlement(
    database: Database, facility_id: int, key: str
) -> rows.StoredKey | None:
    try:
        with our_errors():
            async with database.pool.acquire() as connection:
                found = await read_settlements(connection, [(facility_id, key)])
                async with committed(cast("Connection", connection)):
                    await connection.execute(FENCE)
    except (CommitUnknownError, BatchRefusedError) as cut:
        # A look-up that is refused, in whatever state it met its connection, has told
        # nothing: the next one may.
        raise StoreUnavailableError("not known to be lasting") from cut
    return found.get((facility_id, key))
