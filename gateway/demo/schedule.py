"""Who visits which hospital when: the three months planned, without amounts.

The pilot's numbers of citizens and visits are met here by construction; what the
visits cost comes afterwards, in `gateway.demo.calibrate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

from gateway.demo.district import HOSPITALS, Hospital
from gateway.demo.hours import LAST_DAY, busyness, days_of, instant_on
from gateway.demo.published import MonthFigures
from gateway.demo.residents import Resident
from gateway.demo.visits import Fate, Shape, Visit
from settlement.domain.bill import CareType

#: What a thousand visits are.
_CARE_MIX = {
    CareType.OUTPATIENT: 862,
    CareType.OUTPATIENT_SPECIAL: 82,
    CareType.EMERGENCY: 36,
    CareType.INPATIENT: 20,
}
#: In-policy amount of a middling bill in fen, and the share that insurance pays of
#: it in parts per million, each before chance and calibration.
_MEANS = {
    CareType.OUTPATIENT: (21_000, 580_000),
    CareType.OUTPATIENT_SPECIAL: (62_000, 720_000),
    CareType.EMERGENCY: (48_000, 540_000),
    CareType.INPATIENT: (640_000, 760_000),
}
_DIAGNOSES = {
    CareType.OUTPATIENT: ("I10", "E11.9", "J06.9", "M54.5", "K29.7", "J42", "I25.1"),
    CareType.OUTPATIENT_SPECIAL: ("N18.5", "C50.9", "Z94.0", "C34.9"),
    CareType.EMERGENCY: ("R10.4", "S93.4", "J18.9", "R55"),
    CareType.INPATIENT: ("I63.9", "J44.1", "S72.0", "I50.9", "K80.2"),
}

#: Of a hundred who came in one month, so many come again in the next.
_RETURNING_PERCENT = 76
#: Nobody is at a desk more often than this in one month.
_MOST_VISITS = 14

#: Beside a thousand visits that count: refunds without and with a corrected bill,
#: and bills that hold nothing that aid may touch.
_REFUNDS = 12
_CORRECTIONS = 9
_WITHOUT_AID = 11

Aidable = Mapping[tuple[str, CareType], bool]
"""Whether the pack gives a category any aid for a kind of care at all."""


def plan_visits(
    rng: Random,
    months: Sequence[MonthFigures],
    residents: Sequence[Resident],
    aidable: Aidable,
) -> tuple[Visit, ...]:
    """Plan all visits of all months, in the order in which they are settled.

    `residents` are eligible on every day that is planned. In each month exactly the
    given number of persons has exactly the given number of visits that count.
    """
    scheduler = _Scheduler(rng, residents, aidable)
    for figures in months:
        scheduler.plan_month(figures)
    return tuple(sorted(scheduler.visits, key=lambda visit: (visit.at, visit.number)))


class _Scheduler:
    """Remembers who has come, how often each comes, and where to."""

    def __init__(
        self, rng: Random, residents: Sequence[Resident], aidable: Aidable
    ) -> None:
        self.visits: list[Visit] = []
        self._rng = rng
        self._residents = residents
        self._aidable = aidable
        self._citizens: list[Resident] = []
        self._frailty = {resident.number: _skewed(rng, 100) for resident in residents}
        self._usual = {
            resident.number: rng.choices(
                HOSPITALS, weights=[hospital.weight for hospital in HOSPITALS], k=2
            )
            for resident in residents
        }

    def plan_month(self, figures: MonthFigures) -> None:
        self._citizens = self._citizens_of(figures.citizens)
        days = days_of(figures.month)
        weights = [busyness(day) for day in days]
        comers = [*self._citizens, *self._further_visits(figures)]
        for resident in comers:
            day = self._rng.choices(days, weights=weights)[0]
            self._visit(resident, instant_day=day, fate=Fate.STAYS)
        self._add_oddities(figures)

    def _citizens_of(self, number: int) -> list[Resident]:
        """Most of last month's citizens, and new ones for the rest."""
        known = {resident.number for resident in self._citizens}
        returning = min(number, len(known) * _RETURNING_PERCENT // 100)
        fresh = [person for person in self._residents if person.number not in known]
        return self._rng.sample(self._citizens, returning) + self._rng.sample(
            fresh, number - returning
        )

    def _further_visits(self, figures: MonthFigures) -> list[Resident]:
        """Who comes more than once: the frail more often, nobody without bound."""
        further: list[Resident] = []
        count = dict.fromkeys((person.number for person in self._citizens), 1)
        weights = [self._frailty[person.number] for person in self._citizens]
        while len(further) < figures.visits - figures.citizens:
            resident = self._rng.choices(self._citizens, weights=weights)[0]
            if count[resident.number] < _MOST_VISITS:
                count[resident.number] += 1
                further.append(resident)
        return further

    def _add_oddities(self, figures: MonthFigures) -> None:
        """Refunds, corrected bills, and bills without anything to aid."""
        month = [visit for visit in self.visits if visit.month == figures.month]
        walk_ins = [v for v in month if v.care_type is not CareType.INPATIENT]
        for visit in self._rng.sample(walk_ins, _share(figures, _CORRECTIONS)):
            self._mistake_before(visit)
        for model in self._rng.sample(month, _share(figures, _REFUNDS)):
            visit = self._visit(
                model.resident, instant_day=model.service_end, fate=Fate.REFUNDED
            )
            self._replace(visit, undone_at=self._refund_instant(visit))
        for _ in range(_share(figures, _WITHOUT_AID)):
            model = self._rng.choice(month)
            self._visit(
                self._rng.choice(self._residents),
                instant_day=model.service_end,
                fate=Fate.WITHOUT_AID,
            )

    def _mistake_before(self, right: Visit) -> None:
        """A first bill with wrong amounts, undone before the right one is made."""
        wrong = replace(
            right,
            number=len(self.visits) + 1,
            at=right.at - timedelta(minutes=self._rng.randrange(12, 25)),
            shape=replace(right.shape, draw_fen=right.shape.draw_fen * 13 // 10 + 700),
            fate=Fate.REFUNDED,
            undone_at=right.at - timedelta(minutes=self._rng.randrange(2, 9)),
        )
        if wrong.service_end != right.service_end:
            return
        self.visits.append(wrong)
        self._replace(right, corrects=wrong.number)

    def _refund_instant(self, visit: Visit) -> datetime:
        """Some days later during the day, or an hour later near the end."""
        day = visit.service_end + timedelta(days=self._rng.randrange(1, 11))
        if day > LAST_DAY:
            return visit.at + timedelta(minutes=self._rng.randrange(5, 20))
        return instant_on(self._rng, day, CareType.OUTPATIENT)

    def _replace(self, visit: Visit, **changes: object) -> None:
        self.visits[visit.number - 1] = replace(visit, **changes)  # type: ignore[arg-type]

    def _visit(self, resident: Resident, *, instant_day: date, fate: Fate) -> Visit:
        care_type = self._care_type(resident, instant_day)
        days = self._rng.randrange(3, 15) if care_type is CareType.INPATIENT else 0
        visit = Visit(
            number=len(self.visits) + 1,
            resident=resident,
            hospital=self._hospital(resident, care_type),
            care_type=care_type,
            service_start=instant_day - timedelta(days=days),
            at=instant_on(self._rng, instant_day, care_type),
            shape=_shape(self._rng, care_type, fate),
            diagnoses=(self._rng.choice(_DIAGNOSES[care_type]),),
            fate=fate,
        )
        self.visits.append(visit)
        return visit

    def _care_type(self, resident: Resident, day: date) -> CareType:
        """A kind of care for which the person's category receives aid."""
        categories = resident.categories_on(day)
        mix = {
            care_type: weight
            for care_type, weight in _CARE_MIX.items()
            if any(self._aidable[category, care_type] for category in categories)
        }
        return self._rng.choices(list(mix), weights=list(mix.values()))[0]

    def _hospital(self, resident: Resident, care_type: CareType) -> Hospital:
        """One of the person's usual hospitals; wards are in the larger ones."""
        if care_type is CareType.INPATIENT:
            return self._rng.choice([h for h in HOSPITALS if h.level > 1])
        return self._rng.choice(self._usual[resident.number])


def _share(figures: MonthFigures, per_thousand: int) -> int:
    return max(1, figures.visits * per_thousand // 1000)


def _skewed(rng: Random, mean: int) -> int:
    """An integer around `mean`, with many small values and a long tail."""
    product = mean
    for _ in range(3):
        product = product * rng.randrange(35, 166) // 100
    return max(1, product)


def _shape(rng: Random, care_type: CareType, fate: Fate) -> Shape:
    mean_fen, insured = _MEANS[care_type]
    covered = fate is Fate.WITHOUT_AID
    return Shape(
        draw_fen=_skewed(rng, mean_fen),
        self_funded=rng.choice((0, 0, 0, 20_000, 60_000, 150_000)),
        over_limit=rng.choice((0, 0, 0, 0, 15_000)),
        pre_selfpay=0 if covered else rng.choice((0, 0, 30_000, 80_000)),
        insured=1_000_000 if covered else insured + 1_000 * rng.randrange(-60, 61),
        personal_account=0 if covered else rng.choice((0, 0, 0, 200_000, 500_000)),
    )
