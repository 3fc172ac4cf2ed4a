"""What the national envelope looks up of its own settlements; reads on the pool."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.store.find import id_of_key, reading_faults
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database

_IN_FORCE = b"s"


@dataclass(frozen=True, slots=True)
class StoredCharge:
    """A settlement as it was asked for and answered."""

    id: bytes
    key: str
    state: bytes
    reason: str
    visit_no: str
    settled_at: datetime
    request: bytes
    answer: bytes
    """The DECISION's exact bytes."""

    @property
    def is_in_force(self) -> bool:
        """Whether it was approved and not undone."""
        return self.state == _IN_FORCE


async def stored_charge(
    database: Database, facility_id: int, identity: bytes
) -> StoredCharge | None:
    """The facility's settlement with this id; another's is as unknown as none."""
    with reading_faults():
        async with database.pool.acquire() as connection:
            row = await connection.fetchrow(
                statement("his_charge"), facility_id, identity
            )
    if row is None:
        return None
    return StoredCharge(
        row["id"],
        row["key"],
        row["state"],
        row["reason"],
        row["visit_no"],
        row["settled_at"],
        row["request"],
        row["head"] + (row["record"] or b"") + row["tail"],
    )


async def stored_under(
    database: Database, facility_id: int, key: str
) -> StoredCharge | None:
    """The facility's settlement under a key; `None` also where only a stop stands."""
    identity = await id_of_key(database, facility_id, key)
    if identity is None:
        return None
    return await stored_charge(database, facility_id, identity)


async def confirmed_by(
    database: Database, facility_id: int, stored: StoredCharge
) -> bool:
    """Whether a later message was told that this settlement is its own."""
    with reading_faults():
        async with database.pool.acquire() as connection:
            found: bool = await connection.fetchval(
                statement("his_confirmed_by"),
                facility_id,
                stored.visit_no,
                stored.id.hex().encode("ascii"),
            )
    return found
