"""too-frequent: more visits in a day, week or month than an illness explains."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from settlement.domain.bill import CareType
from settlement.domain.decision import Text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History, first_diagnosis
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import Distinct, day_of, patterns, united

_CARES = {care.value: care.value for care in CareType}


@dataclass(frozen=True, slots=True)
class Limit:
    """How many visits of some kinds of care are too many within so many days."""

    care: frozenset[str]
    within_days: int
    visits: int
    per_course: int
    """How many visits of one course of treatment (same hospital, same main diagnosis)
    count: dialysis three times a week is one course."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFrequent(Detector):
    """Windows that slide from visit to visit hold too many visits.

    Guaranteed: every claim of a signal lies in a window of at most `within` days that
    holds at least `visits`, those of one course counted `per_course` times at most.
    Windows that share a claim, of whatever limit, are one signal. 5 points for each
    visit above the limit.
    """

    name: ClassVar = "too-frequent"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("就诊过于频繁", "Visits too frequent")

    limits: tuple[Limit, ...]

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> TooFrequent:
        """`limits`: a table of `care`, `within`, `visits`, `per_course`."""
        limits = tuple(
            Limit(
                care=frozenset(row.words("care", _CARES)),
                within_days=max(1, row.days("within")),
                visits=row.count("visits", "次", at_least=2),
                per_course=row.count("per_course", "次"),
            )
            for row in numbers.rows("limits")
        )
        return cls(score=score, limits=limits)

    @property
    def reach(self) -> timedelta:
        """Twice the longest window, so that one pattern is seen as a whole."""
        longest = max((limit.within_days for limit in self.limits), default=1)
        return timedelta(days=2 * longest)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where there are as many claims within a window around it."""
        count = len(others) + 1
        for limit in self.limits:
            if count >= limit.visits:
                day = day_of(claim)
                near = [o for o in others if abs(day_of(o) - day) < limit.within_days]
                if len(near) + 1 >= limit.visits:
                    return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """Patterns of all limits, those that share claims put together."""
        found = []
        for limit in self.limits:
            claims = [c for c in history.counted if c.care_type in limit.care]
            if len(claims) >= limit.visits:
                tally = Distinct(limit.visits, _course, limit.per_course)
                runs = patterns(claims, day_of, limit.within_days, tally)
                found += [(limit, run) for run in runs]
        for claims in united(run for _, run in found):
            ids = {claim.id for claim in claims}
            limit = next(limit for limit, run in found if run[0].id in ids)
            most = _most_within(claims, limit)
            facts: Facts = {
                "visits": len(claims),
                "from": claims[0].service_start.isoformat(),
                "to": claims[-1].service_start.isoformat(),
                "days": limit.within_days,
                "most": most,
                "limit": limit.visits,
                "hospitals": len({claim.facility for claim in claims}),
            }
            added = 5 * max(0, most - limit.visits)
            yield self.signal(history.subject, claims, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How many, in how many days, at how many hospitals."""
        return Text(
            f"{facts['from']} 至 {facts['to']} 就诊 {facts['visits']} 次，"
            f"{facts['days']} 天内最多 {facts['most']} 次，"
            f"涉及 {facts['hospitals']} 家医疗机构。",
            f"{facts['visits']} visits from {facts['from']} to {facts['to']}, up to "
            f"{facts['most']} within {facts['days']} days, at "
            f"{facts['hospitals']} hospitals.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """That it is often; neither where nor when."""
        return Text(
            f"该患者 {facts['days']} 天内就诊次数较多，请核对本人和病情。",
            f"This patient has many visits within {facts['days']} days: "
            "check who it is and why.",
        )


def _course(claim: SeenClaim) -> tuple[int, str]:
    return (claim.facility, first_diagnosis(claim))


def _most_within(claims: Sequence[SeenClaim], limit: Limit) -> int:
    """The most visits of the limit's care in one of its windows."""
    days = sorted(day_of(claim) for claim in claims if claim.care_type in limit.care)
    return max(
        bisect_left(days, day + limit.within_days) - first
        for first, day in enumerate(days)
    )
