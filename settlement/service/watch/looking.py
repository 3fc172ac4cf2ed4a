"""One look of the watch: what is new, what the detectors say, what changes.

All within one database transaction that holds the cursor's row. Stopping anywhere
before COMMIT leaves nothing behind, and the next look begins where this one began: no
alert is lost, and none is raised twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from settlement.domain.calendar import shanghai_day
from settlement.domain.watch.detecting import find_signals, reach_days
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.service.watch.shelf import RulesInUse, RulesShelf
from settlement.service.watch.storing import Found, store
from settlement.store.watching import (
    NewClaim,
    OperatorSpan,
    PersonSpan,
    claims_of_households,
    claims_of_operators,
    claims_of_persons,
    lock_cursor,
    move_cursor,
    read_news,
    wait_for_cursor,
)

if TYPE_CHECKING:
    from settlement.store.database import Session

#: Leaves and declines of one look: some tens of milliseconds of work.
AT_ONCE = 500
#: A stay that began so long before the days that a detector asks for is seen, too.
_LONGEST_STAY_DAYS = 92


class Looked(NamedTuple):
    """What one look did."""

    claims: int
    changes: int
    is_idle: bool = False
    """Nothing was new."""


async def look(
    session: Session, shelf: RulesShelf, now: datetime, *, wait: bool = False
) -> Looked | None:
    """Look at what is new; `None` while somebody else watches, unless told to wait.

    Call it inside a database transaction.
    """
    cursor = await (wait_for_cursor if wait else lock_cursor)(session)
    if cursor is None:
        return None
    news = await read_news(session, cursor, AT_ONCE)
    if news.cursor == cursor:
        return Looked(0, 0, is_idle=True)
    changed = 0
    for rules, claims in _by_rules(shelf, news.claims):
        changed += await _look_at(session, rules, claims, now)
    await move_cursor(session, news.cursor)
    return Looked(len(news.claims), changed)


def _by_rules(
    shelf: RulesShelf, claims: Iterable[NewClaim]
) -> list[tuple[RulesInUse, list[NewClaim]]]:
    """Each claim by the rules in force when it was settled."""
    groups: dict[int, tuple[RulesInUse, list[NewClaim]]] = {}
    for claim in claims:
        rules = shelf.in_force(shanghai_day(claim.settled_at), claim.settled_at)
        if rules is not None:
            groups.setdefault(rules.no, (rules, []))[1].append(claim)
    return list(groups.values())


async def _look_at(
    session: Session, rules: RulesInUse, claims: list[NewClaim], now: datetime
) -> int:
    found = [
        *await _persons(session, rules, claims),
        *await _operators(session, rules, claims),
        *await _households(session, rules, claims),
    ]
    return await store(session, found, rules.no, now)


async def _persons(
    session: Session, rules: RulesInUse, claims: list[NewClaim]
) -> list[Found]:
    reach = timedelta(days=reach_days(SubjectKind.PERSON, rules.rules))
    spans: dict[bytes, PersonSpan] = {}
    for claim in claims:
        if claim.person is None:
            continue
        since = claim.service_start - reach - timedelta(days=_LONGEST_STAY_DAYS)
        until = claim.service_end + reach
        held = spans.get(claim.person)
        if held is not None:
            since, until = min(since, held.since), max(until, held.until)
        spans[claim.person] = PersonSpan(claim.person, since, until)
    history = await claims_of_persons(session, list(spans.values()))
    return [
        _found(Subject(SubjectKind.PERSON, token=person), history[person], rules)
        for person in spans
        if person in history
    ]


async def _operators(
    session: Session, rules: RulesInUse, claims: list[NewClaim]
) -> list[Found]:
    reach = timedelta(days=reach_days(SubjectKind.OPERATOR, rules.rules))
    spans: dict[tuple[int, str], OperatorSpan] = {}
    for claim in claims:
        desk = (claim.facility, claim.operator)
        since, until = claim.occurred_at - reach, claim.occurred_at + reach
        held = spans.get(desk)
        if held is not None:
            since, until = min(since, held.since), max(until, held.until)
        spans[desk] = OperatorSpan(*desk, since, until)
    history = await claims_of_operators(session, list(spans.values()))
    return [
        _found(
            Subject(SubjectKind.OPERATOR, facility=desk[0], operator=desk[1]),
            history[desk],
            rules,
        )
        for desk in spans
        if desk in history
    ]


async def _households(
    session: Session, rules: RulesInUse, claims: list[NewClaim]
) -> list[Found]:
    persons = sorted({claim.person for claim in claims if claim.person is not None})
    if not persons:
        return []
    reach = timedelta(days=reach_days(SubjectKind.HOUSEHOLD, rules.rules))
    history = await claims_of_households(
        session,
        persons,
        min(claim.service_start for claim in claims) - reach,
        max(claim.service_end for claim in claims) + reach,
    )
    return [
        _found(Subject(SubjectKind.HOUSEHOLD, token=household), members, rules)
        for household, members in sorted(history.items())
    ]


def _found(subject: Subject, claims: list[SeenClaim], rules: RulesInUse) -> Found:
    signals: list[Signal] = find_signals(subject.kind, claims, rules.rules)
    return Found(subject, signals, frozenset(claim.id for claim in claims))
