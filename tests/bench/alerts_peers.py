"""Hospitals and operators in counts, window by window, as the watcher sums them up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from settlement.domain.watch.detectors.outliers import Outlier
from settlement.domain.watch.peers import PeerSummary
from settlement.domain.watch.rules import AlertRules
from settlement.domain.watch.seen import SeenClaim, by_time
from settlement.domain.watch.signal import SubjectKind

_Desk = tuple[int, str | None]


def windows(
    claims: Iterable[SeenClaim], rules: AlertRules
) -> Iterator[list[PeerSummary]]:
    """Summaries of all hospitals, or of all operators, of one window after another."""
    counted = sorted((c for c in claims if rules.reading.counts(c)), key=by_time)
    for kind in (SubjectKind.FACILITY, SubjectKind.OPERATOR):
        for detector in rules.active(kind):
            if isinstance(detector, Outlier):
                yield from _of(kind, counted, detector)


def _of(
    kind: SubjectKind, claims: Sequence[SeenClaim], detector: Outlier
) -> Iterator[list[PeerSummary]]:
    repeats = _repeats(claims, detector.repeat_days)
    groups: defaultdict[int, defaultdict[_Desk, list[SeenClaim]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for claim in claims:
        window = claim.service_start.toordinal() // detector.window_days
        operator = claim.operator if kind is SubjectKind.OPERATOR else None
        groups[window][claim.facility, operator].append(claim)
    for _, desks in sorted(groups.items()):
        yield [_summary(kind, desk, own, repeats) for desk, own in desks.items()]


def _summary(
    kind: SubjectKind, desk: _Desk, claims: Sequence[SeenClaim], repeats: set[bytes]
) -> PeerSummary:
    again = tuple(claim.id for claim in claims if claim.id in repeats)
    at_cap = tuple(claim.id for claim in claims if _is_at_cap(claim))
    return PeerSummary(
        kind=kind,
        facility=desk[0],
        operator=desk[1],
        claims=len(claims),
        persons=len({claim.person for claim in claims}),
        repeats=len(again),
        at_cap=len(at_cap),
        repeat_claims=again,
        at_cap_claims=at_cap,
    )


def _repeats(claims: Sequence[SeenClaim], within_days: int) -> set[bytes]:
    """Claims of persons seen at the same hospital within some days before."""
    seen: defaultdict[tuple[int, bytes | None], list[SeenClaim]] = defaultdict(list)
    for claim in claims:
        if claim.person is not None:
            seen[claim.facility, claim.person].append(claim)
    return {
        again.id
        for visits in seen.values()
        for before, again in pairwise(visits)
        if (again.service_start - before.service_start).days <= within_days
    }


def _is_at_cap(claim: SeenClaim) -> bool:
    cap, used = claim.cap_fen, claim.used_fen
    return cap is not None and used is not None and used >= cap
