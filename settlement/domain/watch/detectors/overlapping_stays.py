"""overlapping-stays: one person in two hospital beds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import (
    INPATIENT,
    History,
    content_of,
    first_diagnosis,
    is_near,
)
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import united


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlappingStays(Detector):
    """Stays of one person that share at least `nights` nights.

    Guaranteed: every stay of a signal overlaps another of it by so many nights; a
    transfer, where one ends on the day the other begins, is none. At one hospital
    only stays alike count, with the same main diagnosis or amounts that differ by no
    more than `near`: hospitals bill a long stay in parts. What is equal in all
    amounts and days is an exact repeat and not told twice. 20 points where hospitals
    differ, 2 for each night shared, at most 20.
    """

    name: ClassVar = "overlapping-stays"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("住院时间重叠", "Overlapping stays")

    nights: int
    near_ppm: int
    longest_days: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> OverlappingStays:
        """`nights`, `near`, `longest`."""
        return cls(
            score=score,
            nights=numbers.count("nights", "晚"),
            near_ppm=numbers.percent("near"),
            longest_days=numbers.days("longest"),
        )

    @property
    def reach(self) -> timedelta:
        """A longest stay."""
        return timedelta(days=self.longest_days)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only beside another stay that shares a night."""
        if claim.care_type != INPATIENT:
            return False
        for other in others:
            if other.care_type == INPATIENT and _shared(claim, other) > 0:
                return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """One signal for each run of overlapping stays."""
        stays = history.stays()
        if len(stays) <= 1:
            return
        pairs = [pair for pair in combinations(stays, 2) if self._overlap(*pair)]
        for claims in united(pairs):
            hospitals = len({stay.facility for stay in claims})
            nights = max(_shared(*pair) for pair in combinations(claims, 2))
            facts: Facts = {
                "stays": len(claims),
                "hospitals": hospitals,
                "nights": nights,
                "from": claims[0].service_start.isoformat(),
                "to": max(stay.service_end for stay in claims).isoformat(),
                "aid_fen": sum(stay.aid_fen for stay in claims),
            }
            added = 20 * (hospitals > 1) + min(20, 2 * nights)
            yield self.signal(history.subject, claims, added, facts)

    def _overlap(self, one: SeenClaim, other: SeenClaim) -> bool:
        if _shared(one, other) < self.nights:
            return False
        starts = abs(one.service_start.toordinal() - other.service_start.toordinal())
        if starts > self.longest_days:
            return False
        if one.facility != other.facility:
            return True
        if content_of(one) == content_of(other):
            return False
        diagnosis = first_diagnosis(one)
        return (bool(diagnosis) and diagnosis == first_diagnosis(other)) or is_near(
            one.total_fen, other.total_fen, self.near_ppm
        )

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How many stays, hospitals and nights."""
        return Text(
            f"{facts['from']} 至 {facts['to']} 有 {facts['stays']} 次住院互相重叠"
            f"（最多 {facts['nights']} 晚），涉及 {facts['hospitals']} 家医疗机构。",
            f"{facts['stays']} stays from {facts['from']} to {facts['to']} overlap by "
            f"up to {facts['nights']} nights, at {facts['hospitals']} hospitals.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """That there is another stay; neither where nor when."""
        del facts
        return Text(
            "该患者的住院时间与另一次住院重叠，请核对本人和住院日期。",
            "This stay overlaps another stay of this patient: "
            "check who it is and the days.",
        )


def _shared(one: SeenClaim, other: SeenClaim) -> int:
    """Nights that both stays hold; 0 or less where there are none."""
    end = min(one.service_end, other.service_end).toordinal()
    return end - max(one.service_start, other.service_start).toordinal()
