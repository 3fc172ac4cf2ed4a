"""Read what a month package holds, piece by piece, and keep the package's manifest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

_LEAVES, _ENTRIES = 10_000, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """A leaf with its record and the settlement behind it; a tombstone has none."""

    log_index: int
    id: bytes
    record: bytes
    facility: str
    is_reversal: bool
    settlement_id: bytes | None
    at: datetime
    original_index: int | None
    original_record: bytes | None
    policy_id: str | None
    policy_version: str | None
    policy_sha256: str | None
    category: str
    subdistrict: str
    care_type: str
    service_start: date
    service_end: date
    total_fen: int
    funds_fen: int
    base_fen: int
    aid_fen: int
    tilt_fen: int
    patient_pays_fen: int
    request: bytes
    sandbox: bool

    @property
    def is_tombstone(self) -> bool:
        """Whether no money stands behind it."""
        return self.is_reversal and self.settlement_id is None


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """What the books know of a facility besides its name."""

    level: int
    subdistrict: str


@dataclass(frozen=True, slots=True)
class KeptPackage:
    """A package that was made before."""

    statement: bytes
    manifest: str


async def leaves(
    database: Database, begin: int, end: int
) -> AsyncIterator[tuple[int, int]]:
    """Index and month of each leaf of a stretch of the log, in order."""
    while begin < end:
        async with database.pool.acquire() as connection:
            rows = await connection.fetch(
                statement("packaging_leaves"), begin, end, _LEAVES
            )
        for index, month in rows:
            yield index, month
        if len(rows) < _LEAVES:
            return
        begin = rows[-1]["log_index"] + 1


async def earlier_indexes(
    session: Session, month: int, below: int, *, is_later: bool
) -> list[int]:
    """Indexes below a cut of entries of the month, or of all later ones."""
    rows = await session.fetch(statement("packaging_earlier"), month, is_later, below)
    return [row["log_index"] for row in rows]


async def entries(
    database: Database, indexes: Sequence[int]
) -> AsyncIterator[EntryRow]:
    """The leaves at these indexes, in order."""
    for start in range(0, len(indexes), _ENTRIES):
        async with database.pool.acquire() as connection:
            rows = await connection.fetch(
                statement("packaging_entries"), indexes[start : start + _ENTRIES]
            )
        for row in rows:
            yield EntryRow(**row)


async def places_of(session: Session, ids: Sequence[int]) -> dict[int, PlaceRow]:
    """Level and sub-district of facilities, by their numbers."""
    rows = await session.fetch(
        "SELECT id, level, subdistrict FROM party WHERE id = ANY ($1)", ids
    )
    return {row["id"]: PlaceRow(row["level"], row["subdistrict"]) for row in rows}


async def policy_document(session: Session, sha256: str) -> bytes | None:
    """A policy document's exact bytes."""
    document: bytes | None = await session.fetchval(
        "SELECT document FROM policy_pack WHERE sha256 = $1", sha256
    )
    return document


async def kept_package(session: Session, month: int) -> KeptPackage | None:
    """The month's package, if one was made."""
    row = await session.fetchrow(
        "SELECT statement, manifest FROM month_package WHERE month = $1", month
    )
    return None if row is None else KeptPackage(*row.values())


async def keep_package(
    session: Session, month: int, package: KeptPackage, made_at: datetime
) -> KeptPackage:
    """Keep the month's first package; what is kept then, this one or an earlier."""
    async with session.transaction():
        await session.execute(
            "INSERT INTO month_package VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            month,
            package.statement,
            package.manifest,
            made_at,
        )
        kept = await kept_package(session, month)
    if kept is None:
        raise RuntimeError("a package that was kept is gone")
    return kept
