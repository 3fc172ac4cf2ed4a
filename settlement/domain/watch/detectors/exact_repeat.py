"""exact-repeat: the same bill again, under another key or visit number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.money import yuan_text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History, content_of
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactRepeat(Detector):
    """Two or more visits alike in hospital, days, care, diagnoses and all amounts.

    Guaranteed: all of one signal are equal in these; every equal one is in it. A
    correction is none, for its original is undone; neither is a retry that was
    declined as a duplicate. 10 points for each further copy; 20 less where the
    cashier named the copy a second bill.

    By hand staff look for the same: same person, same amount, cancelled pairs dropped.
    """

    name: ClassVar = "exact-repeat"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("同一账单重复结算", "The same bill again")

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> ExactRepeat:
        """It has no number but its score."""
        del numbers
        return cls(score=score)

    @property
    def reach(self) -> timedelta:
        """The day of the claim alone."""
        return timedelta(0)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where another bill has its total and first day."""
        for other in others:
            if (
                other.total_fen == claim.total_fen
                and other.service_start == claim.service_start
                and other.facility == claim.facility
            ):
                return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """One signal for each bill that stands more than once."""
        if len(history.counted) <= 1:
            return
        alike: defaultdict[object, list[SeenClaim]] = defaultdict(list)
        for claim in history.counted:
            alike[content_of(claim)].append(claim)
        for copies in alike.values():
            if len(copies) > 1:
                named = all(copy.repeat_reason == "second_bill" for copy in copies[1:])
                facts: Facts = {
                    "bills": len(copies),
                    "day": copies[0].service_start.isoformat(),
                    "total_fen": copies[0].total_fen,
                    "aid_fen": sum(copy.aid_fen for copy in copies[1:]),
                }
                added = 10 * (len(copies) - 2) - 20 * named
                yield self.signal(history.subject, copies, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """Day, amount and number of copies."""
        amount = yuan_text(int(facts["total_fen"]))
        return Text(
            f"{facts['day']} 同一医疗机构、同一总额 {amount} 元的账单结算了 "
            f"{facts['bills']} 次。",
            f"On {facts['day']} one hospital settled a bill of {amount} yuan "
            f"{facts['bills']} times.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """The other bill is this hospital's own."""
        return Text(
            f"本机构 {facts['day']} 已有同样的账单，请核对是否重复收费。",
            f"This hospital has the same bill of {facts['day']} already: "
            "check whether it is charged twice.",
        )
