"""too-soon: the same illness billed again, or a long prescription not yet used up."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import ClassVar

from settlement.domain.decision import Text
from settlement.domain.money import WHOLE_PPM
from settlement.domain.watch.detector import Detector, Facts
from settlement.domain.watch.history import History, first_diagnosis, is_near
from settlement.domain.watch.numbers import Numbers
from settlement.domain.watch.seen import SeenClaim
from settlement.domain.watch.signal import Signal, SubjectKind
from settlement.domain.watch.windows import day_of, united

_TENTHS = 10
_PLACES = {"same": True, "other": False}


@dataclass(frozen=True, slots=True)
class Again:
    """How near a second visit lies that is a repeat of the first."""

    same_hospital: bool
    within_days: int
    least_ppm: int
    """Share of the first amount that the second has at least: who is seen again for
    the same illness is billed less."""
    most_tenths: int = 0
    """Tenths of the first amount that the second has at most; 0: no limit."""

    def is_repeat(self, first: SeenClaim, again: SeenClaim, days: int) -> bool:
        """Whether the second is one, so many days after the first."""
        total = again.total_fen
        return (
            days <= self.within_days
            and self.same_hospital is (first.facility == again.facility)
            and first.total_fen * self.least_ppm <= total * WHOLE_PPM
            and (
                not self.most_tenths
                or total * _TENTHS <= first.total_fen * self.most_tenths
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TooSoon(Detector):
    """Visits with the same main diagnosis, on different days, one soon after another.

    Guaranteed: every claim of a signal has the same main diagnosis, or none, and one of
    these with another claim of the signal: a row of `again` (at the `same` or at an
    `other` hospital, `within` so many days, the later bill from the share `least` of
    the earlier to `most` times it, where a row says `most`); or both prescribe, the
    first for `long` days or more of which less than `used` have
    passed. Days of a course of treatment (`course` days or more with this diagnosis at
    this hospital within `course_within` days of the claim) are no repeats of each
    other, nor of a visit elsewhere before it, unless amounts at that hospital that
    differ by no more than `course_near` come in half the usual days or less. Who has
    `busy` visits or more for other illnesses within `busy_within` days of the two
    meets one diagnosis twice by chance: then amounts must differ by no more than
    `busy_near`. Without any diagnosis, only the same amount at the same hospital is the
    same again. What a stay lies between is none: illness goes on. Stays do not count.
    20 points where a prescription is not used up, 10 where hospitals differ.
    """

    name: ClassVar = "too-soon"
    kind: ClassVar = SubjectKind.PERSON
    title: ClassVar = Text("同病或长期处方过早重复", "The same again too soon")

    again: tuple[Again, ...]
    course: int
    course_within_days: int
    course_near_ppm: int
    busy: int
    busy_within_days: int
    busy_near_ppm: int
    long_days: int
    used_ppm: int

    @classmethod
    def read(cls, score: int, numbers: Numbers) -> TooSoon:
        """The numbers named above."""
        return cls(
            score=score,
            again=tuple(
                Again(
                    same_hospital=row.word("hospital", _PLACES, default=True),
                    within_days=row.days("within"),
                    least_ppm=row.percent("least"),
                    most_tenths=row.tenths("most") if row.has("most") else 0,
                )
                for row in numbers.rows("again")
            ),
            course=numbers.count("course", "天", at_least=3),
            course_within_days=numbers.days("course_within"),
            course_near_ppm=numbers.percent("course_near"),
            busy=numbers.count("busy", "次"),
            busy_within_days=numbers.days("busy_within"),
            busy_near_ppm=numbers.percent("busy_near"),
            long_days=numbers.days("long"),
            used_ppm=numbers.percent("used"),
        )

    @property
    def reach(self) -> timedelta:
        """The longest prescription that national rules allow, 12 weeks, or more."""
        around = max(self.course_within_days, self.busy_within_days)
        return timedelta(days=max(_LONGEST_DAYS, self._near_days + around))

    @property
    def _near_days(self) -> int:
        return max((again.within_days for again in self.again), default=0)

    def could(self, claim: SeenClaim, others: Sequence[SeenClaim]) -> bool:
        """Only where another claim with its main diagnosis is near, or prescribes."""
        diagnosis = first_diagnosis(claim)
        for other in others:
            if first_diagnosis(other) == diagnosis:
                days = day_of(claim) - day_of(other)
                if abs(days) <= self._near_days:
                    return True
                first, again = (other, claim) if days > 0 else (claim, other)
                if self._is_unused(first, again, abs(days)):
                    return True
        return False

    def find(self, history: History) -> Iterator[Signal]:
        """One signal for each run of repeats of one diagnosis."""
        by_diagnosis: defaultdict[str, list[SeenClaim]] = defaultdict(list)
        visits, stays = history.visits(), history.stays()
        for visit in visits:
            by_diagnosis[first_diagnosis(visit)].append(visit)
        for own in by_diagnosis.values():
            if len(own) > 1:
                illness = first_diagnosis(own[0])
                others = [v for v in visits if first_diagnosis(v) != illness]
                other_days = [day_of(visit) for visit in others]
                pairs = [
                    (first, again)
                    for first, again in self._pairs(own, other_days)
                    if _is_same_illness(first, again)
                    and not _is_between(stays, first, again)
                ]
                for claims in united(pairs):
                    yield self._found(history, claims)

    def _pairs(
        self, visits: list[SeenClaim], other_days: Sequence[int]
    ) -> Iterator[tuple[SeenClaim, SeenClaim]]:
        """Those of one diagnosis that are repeats; `other_days`: of other illnesses."""
        rhythms = self._rhythms(visits)
        near = self._near_days
        on = [day_of(visit) for visit in visits]
        for day, first in zip(on, visits, strict=True):
            furthest = max(near, self._given(first))
            # Visits of one day are no repeats of each other: there may be many.
            later = slice(bisect_right(on, day), bisect_right(on, day + furthest))
            for again in visits[later]:
                days = day_of(again) - day
                rhythm = rhythms[again.id]
                if first.facility == again.facility:
                    rhythm = rhythms[first.id] or rhythm
                if self._is_unused(first, again, days) or (
                    self._is_soon(first, again, days, rhythm)
                    and self._is_no_chance(first, again, other_days)
                ):
                    yield first, again

    def _is_soon(
        self, first: SeenClaim, again: SeenClaim, days: int, rhythm: int
    ) -> bool:
        if not any(row.is_repeat(first, again, days) for row in self.again):
            return False
        if rhythm == 0:
            return True
        return (
            first.facility == again.facility
            and days * 2 <= rhythm
            and is_near(first.total_fen, again.total_fen, self.course_near_ppm)
        )

    def _is_no_chance(
        self, first: SeenClaim, again: SeenClaim, other_days: Sequence[int]
    ) -> bool:
        """Whether the person is seldom seen otherwise, or the amounts are alike."""
        earliest = bisect_left(other_days, day_of(first) - self.busy_within_days)
        latest = bisect_right(other_days, day_of(again) + self.busy_within_days)
        return latest - earliest < self.busy or is_near(
            first.total_fen, again.total_fen, self.busy_near_ppm
        )

    def _rhythms(self, visits: Sequence[SeenClaim]) -> dict[bytes, int]:
        """The usual days between the visits of each one's course; 0 without any."""
        days_at: defaultdict[int, set[int]] = defaultdict(set)
        for visit in visits:
            days_at[visit.facility].add(day_of(visit))
        ordered = {facility: sorted(days) for facility, days in days_at.items()}
        return {
            visit.id: self._rhythm(day_of(visit), ordered[visit.facility])
            for visit in visits
        }

    def _rhythm(self, day: int, days_here: Sequence[int]) -> int:
        first = bisect_left(days_here, day - self.course_within_days)
        last = bisect_right(days_here, day + self.course_within_days)
        if last - first < self.course:
            return 0
        near = days_here[first:last]
        gaps = sorted([later - earlier for earlier, later in pairwise(near)])
        # Of an even number the lower one: a cycle of two days is no rhythm of weeks.
        usual = gaps[(len(gaps) - 1) // 2]
        alike = sum(abs(gap - usual) <= max(1, usual // _ALIKE) for gap in gaps)
        return usual if alike * 2 > len(gaps) else 0

    def _given(self, claim: SeenClaim) -> int:
        """Days of a long prescription; 0 without one."""
        days = claim.prescription_days or 0
        return min(days, _LONGEST_DAYS) if days >= self.long_days else 0

    def _is_unused(self, first: SeenClaim, again: SeenClaim, days: int) -> bool:
        given = self._given(first)
        return bool(again.prescription_days) and (
            days * WHOLE_PPM < given * self.used_ppm
        )

    def _is_given_again(self, first: SeenClaim, claims: Sequence[SeenClaim]) -> bool:
        """Whether a later one prescribes before what this one gave is used up."""
        day = day_of(first)
        return any(
            day_of(again) > day and self._is_unused(first, again, day_of(again) - day)
            for again in claims
        )

    def _found(self, history: History, claims: list[SeenClaim]) -> Signal:
        on = sorted({day_of(claim) for claim in claims})
        days = min(later - earlier for earlier, later in pairwise(on))
        unused = [
            self._given(first)
            for first in claims
            if self._given(first) and self._is_given_again(first, claims)
        ]
        hospitals = len({claim.facility for claim in claims})
        facts: Facts = {
            "visits": len(claims),
            "diagnosis": first_diagnosis(claims[0]),
            "days": days,
            "hospitals": hospitals,
            "prescribed": max(unused, default=0),
            "from": claims[0].service_start.isoformat(),
            "to": claims[-1].service_start.isoformat(),
        }
        added = 20 * bool(unused) + 10 * (hospitals > 1)
        return self.signal(history.subject, claims, added, facts)

    @staticmethod
    def sentence(facts: Facts) -> Text:
        """The diagnosis, how soon, and the prescription where there is one."""
        diagnosis = str(facts["diagnosis"])
        zh_why = f"因同一诊断 {diagnosis}" if diagnosis else "未写诊断、以同一金额"
        en_why = f"for {diagnosis}" if diagnosis else "of one amount, no diagnosis,"
        zh = (
            f"{facts['from']} 至 {facts['to']} {zh_why} 结算 "
            f"{facts['visits']} 次，最短相隔 {facts['days']} 天，"
            f"涉及 {facts['hospitals']} 家医疗机构"
        )
        en = (
            f"{facts['visits']} visits {en_why} from {facts['from']} "
            f"to {facts['to']}, as little as {facts['days']} days apart, at "
            f"{facts['hospitals']} hospitals"
        )
        if facts["prescribed"]:
            zh += f"；前一张处方为 {facts['prescribed']} 天，尚未用完"
            en += f"; {facts['prescribed']} days were prescribed and not used up"
        return Text(f"{zh}。", f"{en}.")

    @staticmethod
    def desk_sentence(facts: Facts) -> Text:
        """That it was soon; nothing of the other visit."""
        if facts["prescribed"]:
            return Text(
                "该患者前一张长期处方尚未用完，请核对是否需要再次开药。",
                "An earlier long prescription of this patient is not used up: "
                "check whether more is needed.",
            )
        return Text(
            "该患者不久前因同一诊断结算过，请核对是否重复。",
            "This patient settled for the same diagnosis not long ago: "
            "check whether it is charged twice.",
        )


def _is_same_illness(first: SeenClaim, again: SeenClaim) -> bool:
    """By the main diagnosis, which is one; without any, by hospital and amount."""
    if first.diagnoses:
        return True
    return first.facility == again.facility and first.total_fen == again.total_fen


def _is_between(stays: Sequence[SeenClaim], first: SeenClaim, again: SeenClaim) -> bool:
    """Whether the person lay in hospital between the two: then illness goes on."""
    return any(
        first.service_start <= stay.service_start
        and stay.service_end <= again.service_start
        for stay in stays
    )


#: Gaps that differ from the usual one by a quarter, or a day, keep the rhythm.
_ALIKE = 4
#: 12 weeks. A prescription for longer is taken as one of these, so that `reach` ends.
_LONGEST_DAYS = 84
