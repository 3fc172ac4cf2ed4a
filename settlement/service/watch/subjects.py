"""Whose claims are looked at, how far around what is new, and what is found in them.

What is new bears on signals of claims so near to it, and those rest on claims as near
again. So a subject's are read within twice that distance around what is new, what is
found within once the distance is exact, and nothing else is touched. Where a signal
stretches so far that there might be more of it, more is read.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from settlement.domain.calendar import shanghai_day
from settlement.domain.watch.detecting import find_signals
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.service.watch.shelf import RulesInUse, RulesShelf
from settlement.service.watch.storing import Found
from settlement.store.watching import (
    HouseholdSpan,
    NewClaim,
    OperatorSpan,
    PersonSpan,
    claims_of_households,
    claims_of_operators,
    claims_of_persons,
    households_of,
)

if TYPE_CHECKING:
    from settlement.store.database import Session

#: A stay that began so long before the days that a detector asks for is seen, too.
LONGEST_STAY = timedelta(days=92)
#: So often more is read of a subject; each time twice as far.
_WIDEN_AT_MOST = 8

#: Of a subject with so many claims no more is read: a kiosk never pauses.
_MOST_READ = {
    SubjectKind.PERSON: 1_000,
    SubjectKind.HOUSEHOLD: 1_000,
    SubjectKind.OPERATOR: 200,
}

_log = logging.getLogger(__name__)

_Fetch = Callable[[list["_Wanted"]], Awaitable[Mapping[Any, list[SeenClaim]]]]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A subject of which something is new, and between when its claims are wanted."""

    key: Hashable
    subject: Subject
    rules: RulesInUse
    first: datetime
    """When the earliest of what is new began; of days, their beginning."""
    last: datetime
    margin: timedelta
    """How far around those claims are read."""
    news: frozenset[bytes] = field(default=frozenset())

    @property
    def near(self) -> timedelta:
        """How far around what is new signals may have changed."""
        return _near(self.subject.kind, self.rules)

    @property
    def since(self) -> datetime:
        return self.first - self.margin

    @property
    def until(self) -> datetime:
        return self.last + self.margin

    def nearby(self, claims: Iterable[SeenClaim]) -> set[bytes]:
        """Claims of which signals may say something else by what is new."""
        first, last = self.first - self.near, self.last + self.near
        if self.subject.kind is SubjectKind.OPERATOR:
            return {c.id for c in claims if first <= c.occurred_at <= last}
        since, until = first.date(), last.date()
        return {
            c.id for c in claims if c.service_end >= since and c.service_start <= until
        }


async def find(
    session: Session, shelf: RulesShelf, claims: Collection[NewClaim]
) -> tuple[list[Found], dict[str, set[bytes]]]:
    """What the detectors say around new claims, one `Found` for each subject.

    Then, by the kind of the fault, the new claims of subjects over which a detector
    has raised: those are left out.
    """
    found: list[Found] = []
    faults: dict[str, set[bytes]] = defaultdict(set)
    for wanted, fetch in (
        (_persons(shelf, claims), partial(_fetch_persons, session)),
        (_operators(shelf, claims), partial(_fetch_operators, session)),
        (
            await _households(session, shelf, claims),
            partial(_fetch_households, session),
        ),
    ):
        found += await _find(wanted, fetch, faults)
    return found, faults


def _near(kind: SubjectKind, rules: RulesInUse) -> timedelta:
    """An operator's reach is four windows of minutes, of which one bears on others."""
    reach = rules.reach[kind]
    return reach / 4 if kind is SubjectKind.OPERATOR else reach


def _rules(shelf: RulesShelf, claims: Iterable[NewClaim]) -> RulesInUse | None:
    """A subject's rules: those in force when the last of what is new was decided."""
    at = max(claim.decided_at for claim in claims)
    return shelf.in_force(shanghai_day(at), at)


def _persons(shelf: RulesShelf, claims: Iterable[NewClaim]) -> list[_Wanted]:
    by_person: dict[bytes, list[NewClaim]] = defaultdict(list)
    for claim in claims:
        if claim.person is not None:
            by_person[claim.person].append(claim)
    return [
        wanted
        for person, news in by_person.items()
        if (
            wanted := _wanted_days(
                shelf, person, Subject(SubjectKind.PERSON, token=person), news
            )
        )
    ]


async def _households(
    session: Session, shelf: RulesShelf, claims: Iterable[NewClaim]
) -> list[_Wanted]:
    by_person: dict[bytes, list[NewClaim]] = defaultdict(list)
    for claim in claims:
        if claim.person is not None:
            by_person[claim.person].append(claim)
    by_household: dict[bytes, list[NewClaim]] = defaultdict(list)
    for person, household in await households_of(session, list(by_person)):
        by_household[household] += by_person[person]
    return [
        wanted
        for household, news in by_household.items()
        if (
            wanted := _wanted_days(
                shelf, household, Subject(SubjectKind.HOUSEHOLD, token=household), news
            )
        )
    ]


