"""What the national reconciliation reads of settlements, and the files it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, cast

from settlement.domain.errors import RequestRefused
from settlement.store.errors import (
    BatchConflictError,
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)
from settlement.store.find import reading_faults
from settlement.store.statements import statement
from settlement.store.transaction import committed

if TYPE_CHECKING:
    from settlement.store.database import Connection, Database

_KEEPING = int.from_bytes(b"hisfiles")
_NOT_KEPT = (
    BatchConflictError,
    BatchRefusedError,
    CommitUnknownError,
    StoreUnavailableError,
)


@dataclass(frozen=True, slots=True)
class KindTotals:
    """Settlements of some days less what was undone on them; amounts in fen."""

    count: int
    medfee_fen: int
    fund_fen: int
    acct_fen: int


class DaysCharge(NamedTuple):
    """A settlement that some days have settled, undone or both."""

    id: bytes
    key: str
    visit_no: str
    total_fen: int
    aid_fen: int
    facts: str
    """JSON: the bill's national facts."""
    net: int
    """1 settled, -1 undone, 0 both within the days."""
    is_in_force: bool
    undone_by: bytes | None
    """Id of the reversal, whenever it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HisFile:
    """One row of `his_file`."""

    number: str
    kind: str
    filename: str
    digest: bytes
    """SHA-256 of the content, and of what it was made of."""
    sealed: bytes
    ends_at: datetime


async def kind_totals(
    database: Database,
    facility_id: int,
    days: tuple[bytes, bytes],
    facts_at: int,
    kind: tuple[str, str, str],
) -> KindTotals:
    """Of one (insutype, clr_type, clr_optins); `facts_at`: where a bill has its facts.

    `days` are bounds of ids (`settlement.service.ids.ids_of_days`).
    """
    with reading_faults():
        row = await database.pool.fetchrow(
            statement("his_totals"), *days, facility_id, facts_at, *kind
        )
    return KindTotals(*(0, 0, 0, 0) if row is None else row.values())


async def charges_of_days(
    database: Database,
    facility_id: int,
    days: tuple[bytes, bytes],
    facts_at: int,
    most: int,
) -> list[DaysCharge]:
    """Charges in the envelope that these days have touched, at most so many."""
    with reading_faults():
        rows = await database.pool.fetch(
            statement("his_days"), *days, facility_id, facts_at, most
        )
    return [DaysCharge(*row.values()) for row in rows]


async def add_file(
    database: Database,
    facility_id: int,
    made_by: str,
    file: HisFile,
    *,
    now: datetime,
    most: int,
) -> bool:
    """Keep a file, and forget those that are over.

    False where the message has made one before, or the facility holds `most` already,
    also when several come at once.
    """
    try:
        with reading_faults():
            async with (
                database.pool.acquire() as session,
                committed(cast("Connection", session)),
            ):
                # One of a facility's at a time: each counts what the last has left.
                await session.execute(
                    "SELECT pg_advisory_xact_lock($1 # $2::bigint)",
                    _KEEPING,
                    facility_id,
                )
                row = await session.fetchrow(
                    statement("his_add_file"),
                    file.number,
                    facility_id,
                    made_by,
                    file.kind,
                    file.filename,
                    file.digest,
                    file.sealed,
                    now,
                    file.ends_at,
                    most,
                )
    except _NOT_KEPT as fault:
        # Sent again under its msgid, it is kept, or found.
        raise RequestRefused("MA-5105", retry_after_s=2) from fault
    return row is not None


async def prune_files(database: Database, now: datetime) -> None:
    """Forget the files of every facility whose time is over."""
    with reading_faults():
        await database.pool.execute(statement("his_prune_files"), now)


async def held_file(
    database: Database,
    facility_id: int,
    now: datetime,
    *,
    number: str = "",
    made_by: str = "",
) -> HisFile | None:
    """The facility's own file with this number, or that this message has made."""
    with reading_faults():
        row = await database.pool.fetchrow(
            statement("his_file"), facility_id, now, number, made_by
        )
    if row is None:
        return None
    return HisFile(
        number=row["file_qury_no"],
        kind=row["kind"],
        filename=row["filename"],
        digest=row["digest"],
        sealed=row["sealed"],
        ends_at=row["ends_at"],
    )
