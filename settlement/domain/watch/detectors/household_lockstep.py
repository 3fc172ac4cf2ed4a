"""household-lockstep: cards of one household at one desk within minutes, repeatedly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim, by_time
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import Distinct, day_of, patterns, second_of


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdLockstep(Detector):
    """Visits of several members of a household at one hospital within minutes.

    Guaranteed: every claim of a signal has a known minute and lies, at one hospital,
    in a window of at most `minutes` with `members` or more persons; such meetings
    fall on `days` or more different days within `within` days. A couple that goes
    together once or twice is honest. 5 points for each day above the least, 10 for
    each member above the least.
    """

    name: ClassVar = "household-lockstep"
    kind: ClassVar = SubjectKind.HOUSEHOLD
    title: ClassVar = Text("同户多卡同时结算", "Cards of a household in lockstep")

    members: int
    minutes: int
    days: int
    within_days: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> HouseholdLockstep:
        """`members`, `minutes`, `days`, `within`."""
        return cls(
            score=score,
            members=numbers.count("members", "人", at_least=2),
            minutes=numbers.minutes("minutes"),
            days=numbers.count("days", "天", at_least=2),
            within_days=max(1, numbers.days("within")),
        )

    @property
    def reach(self) -> timedelta:
        """Twice the window of days."""
        return timedelta(days=2 * self.within_days)

    def find(self, history: History) -> Iterator[Signal]:
        """Patterns of days at each hospital."""
        at: defaultdict[int, list[SeenClaim]] = defaultdict(list)
        for visit in history.timed():
            at[visit.facility].append(visit)
        for visits in at.values():
            if len(visits) < max(self.members, self.days):
                continue
            together = patterns(
                visits,
                second_of,
                self.minutes * 60,
                Distinct(self.members, _person),
            )
            met = sorted(
                {c.id: c for run in together for c in run}.values(), key=by_time
            )
            tally = Distinct(self.days, day_of)
            for run in patterns(met, day_of, self.within_days, tally):
                days = len({day_of(claim) for claim in run})
                members = len({claim.person for claim in run})
                facts: Facts = {
                    "days": days,
                    "members": members,
                    "bills": len(run),
                    "from": run[0].service_start.isoformat(),
                    "to": run[-1].service_start.isoformat(),
                    "aid_fen": sum(claim.aid_fen for claim in run),
                }
                added = 5 * (days - self.days) + 10 * (members - self.members)
                yield self.signal(history.subject, run, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How many members on how many days."""
        return Text(
            f"{facts['from']} 至 {facts['to']} 同户 {facts['members']} 人的卡有 "
            f"{facts['days']} 天在同一医疗机构几分钟内先后结算，"
            f"共 {facts['bills']} 次。",
            f"Cards of {facts['members']} members of a household were settled at one "
            f"hospital within minutes on {facts['days']} days from {facts['from']} to "
            f"{facts['to']}, {facts['bills']} bills in all.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """All of them are this hospital's own."""
        del facts
        return Text(
            "本机构多次在几分钟内结算同一户的多张卡，请核对是否本人到场。",
            "This hospital settles several cards of one household within minutes again "
            "and again: check who is present.",
        )


def _person(claim: SeenClaim) -> bytes:
    return claim.person or claim.id
