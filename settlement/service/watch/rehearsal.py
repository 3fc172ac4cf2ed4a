"""New alert rules over past months: what would change, and nothing is raised.

In one snapshot in which PostgreSQL refuses to write, subject by subject, so that memory
holds some hundreds of histories. What would be is compared with what is by the claims
they share, as the watch does it; and both with what staff said of closed cases.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from settlement.domain.month_range import MonthRange
from settlement.domain.watch.changes import StoredAlert, subject_digest
from settlement.domain.watch.detecting import find_outliers, find_signals, reach_days
from settlement.domain.watch.rules import AlertRules
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.service.watch.outliers import month_summaries
from settlement.service.watch.rehearsed import Judged, Looked, Rehearsal
from settlement.service.watch.storing import COMPARING
from settlement.store.peers import of_months, subjects_with
from settlement.store.rehearsing import (
    ActivePerson,
    active_households,
    active_operators,
    active_persons,
    alerts_about,
    codes_of_facilities,
    confirmed_cases,
    count_subjects,
    judged_claims,
    snapshot,
    undone_by_recovery,
)
from settlement.store.watching import (
    HouseholdSpan,
    OperatorSpan,
    PersonSpan,
    claims_of_households,
    claims_of_operators,
    claims_of_persons,
)

if TYPE_CHECKING:
    from settlement.store.database import Database, Session

Progress = Callable[[int, int], None]

#: A stay that began so long before the days that a detector asks for is seen, too.
LONGEST_STAY = timedelta(days=92)


async def rehearse(
    database: Database,
    rules: AlertRules,
    months: MonthRange,
    progress: Progress = lambda _done, _total: None,
) -> Rehearsal:
    """What the rules make of the months of record, whatever their own dates say.

    Claims that a recovery has undone are looked at as they stood when their case was
    confirmed. `progress`: subjects done, and all of them.
    """
    async with snapshot(database) as session:
        first, last = months.first, months.last
        total = await count_subjects(session, first, last)
        rehearsal = Rehearsal(
            rules,
            await codes_of_facilities(session),
            await confirmed_cases(session, first, last),
        )
        done = 0
        for source in (_persons, _operators, _households):
            async for looked in source(session, rules, months):
                await _compare(session, rehearsal, looked)
                done += len(looked)
                progress(done, total)
        await _compare(session, rehearsal, await _outliers(session, rules, months))
    return rehearsal


async def _persons(
    session: Session, rules: AlertRules, months: MonthRange
) -> AsyncIterator[list[Looked]]:
    kind = SubjectKind.PERSON
    reach = timedelta(days=reach_days(kind, rules))
    async for persons in active_persons(session, months.first, months.last):
        spans = [
            PersonSpan(p.token, p.since - reach - LONGEST_STAY, p.until + reach)
            for p in persons
        ]
        history = await claims_of_persons(session, spans)
        yield await _look_at_tokens(session, rules, kind, persons, history)


async def _operators(
    session: Session, rules: AlertRules, months: MonthRange
) -> AsyncIterator[list[Looked]]:
    kind = SubjectKind.OPERATOR
    reach = timedelta(days=reach_days(kind, rules))
    async for operators in active_operators(session, months.first, months.last):
        looked = []
        for each in operators:
            desk = (each.facility, each.operator)
            span = OperatorSpan(*desk, each.since - reach, each.until + reach)
            history = await claims_of_operators(session, [span])
            subject = Subject(kind, facility=each.facility, operator=each.operator)
            claims = history.get(desk, [])
            one = await _look(session, rules, subject, claims, each.inside)
            looked.append(replace(one, by_latest=True))
        yield looked


async def _households(
    session: Session, rules: AlertRules, months: MonthRange
) -> AsyncIterator[list[Looked]]:
    kind = SubjectKind.HOUSEHOLD
    reach = timedelta(days=reach_days(kind, rules))
    async for households in active_households(session, months.first, months.last):
        spans = [
            HouseholdSpan(each.token, each.since - reach, each.until + reach)
            for each in households
        ]
        history = await claims_of_households(session, spans)
        yield await _look_at_tokens(session, rules, kind, households, history)


async def _look_at_tokens(
    session: Session,
    rules: AlertRules,
    kind: SubjectKind,
    active: Sequence[ActivePerson],
    history: Mapping[bytes, list[SeenClaim]],
) -> list[Looked]:
    """Persons or households, each with what it claimed."""
    return [
        await _look(
            session,
            rules,
            Subject(kind, token=each.token),
            history.get(each.token, []),
            each.inside,
        )
        for each in active
    ]


async def _look(
    session: Session,
    rules: AlertRules,
    subject: Subject,
    claims: list[SeenClaim],
    inside: frozenset[bytes],
) -> Looked:
    undone = [each.id for each in claims if each.reversed_at is not None]
    if undone:
        asked_back = await undone_by_recovery(session, undone)
        claims = [_as_it_stood(each, asked_back) for each in claims]
    return Looked(
        subject,
        find_signals(subject.kind, claims, rules),
        inside,
        frozenset(each.id for each in claims),
    )


def _as_it_stood(claim: SeenClaim, asked_back: Collection[bytes]) -> SeenClaim:
    if claim.id not in asked_back:
        return claim
    return claim._replace(reversed_at=None, reversal_reason=None)


async def _outliers(
    session: Session, rules: AlertRules, months: MonthRange
) -> list[Looked]:
    """Hospitals and operators far outside their peers in one of the months."""
    found: dict[Subject, list[Signal]] = {}
    for month in months.months():
        summaries = await month_summaries(session, rules, month)
        for signal in find_outliers(summaries, rules):
            found.setdefault(signal.subject, []).append(signal)
    about = await subjects_with(session, COMPARING, months.first, months.last)
    looked = []
    for subject in sorted({*found, *about}, key=repr):
        signals = found.get(subject, [])
        held = await _stored(session, [subject], is_comparison=True)
        claims = frozenset[bytes]().union(
            *(signal.claims for signal in signals), *(alert.claims for alert in held)
        )
        inside = await of_months(session, claims, months.first, months.last)
        looked.append(Looked(subject, signals, inside, inside, is_comparison=True))
    return looked


async def _compare(
    session: Session, rehearsal: Rehearsal, looked: Sequence[Looked]
) -> None:
    for is_comparison in (False, True):
        some = [each for each in looked if each.is_comparison == is_comparison]
        subjects = [each.subject for each in some]
        stored = await _stored(session, subjects, is_comparison=is_comparison)
        claims = {id_ for alert in stored for id_ in alert.claims}
        claims |= {id_ for e in some for signal in e.signals for id_ in signal.claims}
        judged = Judged(await judged_claims(session, claims) if claims else [])
        for each in some:
            digest = subject_digest(each.subject)
            own = [alert for alert in stored if alert.subject == digest]
            rehearsal.compare(each, own, judged)


async def _stored(
    session: Session, subjects: Sequence[Subject], *, is_comparison: bool
) -> list[StoredAlert]:
    about = [subject_digest(each) for each in subjects]
    return [
        alert
        for alert in await alerts_about(session, about)
        if (alert.detector in COMPARING) == is_comparison
    ]
