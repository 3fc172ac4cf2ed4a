"""Working differences off: who resolved which and why, and how a month stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from settlement.domain.calendar import month_name
from settlement.service.reconcile.closing import ledger_of, valid_officers
from settlement.service.reconcile.faults import MonthFault
from settlement.service.reconcile.months import (
    require_facility,
    require_opened,
    span_of,
)
from settlement.store import closing as store
from settlement.store.closing import FacilityRow, MatchRow
from settlement.store.differences import (
    DifferenceRow,
    EventRow,
    carried_into,
    change_state,
    differences,
    facility_of_difference,
    history,
    lock_difference,
    state_counts,
)
from settlement.store.hospital_lists import list_that_counts

if TYPE_CHECKING:
    from settlement.domain.statement import Figures
    from settlement.store.database import Database, Session
    from settlement.store.periods import OpenedMonth

_ID = re.compile(r"[0-9a-f]{32}")
NOTE_LENGTH_MAX = 500
#: The last one is of those that a later match did not find any more.
DIFFERENCE_STATES = ("open", "carried_over", "resolved", "gone")


@dataclass(frozen=True, slots=True)
class HospitalState:
    """How a hospital's month stands."""

    facility: FacilityRow
    state: str
    """`closed`, `ready`, `differences`, `no list` or `not matched`."""
    net: Figures
    differences: dict[str, int]
    """How many are in each state."""
    carried_in: int
    """How many of earlier months are carried over and not resolved yet."""
    matched: MatchRow | None
    has_list: bool
    officers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MonthState:
    """How a month stands, hospital by hospital."""

    cut: OpenedMonth
    hospitals: tuple[HospitalState, ...]

    @property
    def is_closed(self) -> bool:
        """Whether every hospital has closed it."""
        return all(each.state == "closed" for each in self.hospitals)


@dataclass(frozen=True, slots=True)
class Told:
    """A difference with its history."""

    row: DifferenceRow
    events: tuple[EventRow, ...]


async def month_state(
    database: Database, month: int, facility: int | None = None
) -> MonthState:
    """The month as it stands, of one hospital or of all; raises MA-4201."""
    async with (
        database.pool.acquire() as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        cut = await require_opened(session, month)
        span = span_of(cut)
        figures = await span.figures(session, facility)
        ids = [facility] if facility else await span.facilities(session)
        counts = await state_counts(session, month)
        carried = Counter(
            row.facility for row in await carried_into(session, month, facility)
        )
        hospitals = []
        for each in await store.facilities_of(session, ids):
            rows = [row for row in figures if row.facility_id == each.id]
            states = {
                state: count for (no, state), count in counts.items() if no == each.id
            }
            net = ledger_of(rows).net
            carried_in = carried[each.code]
            hospitals.append(
                await _hospital(session, month, each, net, states, carried_in)
            )
        return MonthState(cut, tuple(hospitals))


async def _hospital(
    session: Session,
    month: int,
    facility: FacilityRow,
    net: Figures,
    states: dict[str, int],
    carried_in: int,
) -> HospitalState:
    matched = await store.match_of(session, month, facility.id)
    listed = await list_that_counts(session, month, facility.id)
    closed = next(
        (
            row
            for row in await store.closed_months(session, month)
            if row.facility_id == facility.id
        ),
        None,
    )
    officers: tuple[str, ...] = ()
    if closed is not None:
        signed = await store.signatures_of(session, month, facility.id, closed.sha256)
        officers = tuple(valid_officers(closed.statement, signed))
    state = "closed"
    if closed is None:
        is_stale = listed is not None and (
            matched is None or matched.list_no != listed.no
        )
        if matched is None or is_stale:
            state = "not matched"
        elif states.get("open"):
            state = "differences"
        else:
            state = "ready" if listed is not None else "no list"
    return HospitalState(
        facility,
        state,
        net,
        states,
        carried_in,
        matched,
        listed is not None,
        officers,
    )


async def list_differences(
    database: Database,
    month: int,
    facility: int | None,
    *,
    states: Sequence[str] | None = None,
    after: bytes = b"",
    limit: int | None = None,
    ids: Sequence[bytes] | None = None,
) -> list[Told]:
    """The month's differences with their histories, in the order of their ids."""
    async with (
        database.pool.acquire() as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        await require_opened(session, month)
        rows = await differences(
            session,
            month,
            facility,
            states=states,
            after=after,
            limit=limit,
            ids=ids,
        )
        return await _told(session, rows)


async def list_carried_in(
    database: Database, month: int, facility: int | None
) -> list[Told]:
    """What earlier months have carried over and nobody has resolved, by their ids."""
    async with (
        database.pool.acquire() as session,
        session.transaction(isolation="repeatable_read", readonly=True),
    ):
        await require_opened(session, month)
        return await _told(session, await carried_into(session, month, facility))


async def _told(session: Session, rows: Sequence[DifferenceRow]) -> list[Told]:
    events: dict[bytes, list[EventRow]] = {}
    for event in await history(session, [row.id for row in rows]):
        events.setdefault(event.difference_id, []).append(event)
    return [Told(row, tuple(events.get(row.id, ()))) for row in rows]


async def resolve(
    database: Database,
    identity: str,
    *,
    by: str,
    note: str,
    carry_over: bool,
    names_somebody: Callable[[str], bool],
) -> DifferenceRow:
    """Resolve a difference, or carry it over into the next month, with the reason.

    `names_somebody` says whether a text holds a card or identity number. Raises
    `MonthFault`: MA-4205 for an id that is none, MA-4210 for a note that names
    somebody, MA-4214 for one that is empty or too long, MA-4211 for a difference that
    has gone or is resolved. A closed month's differences can still be resolved: its
    statement says how it stood then.
    """
    if _ID.fullmatch(identity) is None:
        raise MonthFault("MA-4205")
    if not note.strip() or len(note) > NOTE_LENGTH_MAX:
        raise MonthFault("MA-4214")
    if names_somebody(note):
        raise MonthFault("MA-4210")
    async with database.pool.acquire() as session, session.transaction():
        code = await facility_of_difference(session, bytes.fromhex(identity))
        if code is None:
            raise MonthFault("MA-4205", identity)
        facility = await require_facility(session, code)
        # In the order in which a match takes them.
        now = await store.lock_closing(session, facility.id)
        row = await lock_difference(session, bytes.fromhex(identity))
        if carry_over and await store.is_closed(session, row.month, facility.id):
            raise MonthFault("MA-4204", f"{row.facility} {month_name(row.month)}")
        if row.state in ("gone", "resolved"):
            raise MonthFault("MA-4211", identity)
        state = "carried_over" if carry_over else "resolved"
        await change_state(
            session,
            row.id,
            state,
            action="carried over" if carry_over else "resolved",
            at=now,
            by=by,
            note=note,
        )
        return row
