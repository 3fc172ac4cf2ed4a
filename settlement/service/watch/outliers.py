"""Hospitals and operators far outside their peers, month by month.

What one claim cannot show and a month of all of them does; so it is looked for once a
night, not on each claim. Safe to run again: the same month gives the same alerts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from settlement.domain.calendar import days_of_month, shanghai_day
from settlement.domain.watch.changes import subject_digest
from settlement.domain.watch.detecting import find_outliers
from settlement.domain.watch.detector import MOST_LISTED
from settlement.domain.watch.detectors.outliers import Outlier
from settlement.domain.watch.peers import PeerSummary
from settlement.domain.watch.rules import AlertRules
from settlement.domain.watch.signal import Signal, Subject, SubjectKind
from settlement.service.watch.shelf import RulesShelf
from settlement.service.watch.storing import COMPARING, Found, store
from settlement.store.peers import of_months, peers_of_month, subjects_with
from settlement.store.rehearsing import alerts_about
from settlement.store.watching import wait_for_cursor

if TYPE_CHECKING:
    from settlement.store.database import Session

_KINDS = (SubjectKind.FACILITY, SubjectKind.OPERATOR)


async def look_for_outliers(
    session: Session, shelf: RulesShelf, month: int, now: datetime
) -> int:
    """Store what lies far outside its peers in a month of record; how many changed.

    By the rules in force on the month's last day, or today within it. Call it inside a
    database transaction; it waits for whoever watches meanwhile.
    """
    day = min(days_of_month(month)[1], shanghai_day(now))
    in_use = shelf.in_force(day, now)
    if in_use is None:
        return 0
    found: defaultdict[Subject, list[Signal]] = defaultdict(list)
    summaries = await month_summaries(session, in_use.rules, month)
    for signal in find_outliers(summaries, in_use.rules):
        found[signal.subject].append(signal)
    # Not before: no alert waits while a month is added up.
    await wait_for_cursor(session)
    # Also those who have alerts of the month, and nothing that counts any more.
    about = {*found, *await subjects_with(session, COMPARING, month, month)}
    known = await _known(session, about, month)
    looked = [
        _found(subject, found[subject], known, in_use.no)
        for subject in sorted(about, key=repr)
    ]
    return await store(session, looked, now)


def _found(
    subject: Subject,
    signals: list[Signal],
    known: Mapping[bytes, frozenset[bytes]],
    rules_no: int,
) -> Found:
    claims = known.get(subject_digest(subject), frozenset())
    listed = claims.union(*(signal.claims for signal in signals))
    return Found(subject, signals, listed, listed, rules_no, is_comparison=True)


async def month_summaries(
    session: Session, rules: AlertRules, month: int
) -> list[PeerSummary]:
    """What each hospital and operator settled in a month, as these rules count."""
    found: list[PeerSummary] = []
    for kind in _KINDS:
        for detector in rules.active(kind):
            if isinstance(detector, Outlier):
                found += await peers_of_month(
                    session,
                    kind,
                    month,
                    repeat_days=detector.repeat_days,
                    counted_declines=rules.reading.counted_declines,
                    most_listed=MOST_LISTED,
                )
    return found


async def _known(
    session: Session, about: Iterable[Subject], month: int
) -> dict[bytes, frozenset[bytes]]:
    """By subject, the claims of this month that its stored outlier alerts list.

    An alert lists claims of one month, so one of another month stays as it is.
    """
    digests = sorted(subject_digest(subject) for subject in about)
    held = [
        alert
        for alert in await alerts_about(session, digests)
        if alert.detector in COMPARING
    ]
    claims = frozenset[bytes]().union(*(alert.claims for alert in held))
    inside = await of_months(session, claims, month, month)
    known: dict[bytes, frozenset[bytes]] = {}
    for alert in held:
        before = known.get(alert.subject, frozenset())
        known[alert.subject] = before | (alert.claims & inside)
    return known
