"""facility-outlier, operator-outlier: far above the peers in repeats, capped bills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self

from settlement.domain.decision import Text
from settlement.domain.money import percent_text
from settlement.domain.watch.detector import MOST_LISTED, MOST_SCORE, Detector, Facts
from settlement.domain.watch.history import History
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.peers import PeerSummary, Spread, rate_ppm
from settlement.domain.watch.signal import Signal, SubjectKind

_HALF_PERCENT_PPM = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier(Detector):
    """A share of claims far above that of the peers.

    Guaranteed: the share of repeats, or of claims at the cap, of a subject with at
    least `claims` claims lies above the median of at least `peers` such subjects by
    more than `deviations` times 1.4826 times the median absolute deviation, by more
    than so many standard deviations of a count of that size by chance, and by `points`
    or more; there are at least `hits` of them. 1 point for each point of difference
    beyond `points`.

    Why median and MAD: mean and standard deviation are moved by the very outliers that
    are looked for, these are not while fewer than half are. 3.5 is the limit of
    Iglewicz and Hoaglin (1993), in the NIST/SEMATECH handbook 1.3.5.17. Why chance
    besides: small hospitals stray far by themselves; the funnel is Spiegelhalter's
    (Statistics in Medicine 24, 2005).
    """

    window_days: int
    """How many days a summary covers."""
    repeat_days: int
    """How long before a claim its person must have been seen to make it a repeat."""
    claims: int
    peers: int
    deviations_tenths: int
    points_ppm: int
    hits: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> Self:
        """The numbers named above; `window` and `repeat_within` are for the caller."""
        return cls(
            score=score,
            window_days=max(1, numbers.days("window")),
            repeat_days=max(1, numbers.days("repeat_within")),
            claims=numbers.count("claims", "笔", at_least=10),
            peers=numbers.count("peers", "家", at_least=5),
            deviations_tenths=numbers.tenths("deviations"),
            points_ppm=numbers.percent("points"),
            hits=numbers.count("hits", "笔"),
        )

    @property
    def reach(self) -> timedelta:
        """It looks at summaries, not at the claims around one."""
        return timedelta(0)

    def find(self, history: History) -> Iterator[Signal]:
        """Nothing: one subject alone has no peers."""
        del history
        return iter(())

    def outliers(self, summaries: Sequence[PeerSummary]) -> Iterator[Signal]:
        """Signals about those of one window that lie far above the others."""
        peers = [each for each in summaries if each.claims >= self.claims]
        if len(peers) < self.peers:
            return
        repeats = Spread.of([rate_ppm(each.repeats, each.claims) for each in peers])
        at_cap = Spread.of([rate_ppm(each.at_cap, each.claims) for each in peers])
        for each in peers:
            listed = each.repeat_claims
            if listed and self._is_far(repeats, each.repeats, each.claims):
                yield self._found(each, "repeats", each.repeats, repeats, listed)
            listed = each.at_cap_claims
            if listed and self._is_far(at_cap, each.at_cap, each.claims):
                yield self._found(each, "at_cap", each.at_cap, at_cap, listed)

    def _is_far(self, spread: Spread, hits: int, claims: int) -> bool:
        if hits < self.hits:
            return False
        if rate_ppm(hits, claims) - spread.median_ppm < self.points_ppm:
            return False
        return spread.is_far(hits, claims, self.deviations_tenths)

    def _found(
        self,
        summary: PeerSummary,
        measure: str,
        hits: int,
        spread: Spread,
        listed: tuple[bytes, ...],
    ) -> Signal:
        rate = rate_ppm(hits, summary.claims)
        beyond = rate - spread.median_ppm - self.points_ppm
        return Signal(
            self.name,
            summary.subject,
            listed[-MOST_LISTED:],
            listed[-1],
            min(MOST_SCORE, self.score + beyond // 10_000),
            (
                ("of", measure),
                ("claims", summary.claims),
                ("hits", hits),
                ("rate_ppm", rate),
                ("median_ppm", spread.median_ppm),
                ("days", self.window_days),
            ),
        )

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """Nothing of the peers."""
        zh, en = _MEASURES[str(facts["of"])]
        return Text(
            f"近 {facts['days']} 天{zh}的占比偏高，请核对。",
            f"The share of {en} in the last {facts['days']} days is high: check it.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilityOutlier(Outlier):
    """A hospital among the hospitals; see `Outlier`."""

    name: ClassVar = "facility-outlier"
    kind: ClassVar = SubjectKind.FACILITY
    title: ClassVar = Text("医疗机构明显偏离同行", "Hospital far outside its peers")

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """Its share, and that of its peers."""
        return _sentence(facts, "该医疗机构", "This hospital", "hospitals")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorOutlier(Outlier):
    """An operator among the operators; see `Outlier`."""

    name: ClassVar = "operator-outlier"
    kind: ClassVar = SubjectKind.OPERATOR
    title: ClassVar = Text("操作员明显偏离同行", "Operator far outside its peers")

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """Its share, and that of its peers."""
        return _sentence(facts, "该操作员", "This operator", "operators")


_MEASURES = {
    "repeats": ("重复就诊", "repeat visits"),
    "at_cap": ("达到限额的账单", "bills at the cap"),
}


def _sentence(facts: Facts, zh_who: str, en_who: str, en_peers: str) -> Text:
    zh, en = _MEASURES[str(facts["of"])]
    rate, median = _percent(facts["rate_ppm"]), _percent(facts["median_ppm"])
    return Text(
        f"{zh_who} {facts['days']} 天内 {facts['claims']} 笔结算中{zh}占 {rate}%，"
        f"同行中位数为 {median}%。",
        f"{en_who}: {en} are {rate}% of {facts['claims']} settlements in "
        f"{facts['days']} days; the median of {en_peers} is {median}%.",
    )


def _percent(ppm: int | str) -> str:
    whole = (int(ppm) + _HALF_PERCENT_PPM) // 10_000
    return percent_text(whole * 10_000)
