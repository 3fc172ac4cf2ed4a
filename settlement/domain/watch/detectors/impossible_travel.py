"""impossible-travel: two places within minutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import united


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpossibleTravel(Detector):
    """Visits in different sub-districts whose bills were made within minutes.

    Guaranteed: every claim of a signal was made within `minutes` of another of it in
    another sub-district; both minutes and both places are known, and neither is a
    stay, whose bill may be made when the patient has left. There is no table of
    distances: `minutes` is what any way and any visit take at least. Half the minutes
    or less add 15 points.
    """

    name: ClassVar = "impossible-travel"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("短时间两地就诊", "Two places within minutes")

    minutes: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> ImpossibleTravel:
        """`minutes`."""
        return cls(score=score, minutes=numbers.minutes("minutes"))

    @property
    def reach(self) -> timedelta:
        """The minutes twice, so that a chain of three is seen as a whole."""
        return timedelta(minutes=2 * self.minutes)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only beside a bill of another place within minutes."""
        place, width = claim.place, timedelta(minutes=self.minutes)
        for other in others:
            if (
                other.place != place
                and abs(other.occurred_at - claim.occurred_at) <= width
            ):
                return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """One signal for each run of such pairs."""
        visits = [visit for visit in history.timed() if visit.place]
        if len({visit.place for visit in visits}) <= 1:
            return
        width = timedelta(minutes=self.minutes)
        pairs = []
        for position, later in enumerate(visits):
            for earlier in reversed(visits[:position]):
                if later.occurred_at - earlier.occurred_at > width:
                    break
                if earlier.place != later.place:
                    pairs.append((earlier, later))
        for claims in united(pairs):
            ids = {claim.id for claim in claims}
            least = min(
                later.occurred_at - earlier.occurred_at
                for earlier, later in pairs
                if earlier.id in ids
            )
            facts: Facts = {
                "visits": len(claims),
                "places": len({claim.place for claim in claims}),
                "minutes": least // timedelta(minutes=1),
                "day": claims[0].service_start.isoformat(),
            }
            added = 15 * (least * 2 <= width)
            yield self.signal(history.subject, claims, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How many places, how soon."""
        return Text(
            f"{facts['day']} 在 {facts['places']} 个街道（乡镇）结算 "
            f"{facts['visits']} 次，最短相隔 {facts['minutes']} 分钟。",
            f"{facts['visits']} visits in {facts['places']} sub-districts on "
            f"{facts['day']}, as little as {facts['minutes']} minutes apart.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """That there is another; neither where nor when."""
        del facts
        return Text(
            "该卡不久前在别处使用过，请核对是否本人持卡。",
            "This card was used elsewhere not long ago: check who presents it.",
        )
