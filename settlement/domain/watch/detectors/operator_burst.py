"""operator-burst: one operator, many cards, few minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import Distinct, patterns, second_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorBurst(Detector):
    """Visits that one operator settled for many different persons within minutes.

    Guaranteed: every claim of a signal has a known minute and lies in a window of at
    most `within` minutes with `cards` or more persons. Windows that share a claim are
    one signal; it lists no more than its earliest and latest 100. 3 points for each
    card above the least.
    """

    name: ClassVar = "operator-burst"
    kind: ClassVar = SubjectKind.OPERATOR
    title: ClassVar = Text("操作员短时间多卡结算", "One operator, many cards")

    within_minutes: int
    cards: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> OperatorBurst:
        """`within`, `cards`."""
        return cls(
            score=score,
            within_minutes=numbers.minutes("within"),
            cards=numbers.count("cards", "张", at_least=2),
        )

    @property
    def reach(self) -> timedelta:
        """Some windows, so that one pattern is seen as a whole."""
        return timedelta(minutes=4 * self.within_minutes)

    def find(self, history: History) -> Iterator[Signal]:
        """Patterns of the operator's visits."""
        visits = history.timed()
        if len(visits) < self.cards:
            return
        tally = Distinct(self.cards, _person)
        for run in patterns(visits, second_of, self.within_minutes * 60, tally):
            cards = len({_person(claim) for claim in run})
            seconds = second_of(run[-1]) - second_of(run[0])
            facts: Facts = {
                "cards": cards,
                "bills": len(run),
                "minutes": -(-seconds // 60),
                "day": run[0].service_start.isoformat(),
                "aid_fen": sum(claim.aid_fen for claim in run),
            }
            added = 3 * (cards - self.cards)
            yield self.signal(history.subject, run, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How many cards in how many minutes."""
        return Text(
            f"{facts['day']} 同一操作员在 {facts['minutes']} 分钟内用 {facts['cards']} "
            f"张卡结算 {facts['bills']} 次。",
            f"On {facts['day']} one operator settled {facts['bills']} bills of "
            f"{facts['cards']} cards within {facts['minutes']} minutes.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """The operator's own."""
        return Text(
            f"本操作员 {facts['minutes']} 分钟内结算 {facts['cards']} 张卡，请核对。",
            f"This operator settled {facts['cards']} cards within {facts['minutes']} "
            "minutes: check them.",
        )


def _person(claim: SeenClaim) -> bytes:
    return claim.person or claim.id
