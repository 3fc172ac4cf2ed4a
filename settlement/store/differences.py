"""Differences between the sides, their states, and who did what with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

import orjson

from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session

#: By side; each side's `total_fen` and `aid_fen`, or nothing.
SideAmounts = Mapping[str, Mapping[str, int] | None]


#: In the order of `DifferenceRow`.
_SELECT = (
    "SELECT d.id, d.month, p.code, d.kind, d.owner, d.repair, d.settlement_id,"
    " d.reversal_id, d.listed_id, d.visit_no, d.key, d.lines, d.amounts,"
    " d.actual_day, d.state"
    " FROM difference d JOIN party p ON p.id = d.facility_id"
)


class FoundRow(NamedTuple):
    """A difference as a match has found it, in the order of the table `found`."""

    id: bytes
    kind: str
    owner: str
    repair: str
    settlement_id: bytes | None
    reversal_id: bytes | None
    listed_id: str
    visit_no: str
    key: str
    lines: tuple[int, ...]
    amounts: str
    """`SideAmounts` as JSON."""
    actual_day: date | None


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A difference as it stands."""

    id: bytes
    month: int
    facility: str
    kind: str
    owner: str
    repair: str
    settlement_id: bytes | None
    reversal_id: bytes | None
    listed_id: str
    visit_no: str
    key: str
    lines: list[int]
    amounts: SideAmounts
    actual_day: date | None
    state: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """One thing that somebody did with a difference."""

    difference_id: bytes
    no: int
    at: datetime
    who: str
    action: str
    note: str


async def begin_found(session: Session) -> None:
    """Make the table of what a match finds; it ends with the transaction."""
    await session.execute("DROP TABLE IF EXISTS pg_temp.found")
    await session.execute(
        "CREATE TEMPORARY TABLE found (id bytea PRIMARY KEY, kind text, owner text,"
        " repair text, settlement_id bytea, reversal_id bytea, listed_id text,"
        " visit_no text, key text, lines integer[], amounts jsonb, actual_day date)"
        " ON COMMIT DROP"
    )


async def add_found(session: Session, rows: Iterable[FoundRow]) -> None:
    """Add what was found."""
    await session.copy_records_to_table(
        "found", records=rows, columns=list(FoundRow._fields)
    )


async def keep_found(
    session: Session,
    month: int,
    facility: int,
    at: datetime,
    by: str,
    *,
    not_sought: Iterable[str],
) -> None:
    """Bring what stands in line with what was found, with its history.

    `not_sought`: kinds that this match could not find; none of them has gone.
    """
    await session.execute("ANALYZE found")
    await session.execute(
        statement("differences_gone"), month, facility, at, by, list(not_sought)
    )
    await session.execute(statement("differences_found"), month, facility, at, by)


async def kinds_found(session: Session) -> dict[str, int]:
    """How many differences of each kind were found in this transaction."""
    rows = await session.fetch("SELECT kind, count(*) FROM found GROUP BY 1 ORDER BY 1")
    return {row["kind"]: row["count"] for row in rows}


async def ids_found(session: Session, limit: int) -> list[bytes]:
    """The first of what was found in this transaction, in the order of their ids."""
    rows = await session.fetch("SELECT id FROM found ORDER BY id LIMIT $1", limit)
    return [row["id"] for row in rows]


async def differences(
    session: Session,
    month: int,
    facility: int | None,
    *,
    states: Iterable[str] | None = None,
    after: bytes = b"",
    limit: int | None = None,
    ids: Iterable[bytes] | None = None,
) -> list[DifferenceRow]:
    """The month's differences in the order of their ids, beginning behind `after`.

    With `ids` these alone.
    """
    rows = await session.fetch(
        f"{_SELECT}"
        " WHERE d.month = $1 AND ($2::integer IS NULL OR d.facility_id = $2)"
        " AND ($3::text[] IS NULL OR d.state = ANY ($3)) AND d.id > $4"
        " AND ($6::bytea[] IS NULL OR d.id = ANY ($6))"
        " ORDER BY d.id LIMIT $5",
        month,
        facility,
        None if states is None else list(states),
        after,
        limit,
        None if ids is None else list(ids),
    )
    return [_row(*row.values()) for row in rows]


async def carried_into(
    session: Session, month: int, facility: int | None
) -> list[DifferenceRow]:
    """Differences of earlier months, carried over and not resolved, by their ids."""
    rows = await session.fetch(
        f"{_SELECT} WHERE d.month < $1 AND d.state = 'carried_over'"
        " AND ($2::integer IS NULL OR d.facility_id = $2) ORDER BY d.id",
        month,
        facility,
    )
    return [_row(*row.values()) for row in rows]


async def facility_of_difference(session: Session, identity: bytes) -> str | None:
    """The code of the hospital that a difference is about."""
    code: str | None = await session.fetchval(
        "SELECT p.code FROM difference d JOIN party p ON p.id = d.facility_id"
        " WHERE d.id = $1",
        identity,
    )
    return code


async def lock_difference(session: Session, identity: bytes) -> DifferenceRow:
    """One difference that is there, locked until the transaction ends."""
    row = await session.fetchrow(
        f"{_SELECT} WHERE d.id = $1 FOR UPDATE OF d",
        identity,
    )
    if row is None:
        raise LookupError("a difference never goes away")
    return _row(*row.values())


def _row(*values: object) -> DifferenceRow:
    names = DifferenceRow.__slots__
    named = dict(zip(names, values, strict=True))
    named["amounts"] = orjson.loads(str(named["amounts"]))
    return DifferenceRow(**named)  # type: ignore[arg-type]  # columns as selected


async def change_state(
    session: Session,
    identity: bytes,
    state: str,
    *,
    action: str,
    at: datetime,
    by: str,
    note: str,
) -> None:
    """Put a difference into another state, with who did it and why."""
    await session.execute(
        "UPDATE difference SET state = $2 WHERE id = $1", identity, state
    )
    await session.execute(
        "INSERT INTO difference_event SELECT $1, count(*) + 1, $2, $3, $4, $5"
        " FROM difference_event WHERE difference_id = $1",
        identity,
        at,
        by,
        action,
        note,
    )


async def history(session: Session, ids: Iterable[bytes]) -> list[EventRow]:
    """What was done with these differences, in order."""
    rows = await session.fetch(
        "SELECT * FROM difference_event WHERE difference_id = ANY ($1)"
        " ORDER BY difference_id, no",
        list(ids),
    )
    return [EventRow(*row.values()) for row in rows]


async def state_counts(session: Session, month: int) -> dict[tuple[int, str], int]:
    """How many differences of each facility are in each state."""
    rows = await session.fetch(
        "SELECT facility_id, state, count(*) FROM difference WHERE month = $1"
        " GROUP BY 1, 2",
        month,
    )
    return {(row["facility_id"], row["state"]): row["count"] for row in rows}
