"""How a roster file that came by HTTP stands, for whoever asks on whichever machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.domain.errors import unreachable
from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a version of the roster."""

    is_taken: bool
    """In force or followed by newer ones; then it has the next eight fields."""
    kind: str | None
    as_of: datetime | None
    rows: int | None
    rows_refused: int | None
    persons_changed: int | None
    windows_upserted: int | None
    windows_ended: int | None
    imported_at: datetime | None
    state: str | None
    """`importing`, `refused` or `failed`; `None` where it did not come by HTTP."""
    step: str | None
    done: int | None
    total: int | None
    outcome: bytes | None
    """JSON: why it was refused."""
    has_refused_rows: bool


class Deliveries:
    """The table of deliveries. Every call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        """Nothing is read yet."""
        self._pool = database.pool

    async def claim(self, version: int, attempt: bytes) -> bool:
        """Become the one who takes a file in; `False` where another one does."""
        async with self._pool.acquire() as session, session.transaction():
            await session.execute(statement("delivery_claim_lock"))
            tag = await session.execute(statement("delivery_claim"), version, attempt)
            return tag == "INSERT 0 1"

    async def tell(
        self, version: int, attempt: bytes, step: str, done: int, total: int
    ) -> None:
        """Say how far it is, and that we live."""
        await self._pool.execute(
            statement("delivery_tell"), version, attempt, step, done, total
        )

    async def end(
        self,
        version: int,
        attempt: bytes,
        state: str,
        outcome: bytes | None = None,
        refused: bytes | None = None,
    ) -> None:
        """Say how it ended; nothing where the attempt is not under way any more."""
        await self._pool.execute(
            statement("delivery_end"), version, attempt, state, outcome, refused
        )

    async def is_under_way(self) -> bool:
        """Whether a file that came by HTTP is being taken in."""
        found: bool = await self._pool.fetchval(statement("delivery_under_way"))
        return found

    async def find(self, version: int) -> Delivery:
        """What became of a version."""
        row = await self._pool.fetchrow(statement("delivery_find"), version)
        if row is None:
            unreachable("the asked version is a row by itself")
        return Delivery(**dict(row.items()))

    async def refused(self, version: int) -> bytes | None:
        """The rows refused of a version that came by HTTP, as CSV."""
        found: bytes | None = await self._pool.fetchval(
            statement("delivery_refused"), version
        )
        return found
