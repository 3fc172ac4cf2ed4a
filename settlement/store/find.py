"""Find settlements and records: reads on the pool, nothing locked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from datetime import date
from operator import attrgetter
from typing import TYPE_CHECKING

import asyncpg

from settlement.domain.errors import RequestRefused
from settlement.store.errors import StoreBusyError
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database, Session


@dataclass(frozen=True, slots=True)
class FoundSettlement:
    """A settlement as it was answered, its state now, and its reversal's answer."""

    state: bytes
    answer: bytes
    reversal: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for, in the order of the statement; `None` does not narrow."""

    facility_id: int | None
    """Narrows to one facility; `None` sees all."""
    id: bytes | None = None
    key: str | None = None
    visit_no: str | None = None
    person: bytes | None = None
    service_from: date | None = None
    service_to: date | None = None
    state: bytes | None = None
    limit: int = 100


_WANTED = tuple(field.name for field in fields(Wanted))


@dataclass(frozen=True, slots=True)
class FoundLeaf:
    """A record and where it stands in the log."""

    record: bytes
    log_index: int


@contextmanager
def reading_faults() -> Iterator[None]:
    """Turn faults of the database into `RequestRefused` MA-5105, busy into MA-5101."""
    try:
        yield
    except StoreBusyError as busy:
        raise RequestRefused("MA-5101", retry_after_s=1) from busy
    except (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        # A connection that is torn down while a statement begins.
        asyncpg.InternalClientError,
        OSError,
    ) as error:
        raise RequestRefused("MA-5105", retry_after_s=2) from error


@asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[Session]:
    """A connection for reading; raises as `reading_faults` without one."""
    with reading_faults():
        async with database.pool.acquire() as connection:
            yield connection


async def settlements(database: Database, wanted: Wanted) -> list[FoundSettlement]:
    """Settlements that match everything wanted, newest first."""
    async with _reading(database) as connection, connection.transaction():
        # A generic plan could not use the index that fits the values given.
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        found = await connection.fetch(
            statement("find_settlements"), *attrgetter(*_WANTED)(wanted)
        )
    return [
        FoundSettlement(
            row["state"],
            row["head"] + (row["record"] or b"") + row["tail"],
            None
            if row["reversal_head"] is None
            else row["reversal_head"] + row["reversal_record"] + row["reversal_tail"],
        )
        for row in found
    ]


async def id_of_key(database: Database, facility_id: int, key: str) -> bytes | None:
    """The id that stands under a facility's settle key."""
    async with _reading(database) as connection:
        identity: bytes | None = await connection.fetchval(
            statement("find_by_key"), facility_id, key
        )
    return identity


async def tombstone(
    database: Database, facility_id: int | None, identity: bytes
) -> bytes | None:
    """The reversal that stopped a key before its settlement came, as answered."""
    async with _reading(database) as connection:
        row = await connection.fetchrow(
            statement("find_tombstone"), identity, facility_id
        )
    return None if row is None else row["head"] + row["record"] + row["tail"]


async def person_of_card(database: Database, card: bytes) -> bytes:
    """The person's token for a card's; the token itself where none is known."""
    async with _reading(database) as connection:
        person = await connection.fetchval(
            "SELECT person FROM roster_card WHERE card = $1", card
        )
    return person or card


async def leaf(
    database: Database, facility_id: int | None, record_id: bytes
) -> FoundLeaf | None:
    """The record of a settlement or reversal with this id."""
    async with _reading(database) as connection:
        row = await connection.fetchrow(statement("find_leaf"), record_id, facility_id)
    return None if row is None else FoundLeaf(row["record"], row["log_index"])
