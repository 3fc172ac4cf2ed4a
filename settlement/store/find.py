"""Find settlements and records: reads on the pool, nothing locked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import asyncpg

from settlement.domain.errors import RequestRefused
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database, Session


@dataclass(frozen=True, slots=True)
class FoundSettlement:
    """A settlement as it was answered, its state now, and its reversal's answer."""

    state: bytes
    answer: bytes
    reversal: bytes | None


@dataclass(frozen=True, slots=True)
class FoundLeaf:
    """A record and where it stands in the log."""

    record: bytes
    log_index: int


@contextmanager
def reading_faults() -> Iterator[None]:
    """Turn faults of the database into `RequestRefused` MA-5105."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise RequestRefused("MA-5105", retry_after_s=2) from error


@asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[Session]:
    """A connection for reading; raises `RequestRefused` MA-5105 without one."""
    with reading_faults():
        async with database.pool.acquire() as connection:
            yield connection


async def settlements(
    database: Database,
    facility_id: int | None,
    *,
    ids: Sequence[bytes] | None = None,
    key: str | None = None,
    visit_no: str | None = None,
    person: bytes | None = None,
    service_from: date | None = None,
    service_to: date | None = None,
    state: str | None = None,
    limit: int = 100,
) -> list[FoundSettlement]:
    """Settlements that match everything given, newest first.

    `facility_id` narrows to one facility; `None` sees all.
    """
    conditions: list[str] = []
    values: list[Any] = []

    def narrow(condition: str, value: object) -> None:
        if value is not None:
            values.append(value)
            conditions.append(condition.format(f"${len(values)}"))

    narrow("s.facility_id = {}", facility_id)
    narrow("s.id = ANY({}::bytea[])", None if ids is None else list(ids))
    narrow("s.visit_no = {}", visit_no)
    narrow("s.person = {}", person)
    narrow("s.service_end >= {}", service_from)
    narrow("s.service_start <= {}", service_to)
    narrow("s.state = {}", None if state is None else state[0].encode("ascii"))
    if key is not None and facility_id is not None:
        values.extend((facility_id, key))
        conditions.append(
            "s.id = (SELECT id FROM settle_key WHERE facility_id ="
            f" ${len(values) - 1} AND key = ${len(values)})"
        )
    else:
        narrow("s.key = {}", key)
    query = statement("find_settlements").format(
        conditions=" AND ".join(conditions) or "true", limit=limit
    )
    async with _reading(database) as connection:
        found = await connection.fetch(query, *values)
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


async def stopped_key(database: Database, facility_id: int, key: str) -> bytes | None:
    """The reversal that stopped a key before its settlement came, as answered."""
    async with _reading(database) as connection:
        row = await connection.fetchrow(statement("find_stopped_key"), facility_id, key)
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
