"""limit-edge: amounts just under a limit, again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.money import WHOLE_PPM, yuan_text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.detectors.split_bills import (
    AMOUNT_TITLES,
    AMOUNT_WORDS,
    AMOUNTS,
    CARES,
)
from settlement.domain.watch.history import History, first_diagnosis
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import Distinct, day_of, patterns, united


@dataclass(frozen=True, slots=True)
class EdgeLimit:
    """An amount of claims, and the stretch below it that is its edge."""

    of: str
    limit_fen: int
    edge_ppm: int
    within_days: int
    times: int

    def is_edge(self, claim: SeenClaim) -> bool:
        """Under the limit, by no more than a share of it."""
        below = self.limit_fen - AMOUNTS[self.of](claim)
        return below > 0 and below * WHOLE_PPM <= self.limit_fen * self.edge_ppm

    def price(self, claim: SeenClaim) -> tuple[int, str, int]:
        """What bills of one course at one price have in common."""
        amount_fen = AMOUNTS[self.of](claim)
        return (claim.facility, first_diagnosis(claim), amount_fen)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEdge(Detector):
    """Visits of one person, of some kinds of `care`, with an amount just under a limit.

    Guaranteed: every claim of a signal lies less than `edge` under one limit, never
    on it (a bill that a cap cut off lies on it), in a window of at most `within` days
    that holds `times` or more of them. Of bills of one hospital for one diagnosis with
    one amount two count: a course of treatment has its price. 10 points for each time
    above the least.
    """

    name: ClassVar = "limit-edge"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("金额反复贴近限额", "Amounts at the edge of a limit")

    care: frozenset[str]
    limits: tuple[EdgeLimit, ...]

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> LimitEdge:
        """`care`, and `limits`: a table of `of`, `limit`, `edge`, `within`, `times`."""
        limits = tuple(
            EdgeLimit(
                of=row.word("of", AMOUNT_WORDS, "aid"),
                limit_fen=row.yuan("limit"),
                edge_ppm=row.percent("edge"),
                within_days=max(1, row.days("within")),
                times=row.count("times", "次", at_least=2),
            )
            for row in numbers.rows("limits")
        )
        care = frozenset(numbers.words("care", CARES))
        return cls(score=score, care=care, limits=limits)

    @property
    def reach(self) -> timedelta:
        """Twice the longest window."""
        longest = max((limit.within_days for limit in self.limits), default=1)
        return timedelta(days=2 * longest)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where it lies at an edge, beside enough others."""
        count = len(others) + 1
        return any(
            count >= limit.times and limit.is_edge(claim) for limit in self.limits
        )

    def find(self, history: History) -> Iterator[Signal]:
        """Patterns of all limits, those that share claims put together."""
        found = []
        visits = [visit for visit in history.counted if visit.care_type in self.care]
        for limit in self.limits:
            at_edge = [visit for visit in visits if limit.is_edge(visit)]
            if len(at_edge) >= limit.times:
                tally = Distinct(limit.times, limit.price, at_most=2)
                runs = patterns(at_edge, day_of, limit.within_days, tally)
                found += [(limit, run) for run in runs]
        for claims in united(run for _, run in found):
            ids = {claim.id for claim in claims}
            limit = next(limit for limit, run in found if run[0].id in ids)
            facts: Facts = {
                "times": len(claims),
                "of": limit.of,
                "limit_fen": limit.limit_fen,
                "from": claims[0].service_start.isoformat(),
                "to": claims[-1].service_start.isoformat(),
                "hospitals": len({claim.facility for claim in claims}),
            }
            added = 10 * (len(claims) - limit.times)
            yield self.signal(history.subject, claims, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """How often, of what, under which limit."""
        limit = yuan_text(int(facts["limit_fen"]))
        zh, en = AMOUNT_TITLES[str(facts["of"])]
        return Text(
            f"{facts['from']} 至 {facts['to']} 有 {facts['times']} 张账单的{zh}"
            f"略低于 {limit} 元，涉及 {facts['hospitals']} 家医疗机构。",
            f"The {en} of {facts['times']} bills from {facts['from']} to "
            f"{facts['to']} lies just under {limit} yuan, at {facts['hospitals']} "
            "hospitals.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """That it is often; nothing of other bills."""
        del facts
        return Text(
            "该患者的账单金额多次略低于限额，请核对费用明细。",
            "Bills of this patient lie just under a limit again and again: "
            "check the items.",
        )
