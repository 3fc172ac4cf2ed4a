"""Alerts and cases as staff see them, and the steps of working a case off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from settlement.store.statements import statement

if TYPE_CHECKING:
    from settlement.store.database import Session

_ALL = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSearch:
    """What to list; `None` does not narrow."""

    states: Sequence[str] | None = None
    case_id: bytes | None = None
    alert_id: bytes | None = None
    alert_ids: Sequence[bytes] | None = None
    """These alone; or `alert_id` for one."""
    detector: str | None = None
    case_state: str | None = None
    after: int = 0
    """Only alerts with a higher number: where the page before ended."""
    limit: int = _ALL


@dataclass(frozen=True, slots=True)
class ListedAlert:
    """One alert with its claims; holds tokens, no names. In the statement's order."""

    no: int
    id: bytes
    case_id: bytes | None
    case_state: str | None
    assignee: str | None
    detector: str
    score: int
    state: str
    person: bytes | None
    household: bytes | None
    facility: str | None
    operator: str | None
    facts: str
    latest: bytes
    rules: str
    raised_at: datetime
    changed_at: datetime
    settlement_ids: Sequence[bytes]
    visit_nos: Sequence[str]
    facilities: Sequence[str]
    aid_fen: int


@dataclass(frozen=True, slots=True)
class ListedCase:
    """One case. In the statement's order."""

    id: bytes
    person: bytes | None
    household: bytes | None
    facility: str | None
    state: str
    assignee: str | None
    score: int
    opened_at: datetime
    closed_at: datetime | None
    alerts: int
    detectors: Sequence[str]


@dataclass(frozen=True, slots=True)
class CaseClaim:
    """One claim of a case. In the statement's order."""

    id: bytes
    visit_no: str
    facility: str
    place: str
    person: bytes | None
    operator: str
    care_type: str
    service_start: date
    service_end: date
    occurred_at: datetime
    settled_at: datetime
    total_fen: int
    aid_fen: int
    state: bytes
    reason: str
    confirm_reason: str | None
    repeat_reason: str | None
    reversed_at: datetime | None
    recovery_ordered_at: datetime | None


class CaseEvent(NamedTuple):
    """One line of a case's history."""

    no: int
    at: datetime
    who: str
    action: str
    note: str


async def list_alerts(session: Session, search: AlertSearch) -> list[ListedAlert]:
    """Alerts in the order in which they were raised."""
    ids = search.alert_ids
    if search.alert_id is not None:
        ids = [search.alert_id]
    found = await session.fetch(
        statement("list_alerts"),
        None if search.states is None else list(search.states),
        search.case_id,
        None if ids is None else list(ids),
        search.detector,
        search.case_state,
        search.after,
        search.limit,
    )
    return [ListedAlert(*row.values()) for row in found]


async def list_cases(
    session: Session,
    states: Sequence[str] | None = None,
    case_id: bytes | None = None,
    limit: int = _ALL,
) -> list[ListedCase]:
    """Cases, the strongest first."""
    found = await session.fetch(
        statement("list_cases"),
        None if states is None else list(states),
        case_id,
        limit,
    )
    return [ListedCase(*row.values()) for row in found]


async def claims_of_case(session: Session, case_id: bytes) -> list[CaseClaim]:
    """The claims of a case's alerts, in the order of time."""
    found = await session.fetch(statement("case_claims"), case_id)
    return [CaseClaim(*row.values()) for row in found]


async def history_of_case(session: Session, case_id: bytes) -> list[CaseEvent]:
    """Who did what with a case, from its beginning."""
    found = await session.fetch(
        "SELECT no, at, who, action, note FROM alert_case_event"
        " WHERE case_id = $1 ORDER BY no",
        case_id,
    )
    return [CaseEvent(*row.values()) for row in found]


async def lock_case(session: Session, case_id: bytes) -> str | None:
    """The case's state, locked until the transaction ends; `None` for none such."""
    state: str | None = await session.fetchval(
        "SELECT state FROM alert_case WHERE id = $1 FOR UPDATE", case_id
    )
    return state


async def put_case_state(
    session: Session, case_id: bytes, state: str, *, closed_at: datetime | None
) -> None:
    """Move a case."""
    await session.execute(
        "UPDATE alert_case SET state = $2, closed_at = $3 WHERE id = $1",
        case_id,
        state,
        closed_at,
    )


async def put_assignee(session: Session, case_id: bytes, assignee: str) -> None:
    """Say who works on a case."""
    await session.execute(
        "UPDATE alert_case SET state = 'assigned', assignee = $2 WHERE id = $1",
        case_id,
        assignee,
    )


async def count_dismissals(
    session: Session, case_id: bytes, at: datetime, mute_after: int
) -> list[tuple[str, bytes]]:
    """Count a dismissal for each detector and subject of a case.

    Returns the pairs that are silent from now on.
    """
    found = await session.fetch(
        "INSERT INTO alert_mute AS m (subject, detector, dismissals, muted_at)"
        " SELECT DISTINCT a.subject, a.detector, 1, NULL::timestamptz"
        " FROM alert a WHERE a.case_id = $1 AND a.state = 'raised'"
        " ON CONFLICT (subject, detector) DO UPDATE SET dismissals = m.dismissals + 1,"
        " muted_at = CASE WHEN m.dismissals + 1 >= $3 THEN coalesce(m.muted_at, $2)"
        " END RETURNING subject, detector, muted_at",
        case_id,
        at,
        mute_after,
    )
    return [
        (row["detector"], row["subject"])
        for row in found
        if row["muted_at"] is not None
    ]


async def unmute(session: Session, detector: str, subject: bytes) -> bool:
    """Let a detector speak about a subject again; whether it was silent."""
    status = await session.execute(
        "DELETE FROM alert_mute WHERE detector = $1 AND subject = $2"
        " AND muted_at IS NOT NULL",
        detector,
        subject,
    )
    return status != "DELETE 0"


async def order_recoveries(
    session: Session,
    case_id: bytes,
    settlements: Sequence[bytes],
    at: datetime,
    by: str,
) -> list[tuple[bytes, int]]:
    """Ask aid back for settlements of a case that stand; id and aid of each.

    They are locked first, in the order of a batch that reverses: a reversal comes
    before, and then nothing is asked back, or after, and then the watch sees it.
    """
    await session.execute(
        "SELECT FROM settlement WHERE id = ANY($1::bytea[]) ORDER BY id FOR SHARE",
        list(settlements),
    )
    found = await session.fetch(
        "INSERT INTO aid_recovery (settlement_id, case_id, facility_id, aid_fen,"
        " ordered_at, ordered_by)"
        " SELECT DISTINCT s.id, $1::bytea, s.facility_id, s.aid_fen, $3::timestamptz,"
        " $4 FROM alert a JOIN alert_claim l ON l.alert_id = a.id"
        " JOIN settlement s ON s.id = l.settlement_id"
        " WHERE a.case_id = $1 AND s.id = ANY($2::bytea[]) AND s.state = 's'"
        " AND s.aid_fen > 0"
        " ON CONFLICT (settlement_id) DO NOTHING RETURNING settlement_id, aid_fen",
        case_id,
        list(settlements),
        at,
        by,
    )
    return [(row["settlement_id"], row["aid_fen"]) for row in found]