def _wanted_days(
    shelf: RulesShelf, key: bytes, subject: Subject, news: list[NewClaim]
) -> _Wanted | None:
    rules = _rules(shelf, news)
    if rules is None:
        return None
    return _Wanted(
        key,
        subject,
        rules,
        _midnight(min(claim.service_start for claim in news)),
        _midnight(max(claim.service_end for claim in news)),
        2 * _near(subject.kind, rules),
        frozenset(claim.id for claim in news),
    )


def _operators(shelf: RulesShelf, claims: Iterable[NewClaim]) -> list[_Wanted]:
    by_desk: dict[tuple[int, str], list[NewClaim]] = defaultdict(list)
    for claim in claims:
        by_desk[claim.facility, claim.operator].append(claim)
    made = []
    for (facility, operator), news in by_desk.items():
        rules = _rules(shelf, news)
        if rules is not None:
            made.append(
                _Wanted(
                    (facility, operator),
                    Subject(SubjectKind.OPERATOR, facility=facility, operator=operator),
                    rules,
                    min(claim.occurred_at for claim in news),
                    max(claim.occurred_at for claim in news),
                    2 * _near(SubjectKind.OPERATOR, rules),
                    frozenset(claim.id for claim in news),
                )
            )
    return made


async def _fetch_persons(
    session: Session, wanted: list[_Wanted]
) -> Mapping[Any, list[SeenClaim]]:
    return await claims_of_persons(
        session,
        [
            PersonSpan(
                each.subject.token or b"",
                (each.since - LONGEST_STAY).date(),
                each.until.date(),
            )
            for each in wanted
        ],
    )


async def _fetch_operators(
    session: Session, wanted: list[_Wanted]
) -> Mapping[Any, list[SeenClaim]]:
    return await claims_of_operators(
        session,
        [
            OperatorSpan(
                each.subject.facility or 0,
                each.subject.operator or "",
                each.since,
                each.until,
            )
            for each in wanted
        ],
    )


async def _fetch_households(
    session: Session, wanted: list[_Wanted]
) -> Mapping[Any, list[SeenClaim]]:
    return await claims_of_households(
        session,
        [
            HouseholdSpan(
                each.subject.token or b"",
                (each.since - LONGEST_STAY).date(),
                each.until.date(),
            )
            for each in wanted
        ],
    )


async def _find(
    wanted: list[_Wanted], fetch: _Fetch, faults: dict[str, set[bytes]]
) -> list[Found]:
    """What is found in each; what is wanted again is read wider."""
    found = []
    for attempt in range(_WIDEN_AT_MOST + 1):
        if not wanted:
            break
        history = await fetch(wanted)
        wider = []
        for each in wanted:
            claims = history.get(each.key, [])
            try:
                signals = find_signals(each.subject.kind, claims, each.rules.rules)
            except Exception as fault:  # noqa: BLE001  # told below
                # Whatever it is, the others are looked at.
                _log.error("alerts.detector_failed", exc_info=fault)
                faults[type(fault).__name__] |= each.news
                continue
            near = each.nearby(claims)
            signals = [s for s in signals if not near.isdisjoint(s.claims)]
            may_widen = attempt < _WIDEN_AT_MOST and (
                len(claims) < _MOST_READ[each.subject.kind]
            )
            if may_widen and _reaches_beyond(each, claims, signals):
                wider.append(replace(each, margin=2 * each.margin))
            else:
                looked_at = frozenset(claim.id for claim in claims)
                found.append(
                    Found(
                        each.subject,
                        signals,
                        looked_at,
                        frozenset(near) | each.news,
                        each.rules.no,
                    )
                )
        wanted = wider
    return found


def _reaches_beyond(
    wanted: _Wanted, claims: Iterable[SeenClaim], signals: Iterable[Signal]
) -> bool:
    """Whether there might be more of a signal than was read."""
    listed = {identity for signal in signals for identity in signal.claims}
    if not listed or not wanted.near:
        return False
    extents = [
        _extent(wanted.subject.kind, claim) for claim in claims if claim.id in listed
    ]
    return (
        min(began for began, _ in extents) - wanted.near < wanted.since
        or max(ended for _, ended in extents) + wanted.near > wanted.until
    )


def _extent(kind: SubjectKind, claim: SeenClaim) -> tuple[datetime, datetime]:
    if kind is SubjectKind.OPERATOR:
        return claim.occurred_at, claim.occurred_at
    return _midnight(claim.service_start), _midnight(claim.service_end)


def _midnight(day: date) -> datetime:
    """Days as instants, so that they are compared and moved in one way."""
    return datetime.combine(day, time(), UTC)
