"""What settling and quoting share: find the person, the pack and what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from settlement.domain.bill import Bill, BillFault, bill_faults
from settlement.domain.calendar import shanghai_day
from settlement.domain.decision import Adjudication, Text
from settlement.domain.eligibility import RosterPerson, RosterVersion
from settlement.domain.errors import RequestRefused
from settlement.service.outcome import Alert, Outcome
from settlement.service.ports import EligibilitySource, InstalledPack, PolicyBook


@dataclass(frozen=True, slots=True)
class Asked:
    """A sound bill with the person and the pack that it falls under."""

    person: RosterPerson | None
    roster: RosterVersion | None
    pack: InstalledPack
    categories: Sequence[str]
    is_stale: bool = False
    """Whether the answer is marked as of a stale roster."""


def check_bill(bill: Bill, settled_at: datetime) -> None:
    """Raise `RequestRefused` naming every field that cannot be."""
    faults = bill_faults(bill, today=shanghai_day(settled_at))
    if faults:
        raise RequestRefused(faults[0].reason, faults=faults)


def ask(
    cache: EligibilitySource, book: PolicyBook, bill: Bill, settled_at: datetime
) -> Asked:
    """Person from the cache, pack from the book; no database.

    Raises `RequestRefused`: MA-2104 when eligibility cannot be told, MA-5106 when
    no pack is in force, MA-1102 naming fields that the pack's rules rest on.
    """
    person, can_tell = cache.person_of_card(bill.card)
    if not can_tell:
        raise RequestRefused("MA-2104", retry_after_s=5)
    pack = book.in_force(bill, settled_at)
    needed = pack.pack.fields_needed(bill)
    if needed:
        faults = tuple(BillFault(name, "MA-1120") for name in needed)
        raise RequestRefused("MA-1102", faults=faults)
    categories = (
        [window.category for window in pack.pack.identity_windows(person, bill)]
        if person
        else []
    )
    return Asked(person, cache.roster_version(), pack, categories)


def outcome_of(
    asked: Asked,
    result: Adjudication,
    settled_at: datetime,
    alerts: tuple[Alert, ...] = (),
) -> Outcome:
    """A decision that nothing was written for."""
    pack = asked.pack.pack
    return Outcome(
        settlement_id=None,
        settled_at=settled_at,
        adjudication=result,
        policy=pack.ref,
        category_text=(
            Text(*pack.category_text(result.category)) if result.category else None
        ),
        roster=asked.roster,
        roster_is_stale=asked.is_stale,
        alerts=alerts,
    )
