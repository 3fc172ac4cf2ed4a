"""Months that hospitals have closed: what was compared, what officers signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from settlement.store.database import Session

_CLOSING = int.from_bytes(b"closing!") >> 1


@dataclass(frozen=True, slots=True)
class MatchRow:
    """The latest match of a hospital's month."""

    matched_at: datetime
    matched_by: str
    list_no: int | None
    list_sha256: str | None
    with_bureau: bool
    tally: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SignatureRow:
    """An officer's signature over a statement, with the key it claims to be of."""

    party_id: int
    officer: str
    role: str
    key_id: str
    public_key: bytes | None
    revoked_at: datetime | None
    signature: bytes
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class ClosedRow:
    """A hospital's closed month."""

    facility_id: int
    facility: str
    name: str
    statement: bytes
    sha256: str
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class FacilityRow:
    """A hospital as the books know it."""

    id: int
    code: str
    name: str


async def lock_closing(session: Session, facility: int) -> datetime:
    """Let one change of a hospital's months go on at a time; the database's clock."""
    await session.execute(
        "SELECT pg_advisory_xact_lock($1 # $2::bigint)", _CLOSING, facility
    )
    now: datetime = await session.fetchval("SELECT clock_timestamp()")
    return now


async def facility_of(session: Session, code: str) -> FacilityRow | None:
    """A hospital by its code."""
    row = await session.fetchrow(
        "SELECT id, code, name FROM party WHERE code = $1 AND role = 'facility'", code
    )
    return None if row is None else FacilityRow(*row.values())


async def facilities_of(session: Session, ids: list[int]) -> list[FacilityRow]:
    """Hospitals by their numbers, by code."""
    rows = await session.fetch(
        "SELECT id, code, name FROM party WHERE id = ANY ($1) ORDER BY code", ids
    )
    return [FacilityRow(*row.values()) for row in rows]


async def keep_match(
    session: Session,
    month: int,
    facility: int,
    *,
    at: datetime,
    by: str,
    list_no: int | None,
    with_bureau: bool,
    tally: dict[str, Any],
) -> None:
    """Keep what the latest match has compared.

    What the records say of an opened month never changes: once they were compared, a
    later match without them takes nothing of that back.
    """
    await session.execute(
        "INSERT INTO month_match VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (month, facility_id) DO UPDATE SET"
        " matched_at = excluded.matched_at, matched_by = excluded.matched_by,"
        " list_no = excluded.list_no,"
        " with_bureau = month_match.with_bureau OR excluded.with_bureau,"
        " tally = excluded.tally",
        month,
        facility,
        at,
        by,
        list_no,
        with_bureau,
        orjson.dumps(tally).decode(),
    )


async def match_of(session: Session, month: int, facility: int) -> MatchRow | None:
    """The latest match."""
    row = await session.fetchrow(
        "SELECT m.matched_at, m.matched_by, m.list_no, l.sha256 AS list_sha256,"
        " m.with_bureau,"
        " m.tally FROM month_match m LEFT JOIN hospital_list l ON l.no = m.list_no"
        " WHERE m.month = $1 AND m.facility_id = $2",
        month,
        facility,
    )
    if row is None:
        return None
    return MatchRow(**dict(row) | {"tally": orjson.loads(row["tally"])})


async def add_signature(
    session: Session,
    month: int,
    facility: int,
    *,
    sha256: str,
    party_id: int,
    key_id: str,
    signature: bytes,
    at: datetime,
) -> None:
    """Keep an officer's signature; the same officer's second one changes nothing."""
    await session.execute(
        "INSERT INTO statement_signature VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT DO NOTHING",
        month,
        facility,
        party_id,
        sha256,
        key_id,
        signature,
        at,
    )


async def signatures_of(
    session: Session, month: int, facility: int, sha256: str
) -> list[SignatureRow]:
    """Who has signed the statement with this hash, in order."""
    rows = await session.fetch(
        "SELECT s.party_id, p.code, p.role, s.key_id, k.public_key, k.revoked_at,"
        " s.signature, s.signed_at FROM statement_signature s"
        " JOIN party p ON p.id = s.party_id JOIN party_key k USING (key_id)"
        " WHERE s.month = $1 AND s.facility_id = $2 AND s.sha256 = $3"
        " AND k.party_id = s.party_id ORDER BY s.signed_at, s.party_id",
        month,
        facility,
        sha256,
    )
    return [SignatureRow(*row.values()) for row in rows]


async def close_month(
    session: Session,
    month: int,
    facility: int,
    *,
    statement: bytes,
    sha256: str,
    at: datetime,
) -> None:
    """Close it: from here on nothing of it changes."""
    await session.execute(
        "INSERT INTO closed_month VALUES ($1, $2, $3, $4, $5)",
        month,
        facility,
        statement,
        sha256,
        at,
    )


async def is_closed(session: Session, month: int, facility: int) -> bool:
    """Whether the hospital's month is closed."""
    found: bool = await session.fetchval(
        "SELECT EXISTS (SELECT FROM closed_month"
        " WHERE month = $1 AND facility_id = $2)",
        month,
        facility,
    )
    return found


async def closed_months(session: Session, month: int) -> list[ClosedRow]:
    """The hospitals that have closed the month, by code."""
    rows = await session.fetch(
        "SELECT c.facility_id, p.code, p.name, c.statement, c.sha256, c.closed_at"
        " FROM closed_month c JOIN party p ON p.id = c.facility_id"
        " WHERE c.month = $1 ORDER BY p.code",
        month,
    )
    return [ClosedRow(*row.values()) for row in rows]
