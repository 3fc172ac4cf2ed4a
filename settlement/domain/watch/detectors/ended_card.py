"""ended-card: a card shown after the person was struck from the roster or died."""

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
from settlement.domain.watch.windows import Distinct, day_of, patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCard(Detector):
    """Claims that were declined because eligibility had ended.

    Not netted: nothing of them stands. Guaranteed: every claim of a signal was
    declined with one of `reasons` and lies in a window of at most `within` days with
    such claims of `attempts` or more different bills; a retry of one bill is one
    attempt. 15 points for each attempt above the least, 15 for each further hospital.

    The reason tells neither death nor strike: whoever opens the case sees the roster.
    """

    name: ClassVar = "ended-card"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("资格终止后用卡", "Card used after eligibility ended")

    reasons: frozenset[str]
    attempts: int
    within_days: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> EndedCard:
        """`reasons`, `attempts`, `within`."""
        return cls(
            score=score,
            reasons=frozenset(numbers.words("reasons", None)),
            attempts=numbers.count("attempts", "次"),
            within_days=max(1, numbers.days("within")),
        )

    @property
    def reach(self) -> timedelta:
        """Twice the window."""
        return timedelta(days=2 * self.within_days)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where it was declined for this."""
        del others
        return claim.reason in self.reasons

    def find(self, history: History) -> Iterator[Signal]:
        """Patterns of such declines."""
        ended = [
            claim
            for claim in history.claims
            if claim.reason in self.reasons and not claim.is_approved
        ]
        if len(ended) < self.attempts:
            return
        tally = Distinct(self.attempts, _bill)
        for run in patterns(ended, day_of, self.within_days, tally):
            attempts = len({_bill(claim) for claim in run})
            hospitals = len({claim.facility for claim in run})
            facts: Facts = {
                "attempts": attempts,
                "hospitals": hospitals,
                "from": run[0].service_start.isoformat(),
                "to": run[-1].service_start.isoformat(),
                "total_fen": sum(claim.total_fen for claim in run),
            }
            added = 15 * (attempts - self.attempts) + 15 * (hospitals - 1)
            yield self.signal(history.subject, run, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How often and at how many hospitals."""
        return Text(
            f"救助资格终止后，{facts['from']} 至 {facts['to']} 仍用卡 "
            f"{facts['attempts']} 次，涉及 {facts['hospitals']} 家医疗机构。",
            f"After eligibility had ended the card was used {facts['attempts']} times "
            f"from {facts['from']} to {facts['to']}, at {facts['hospitals']} "
            "hospitals.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """What the decline says already, and what to check."""
        del facts
        return Text(
            "该卡的救助资格已终止，请核对是否本人持卡。",
            "Eligibility of this card has ended: check who presents it.",
        )


def _bill(claim: SeenClaim) -> tuple[int, int, int]:
    return (claim.facility, day_of(claim), claim.total_fen)
