"""From claims to signals, by the rules of one document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from settlement.domain.watch.detectors.outliers import Outlier
from settlement.domain.watch.history import History
from settlement.domain.watch.peers import PeerSummary
from settlement.domain.watch.rules import AlertRules
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, Subject, SubjectKind

_DAY = timedelta(days=1)
#: Of more claims it is as quick to look at all of them together.
_FEW = 2


def find_signals(
    kind: SubjectKind, claims: Iterable[SeenClaim], rules: AlertRules
) -> list[Signal]:
    """What the detectors about such a subject find in all claims of one.

    The claims are of one subject, in any order, undone and declined ones included;
    the same claims in another order give the same list. Detectors that are off find
    nothing.
    """
    claims = list(claims)
    if not claims:
        return []
    if kind is SubjectKind.PERSON and _is_nothing(claims, rules):
        return []
    history = History.of(_subject(kind, claims[0]), claims, rules.reading)
    found = [
        signal for detector in rules.active(kind) for signal in detector.find(history)
    ]
    return sorted(found, key=_order)


def signals_about(
    claim: SeenClaim, history: Sequence[SeenClaim], rules: AlertRules
) -> list[Signal]:
    """The signals about the person that hold the claim: what the desk must know.

    `history` are the person's other claims within reach. Equal to those of
    `find_signals` that hold the claim, but quick where there are none.
    """
    found: list[Signal] = []
    whole: History | None = None
    for detector in rules.at_desk:
        if detector.could(claim, history):
            if whole is None:
                subject = _subject(SubjectKind.PERSON, claim)
                whole = History.of(subject, [*history, claim], rules.reading)
            found += [s for s in detector.find(whole) if claim.id in s.claims]
    return sorted(found, key=_order)


def _is_nothing(claims: Sequence[SeenClaim], rules: AlertRules) -> bool:
    """Quick, for most persons: whether none of few claims can be in any signal."""
    if len(claims) > _FEW:
        return False
    for position, claim in enumerate(claims):
        others = [*claims[:position], *claims[position + 1 :]]
        if any(detector.could(claim, others) for detector in rules.at_desk):
            return False
    return True


def reach_of(kind: SubjectKind, rules: AlertRules) -> timedelta:
    """How far before and behind a claim the others of its signals may lie."""
    return max((d.reach for d in rules.active(kind)), default=timedelta(0))


def reach_days(kind: SubjectKind, rules: AlertRules) -> int:
    """The same in whole days, rounded up."""
    return -(-reach_of(kind, rules) // _DAY)


def find_outliers(summaries: Sequence[PeerSummary], rules: AlertRules) -> list[Signal]:
    """Hospitals and operators of one window that lie far above their peers.

    Hospitals are compared with hospitals, operators with operators.
    """
    found = [
        signal
        for kind in (SubjectKind.FACILITY, SubjectKind.OPERATOR)
        for detector in rules.active(kind)
        if isinstance(detector, Outlier)
        for signal in detector.outliers([s for s in summaries if s.kind is kind])
    ]
    return sorted(found, key=_order)


def _subject(kind: SubjectKind, claim: SeenClaim) -> Subject:
    if kind is SubjectKind.PERSON:
        return Subject(kind, token=claim.person)
    if kind is SubjectKind.HOUSEHOLD:
        return Subject(kind, token=claim.household)
    operator = claim.operator if kind is SubjectKind.OPERATOR else None
    return Subject(kind, facility=claim.facility, operator=operator)


def _order(signal: Signal) -> tuple[str, int, str, tuple[bytes, ...]]:
    subject = signal.subject
    return (
        signal.detector,
        subject.facility or 0,
        subject.operator or "",
        signal.claims,
    )
