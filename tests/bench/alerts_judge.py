"""How right alerts are, against what was planted.

A planted visit is found when an alert lists it, whichever detector raised it. An alert
is true when it lists a planted visit. The stricter measure asks of each visit that an
alert lists whether it was planted or belongs to the planted pattern.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tests.bench.alerts_kinds import Planted

_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Alert:
    """What a detector lists: visit ids."""

    detector: str
    visits: frozenset[str]


@dataclass(frozen=True, slots=True)
class Part:
    """So many of so many."""

    some: int
    of: int

    @property
    def share(self) -> float:
        """Between 0 and 1; of nothing it is 1."""
        return self.some / self.of if self.of else 1.0


@dataclass(slots=True)
class Verdict:
    """What became of one field."""

    recall: dict[str, Part] = field(default_factory=dict)
    """Planted visits found, by kind."""
    variants: dict[tuple[str, str], Part] = field(default_factory=dict)
    own: dict[str, Part] = field(default_factory=dict)
    """Planted visits that the detector of their own kind found."""
    precision: dict[str, Part] = field(default_factory=dict)
    """True alerts, by detector."""
    strict: Part = Part(0, 0)
    """Visits listed that were planted or belong to the planted pattern."""

    @property
    def recall_overall(self) -> Part:
        """Planted visits found."""
        return _sum(self.recall.values())

    @property
    def precision_overall(self) -> Part:
        """True alerts."""
        return _sum(self.precision.values())


def _sum(parts: Iterable[Part]) -> Part:
    parts = list(parts)
    return Part(sum(part.some for part in parts), sum(part.of for part in parts))


def judge(
    alerts: Sequence[Alert], planted: Sequence[Planted], known: Collection[str]
) -> Verdict:
    """Hold the alerts against the labels; `known` are the visits that were settled.

    A planted visit that was refused, or whose person is on no roster, is not counted.
    """
    listed_by: defaultdict[str, set[str]] = defaultdict(set)
    for alert in alerts:
        for visit in alert.visits:
            listed_by[visit].add(alert.detector)
    verdict = Verdict()
    for piece in planted:
        ids = [one.visit_id for one in piece.visits if one.visit_id in known]
        found = sum(1 for one in ids if listed_by.get(one))
        own = sum(1 for one in ids if piece.kind in listed_by.get(one, ()))
        _add(verdict.recall, piece.kind, found, len(ids))
        _add(verdict.own, piece.kind, own, len(ids))
        _add(verdict.variants, (piece.kind, piece.variant), found, len(ids))
    patterns = _Patterns(planted)
    for alert in alerts:
        belongs = patterns.touched_by(alert)
        _add(verdict.precision, alert.detector, 1 if belongs else 0, 1)
        right = len(alert.visits & belongs)
        verdict.strict = _sum([verdict.strict, Part(right, len(alert.visits))])
    return verdict


def _add(parts: dict[_Key, Part], key: _Key, some: int, of: int) -> None:
    parts[key] = _sum([parts.get(key, Part(0, 0)), Part(some, of)])


class _Patterns:
    """Which visits belong together with each planted one."""

    def __init__(self, planted: Sequence[Planted]) -> None:
        self._with: defaultdict[str, set[str]] = defaultdict(set)
        for piece in planted:
            ids = {visit.visit_id for visit in piece.visits}
            for one in ids:
                self._with[one] |= ids | set(piece.context)

    def touched_by(self, alert: Alert) -> set[str]:
        """All that belongs to planted visits that the alert lists."""
        belongs: set[str] = set()
        for visit in alert.visits:
            belongs |= self._with.get(visit, set())
        return belongs


def alerts_in(document: object, known: Collection[str]) -> list[Alert]:
    """The alerts of `medaid alerts list --json`: which visits each of them lists.

    Whatever the names of the members: a visit number anywhere in an alert is listed.
    """
    alerts = document
    if isinstance(document, dict):
        alerts = next(each for each in document.values() if isinstance(each, list))
    assert isinstance(alerts, list)
    return [
        Alert(str(alert["detector"]), frozenset(_texts(alert)) & frozenset(known))
        for alert in alerts
    ]


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for each in node.values():
            yield from _texts(each)
    elif isinstance(node, list):
        for each in node:
            yield from _texts(each)


def missed(
    alerts: Sequence[Alert], planted: Sequence[Planted], known: Collection[str]
) -> list[tuple[Planted, str]]:
    """The planted visits that no alert lists, each with its piece: to tune by."""
    listed = {visit for alert in alerts for visit in alert.visits}
    return [
        (piece, one.visit_id)
        for piece in planted
        for one in piece.visits
        if one.visit_id in known and one.visit_id not in listed
    ]


def false_by_detector(
    alerts: Sequence[Alert], planted: Sequence[Planted]
) -> Counter[str]:
    """How many alerts of each detector list nothing planted."""
    bad = {visit.visit_id for piece in planted for visit in piece.visits}
    return Counter(alert.detector for alert in alerts if not alert.visits & bad)
