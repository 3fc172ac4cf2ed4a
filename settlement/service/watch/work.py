"""Working alerts off: a case is assigned, confirmed or dismissed, and aid asked back.

Each step is one database transaction and one line of the case's history. What staff
dismiss twice about the same subject, a detector does not raise again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.domain.errors import RequestRefused
from settlement.store.alert_work import (
    AlertSearch,
    CaseClaim,
    CaseEvent,
    ListedAlert,
    ListedCase,
    claims_of_case,
    count_dismissals,
    history_of_case,
    list_alerts,
    list_cases,
    lock_case,
    order_recoveries,
    put_assignee,
    put_case_state,
)
from settlement.store.alerts import note_on_case

if TYPE_CHECKING:
    from settlement.store.database import Session

#: Dismissals of a detector about a subject after which it is silent.
MUTE_AFTER = 2
#: No case has this id.
NO_SUCH_CASE = "MA-4108"
#: The case is closed: it was confirmed, dismissed or recovered before.
CASE_CLOSED = "MA-4109"

__all__ = [
    "AlertSearch",
    "CaseClaim",
    "CaseEvent",
    "ListedAlert",
    "ListedCase",
    "OpenedCase",
    "assign",
    "confirm",
    "dismiss",
    "list_alerts",
    "list_cases",
    "open_case",
]

_OPEN = frozenset({"new", "assigned"})


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """A case with its alerts, its claims and its history."""

    case: ListedCase
    alerts: list[ListedAlert]
    claims: list[CaseClaim]
    history: list[CaseEvent]


async def open_case(session: Session, case_id: bytes) -> OpenedCase:
    """All that is known of a case, in tokens; raises `RequestRefused` MA-4108."""
    cases = await list_cases(session, case_id=case_id)
    if not cases:
        raise RequestRefused(NO_SUCH_CASE)
    return OpenedCase(
        cases[0],
        await list_alerts(session, AlertSearch(case_id=case_id)),
        await claims_of_case(session, case_id),
        await history_of_case(session, case_id),
    )


async def assign(
    session: Session, case_id: bytes, to: str, *, by: str, at: datetime, note: str
) -> None:
    """Say who works on a case; raises `RequestRefused` MA-4108 or MA-4109."""
    await _require_open(session, case_id)
    await put_assignee(session, case_id, to)
    await note_on_case(session, case_id, at, by, "assigned", f"{to} {note}".strip())


async def confirm(  # who, when, why, and what is asked back
    session: Session,
    case_id: bytes,
    *,
    by: str,
    at: datetime,
    note: str,
    recover: Sequence[bytes] = (),
) -> list[tuple[bytes, int]]:
    """It was misuse. Aid of `recover` is asked back; ids and fen of what that is.

    Raises `RequestRefused` MA-4108 or MA-4109.
    """
    await _require_open(session, case_id)
    await put_case_state(session, case_id, "confirmed", closed_at=at)
    await note_on_case(session, case_id, at, by, "confirmed", note)
    ordered = await order_recoveries(session, case_id, recover, at, by)
    for settlement, aid_fen in ordered:
        about = f"{settlement.hex()} {aid_fen}"
        await note_on_case(session, case_id, at, by, "recovery ordered", about)
    return ordered


async def dismiss(
    session: Session, case_id: bytes, *, by: str, at: datetime, note: str
) -> list[tuple[str, bytes]]:
    """It was honest. Returns detectors and subjects that are silent from now on.

    Raises `RequestRefused` MA-4108 or MA-4109.
    """
    await _require_open(session, case_id)
    silent = await count_dismissals(session, case_id, at, MUTE_AFTER)
    await put_case_state(session, case_id, "dismissed", closed_at=at)
    await note_on_case(session, case_id, at, by, "dismissed", note)
    for detector, _ in silent:
        await note_on_case(session, case_id, at, by, "muted", detector)
    return silent


async def _require_open(session: Session, case_id: bytes) -> None:
    state = await lock_case(session, case_id)
    if state is None:
        raise RequestRefused(NO_SUCH_CASE)
    if state not in _OPEN:
        raise RequestRefused(CASE_CLOSED)
