"""during-stay: an outpatient bill of somebody who lies in hospital."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import INPATIENT, History
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class DuringStay(Detector):
    """Visits on a day inside a stay, apart from its first and last.

    Guaranteed: a signal holds one stay of at most `longest` days and every visit of
    one day inside it; a visit on the day of admission or discharge is none, neither
    is a bill over several days, of which nobody knows on which of them care was
    given. The latest visit completes it, for it is the visit that is doubtful, not
    the stay. 15 points where it was at another hospital, 5 for each visit above one.
    """

    name: ClassVar = "during-stay"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("住院期间门诊结算", "Outpatient bill during a stay")

    longest_days: int
    """Longer stays have leave and specialists elsewhere."""

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> DuringStay:
        """`longest`: how many days a stay may have."""
        return cls(score=score, longest_days=numbers.days("longest"))

    @property
    def reach(self) -> timedelta:
        """A longest stay."""
        return timedelta(days=self.longest_days)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where a stay and a visit lie one in the other."""
        if claim.care_type == INPATIENT:
            for other in others:
                if other.care_type != INPATIENT and self._is_during(other, claim):
                    return True
            return False
        for other in others:
            if other.care_type == INPATIENT and self._is_during(claim, other):
                return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """One signal for each stay with visits inside."""
        stays = history.stays()
        if not stays:
            return
        visits = history.visits()
        for stay in stays:
            inside = [visit for visit in visits if self._is_during(visit, stay)]
            if inside:
                elsewhere = sum(visit.facility != stay.facility for visit in inside)
                facts: Facts = {
                    "visits": len(inside),
                    "from": stay.service_start.isoformat(),
                    "to": stay.service_end.isoformat(),
                    "elsewhere": elsewhere,
                    "day": inside[-1].service_start.isoformat(),
                    "aid_fen": sum(visit.aid_fen for visit in inside),
                }
                added = 15 * (elsewhere > 0) + 5 * (len(inside) - 1)
                yield self.signal(
                    history.subject, [stay, *inside], added, facts, latest=inside[-1]
                )

    def _is_during(self, visit: SeenClaim, stay: SeenClaim) -> bool:
        day = visit.service_start
        if not stay.service_start < day < stay.service_end:
            return False
        length = stay.service_end.toordinal() - stay.service_start.toordinal()
        return visit.service_end == day and length <= self.longest_days

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """The stay's days and the visits inside."""
        return Text(
            f"{facts['from']} 至 {facts['to']} 住院期间另有 {facts['visits']} 次门诊"
            f"结算（其中 {facts['elsewhere']} 次在其他医疗机构）。",
            f"{facts['visits']} outpatient bills during a stay from {facts['from']} to "
            f"{facts['to']} ({facts['elsewhere']} of them at another hospital).",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """That there is a stay; neither where nor when."""
        del facts
        return Text(
            "该患者的门诊与住院时间重叠，请核对本人和就诊日期。",
            "An outpatient bill of this patient lies within a stay in hospital: "
            "check who it is and the days.",
        )
