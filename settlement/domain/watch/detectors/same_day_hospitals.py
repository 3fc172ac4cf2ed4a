"""same-day-hospitals: one card at several hospitals on one day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History, first_diagnosis, is_near
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class SameDayHospitals(Detector):
    """Visits of one day at several hospitals.

    Guaranteed: every claim of a signal began on one day, at two hospitals or more,
    none of them a stay (a patient may be sent on and admitted). From `hospitals` on,
    all visits of the day are in the signal; below, only those that resemble one at
    another hospital: the same main diagnosis and amounts that differ by no more than
    `near_same` (the same amount where neither has one), or amounts of at least
    `near_from` that differ by no more than `near`. Who is sent on to a larger hospital
    has the same diagnosis and a larger bill. 15 points for each hospital above two, 10
    where a diagnosis is the same.

    Honest patients are at two hospitals on one day in 1.7 % of visits, so two alone
    prove nothing.
    """

    name: ClassVar = "same-day-hospitals"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("同日多家医疗机构", "Several hospitals on one day")

    hospitals: int
    near_same_ppm: int
    near_ppm: int
    near_from_fen: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> SameDayHospitals:
        """The numbers named above."""
        return cls(
            score=score,
            hospitals=numbers.count("hospitals", "家", at_least=2),
            near_same_ppm=numbers.percent("near_same"),
            near_ppm=numbers.percent("near"),
            near_from_fen=numbers.yuan("near_from"),
        )

    @property
    def reach(self) -> timedelta:
        """The day of the claim alone."""
        return timedelta(0)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where another hospital has a visit of the day."""
        for other in others:
            if (
                other.service_start == claim.service_start
                and other.facility != claim.facility
            ):
                return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """At most one signal for each day."""
        by_day: defaultdict[int, list[SeenClaim]] = defaultdict(list)
        for claim in history.visits():
            by_day[claim.service_start.toordinal()].append(claim)
        for visits in by_day.values():
            if len(visits) > 1:
                shown = self._shown(visits)
                if shown:
                    yield self._found(history, shown)

    def _shown(self, visits: list[SeenClaim]) -> list[SeenClaim]:
        if len({visit.facility for visit in visits}) >= self.hospitals:
            return visits
        alike: set[bytes] = set()
        for one, other in combinations(visits, 2):
            if one.facility != other.facility and self._resembles(one, other):
                alike |= {one.id, other.id}
        return [visit for visit in visits if visit.id in alike]

    def _resembles(self, one: SeenClaim, other: SeenClaim) -> bool:
        diagnosis = first_diagnosis(one)
        if diagnosis == first_diagnosis(other):
            # Without any, only the very same amount says as much.
            near_ppm = self.near_same_ppm if diagnosis else 0
            if is_near(one.total_fen, other.total_fen, near_ppm):
                return True
        return min(one.total_fen, other.total_fen) >= self.near_from_fen and is_near(
            one.total_fen, other.total_fen, self.near_ppm
        )

    def _found(self, history: History, visits: list[SeenClaim]) -> Signal:
        hospitals = len({visit.facility for visit in visits})
        diagnoses = [first_diagnosis(visit) for visit in visits]
        named = [diagnosis for diagnosis in diagnoses if diagnosis]
        same = len(named) > len(set(named))
        facts: Facts = {
            "day": visits[0].service_start.isoformat(),
            "hospitals": hospitals,
            "visits": len(visits),
            "same_diagnosis": int(same),
            "aid_fen": sum(visit.aid_fen for visit in visits),
        }
        added = 15 * (hospitals - 2) + 10 * same
        return self.signal(history.subject, visits, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """Day, hospitals, visits."""
        same = facts["same_diagnosis"]
        return Text(
            f"{facts['day']} 同一人在 {facts['hospitals']} 家医疗机构结算 "
            f"{facts['visits']} 次{'，诊断相同' if same else ''}。",
            f"On {facts['day']} one person settled {facts['visits']} visits at "
            f"{facts['hospitals']} hospitals{', same diagnosis' if same else ''}.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """That there is another, and nothing of it."""
        return Text(
            f"该患者 {facts['day']} 有多次相近的就诊，请核对本人和病情。",
            f"This patient has several like visits on {facts['day']}: "
            "check who it is and why.",
        )
