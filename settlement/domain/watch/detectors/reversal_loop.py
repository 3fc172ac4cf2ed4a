"""reversal-loop: settled, undone and settled again, again and again."""

from __future__ import annotations

from collections import defaultdict
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
from settlement.domain.watch.windows import day_of, patterns

_TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalLoop(Detector):
    """Claims of one person at one hospital that were undone and made anew.

    Not netted: it is about the cancelled pairs. Guaranteed: every claim of a signal
    was approved and lies in a window of at most `within` days at one hospital with
    `reversals` or more undone ones, so that at least one fewer was made anew. A
    correction or two are honest. What a machine undid because no answer came does not
    count. 15 points for each reversal above the least.
    """

    name: ClassVar = "reversal-loop"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("反复冲正再结算", "Reversed and claimed again")

    within_days: int
    reversals: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> ReversalLoop:
        """`within`, `reversals`."""
        return cls(
            score=score,
            within_days=max(1, numbers.days("within")),
            reversals=numbers.count("reversals", "次", at_least=2),
        )

    @property
    def reach(self) -> timedelta:
        """Some windows, so that one pattern is seen as a whole."""
        return timedelta(days=4 * self.within_days)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where enough of them are undone."""
        undone = int(claim.reversed_at is not None)
        for other in others:
            if other.reversed_at is not None:
                undone += 1
        return undone >= self.reversals

    def find(self, history: History) -> Iterator[Signal]:
        """Patterns at each hospital."""
        at: defaultdict[int, list[SeenClaim]] = defaultdict(list)
        undone = 0
        for claim in history.claims:
            if claim.is_approved and claim.reversal_reason != _TIMEOUT:
                at[claim.facility].append(claim)
                undone += claim.reversed_at is not None
        if undone < self.reversals:
            return
        for claims in at.values():
            tally = _Undone(self.reversals)
            for run in patterns(claims, day_of, self.within_days, tally):
                undone = sum(claim.reversed_at is not None for claim in run)
                facts: Facts = {
                    "claims": len(run),
                    "reversals": undone,
                    "from": run[0].service_start.isoformat(),
                    "to": run[-1].service_start.isoformat(),
                    "aid_fen": sum(claim.aid_fen for claim in run if claim.stands),
                }
                added = 15 * max(0, undone - self.reversals)
                yield self.signal(history.subject, run, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How many, how often undone."""
        return Text(
            f"{facts['from']} 至 {facts['to']} 在同一医疗机构结算 "
            f"{facts['claims']} 次，冲正 {facts['reversals']} 次。",
            f"{facts['claims']} settlements at one hospital from {facts['from']} to "
            f"{facts['to']}, {facts['reversals']} of them reversed.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """All of them are this hospital's own."""
        return Text(
            f"本机构近日为该患者冲正 {facts['reversals']} 次后又结算，请核对原因。",
            f"This hospital reversed {facts['reversals']} settlements of this patient "
            "in few days and settled again: check why.",
        )


class _Undone:
    """Counts the undone ones."""

    def __init__(self, many: int) -> None:
        self.many = many
        self._undone = 0

    def add(self, claim: SeenClaim) -> None:
        self._undone += claim.reversed_at is not None

    def drop(self, claim: SeenClaim) -> None:
        self._undone -= claim.reversed_at is not None

    def is_many(self) -> bool:
        return self._undone >= self.many
