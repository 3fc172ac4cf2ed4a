"""split-bills: one bill cut into several, each of which stays under a limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from typing import ClassVar

from settlement.domain.bill import CareType
from settlement.domain.decision import Text
from settlement.domain.money import share, yuan_text
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import Amounts, day_of, patterns, united

#: Which amount of a claim a limit is one of.
AMOUNTS: Mapping[str, Callable[[SeenClaim], int]] = {
    "aid": attrgetter("aid_fen"),
    "base": attrgetter("base_fen"),
    "total": attrgetter("total_fen"),
}
AMOUNT_WORDS = {name: name for name in AMOUNTS}
CARES = tuple(care.value for care in CareType)


@dataclass(frozen=True, slots=True)
class SplitLimit:
    """Bills under a limit that together pass it."""

    of: str
    """`aid`, `base` or `total`."""
    limit_fen: int
    least_fen: int
    """What each bill has at least: smaller ones are by-products of a visit."""
    within_days: int
    bills: int

    def is_part(self, amount_fen: int) -> bool:
        """Whether a bill of this amount may be a part of one that was split."""
        return self.least_fen <= amount_fen < self.limit_fen


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitBills(Detector):
    """Visits of one person at one hospital in a day or few days.

    Guaranteed: every claim of a signal is under a limit, at least `share` of it and
    above 0, and lies in a window of at most `within` days that holds `bills` or more
    of them, which together reach the limit. Windows that share a claim, of whatever
    limit, are one signal. Only `care` counts whose visits have limits: stays are
    billed in parts, and treatments of a course are many. 10 points for each bill
    above the least.
    """

    name: ClassVar = "split-bills"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("拆分账单", "Split bills")

    care: frozenset[str]
    limits: tuple[SplitLimit, ...]

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> SplitBills:
        """`care`; `limits`: rows of `of`, `limit`, `share`, `within`, `bills`."""
        limits = tuple(
            SplitLimit(
                of=row.word("of", AMOUNT_WORDS, "aid"),
                limit_fen=(limit_fen := row.yuan("limit")),
                least_fen=max(1, share(limit_fen, row.percent("share"))),
                within_days=max(1, row.days("within")),
                bills=row.count("bills", "张", at_least=2),
            )
            for row in numbers.rows("limits")
        )
        care = frozenset(numbers.words("care", CARES))
        return cls(score=score, care=care, limits=limits)

    @property
    def reach(self) -> timedelta:
        """Some windows, so that one pattern is seen as a whole."""
        longest = max((limit.within_days for limit in self.limits), default=1)
        return timedelta(days=4 * longest)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only beside enough bills of the hospital within a window around it."""
        here = [other for other in others if other.facility == claim.facility]
        if not here:
            return False
        day = day_of(claim)
        gaps = [abs(day_of(other) - day) for other in here]
        for limit in self.limits:
            if sum(gap < limit.within_days for gap in gaps) + 1 >= limit.bills:
                return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """Patterns at each hospital, of all limits."""
        at: defaultdict[int, list[SeenClaim]] = defaultdict(list)
        for visit in history.counted:
            if visit.care_type in self.care:
                at[visit.facility].append(visit)
        least = min((limit.bills for limit in self.limits), default=0)
        for visits in at.values():
            if len(visits) < least:
                continue
            found = []
            for limit in self.limits:
                amount = AMOUNTS[limit.of]
                under = [v for v in visits if limit.is_part(amount(v))]
                if len(under) >= limit.bills:
                    tally = Amounts(limit.bills, amount, limit.limit_fen)
                    runs = patterns(under, day_of, limit.within_days, tally)
                    found += [(limit, run) for run in runs]
            for claims in united(run for _, run in found):
                ids = {claim.id for claim in claims}
                limit = next(limit for limit, run in found if run[0].id in ids)
                yield self._found(history, claims, limit)

    def _found(
        self, history: History, claims: list[SeenClaim], limit: SplitLimit
    ) -> Signal:
        facts: Facts = {
            "bills": len(claims),
            "of": limit.of,
            "sum_fen": sum(AMOUNTS[limit.of](claim) for claim in claims),
            "limit_fen": limit.limit_fen,
            "from": claims[0].service_start.isoformat(),
            "to": claims[-1].service_start.isoformat(),
        }
        added = 10 * (len(claims) - limit.bills)
        return self.signal(history.subject, claims, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """Bills, days, sum and limit."""
        total = yuan_text(int(facts["sum_fen"]))
        limit = yuan_text(int(facts["limit_fen"]))
        zh, en = AMOUNT_TITLES[str(facts["of"])]
        return Text(
            f"{facts['from']} 至 {facts['to']} 同一医疗机构 {facts['bills']} 张账单，"
            f"每张{zh}低于 {limit} 元，合计 {total} 元。",
            f"{facts['bills']} bills of one hospital from {facts['from']} to "
            f"{facts['to']}, the {en} of each under {limit} yuan, together {total}.",
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """All bills are this hospital's own."""
        return Text(
            f"本机构近日为该患者结算 {facts['bills']} 张账单，"
            "请核对是否为一次就诊拆分。",
            f"This hospital settled {facts['bills']} bills of this patient in few "
            "days: check whether one visit was split.",
        )


AMOUNT_TITLES = {
    "aid": ("救助金额", "aid"),
    "base": ("救助基数", "aid base"),
    "total": ("总费用", "total"),
}
