"""Who visits which hospital when: the three months planned, without amounts.

The pilot's numbers of citizens and visits are met here by construction; what the
visits cost comes afterwards, in `gateway.demo.calibrate`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

from gateway.demo.care import (
    CARE_MIX,
    DIAGNOSES,
    Aidable,
    draw_shape,
    skewed,
)
from gateway.demo.district import HOSPITALS, Hospital
from gateway.demo.hours import LAST_DAY, busyness, days_of, instant_on
from gateway.demo.published import MonthFigures
from gateway.demo.residents import Resident
from gateway.demo.visits import Fate, Visit
from settlement.domain.bill import CareType
from settlement.domain.calendar import month_of

#: Of a hundred who came in one month, so many come again in the next.
_RETURNING_PERCENT = 76
#: Nobody is at a desk more often than this in one month.
_MOST_VISITS = 14
#: Of a thousand citizens, so many have a category that is aided in wards alone.
_WARD_ONLY = 12
#: How often another day is tried for a person who was at a desk on that day.
_DAY_TRIES = 12

#: Beside a thousand visits that count: refunds without and with a corrected bill,
#: and bills that hold nothing that aid may touch.
_REFUNDS = 12
_CORRECTIONS = 9
_WITHOUT_AID = 11


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
    visits = scheduler.without_overlaps()
    return tuple(sorted(visits, key=lambda visit: (visit.at, visit.number)))


class _Scheduler:
    """Remembers who has come, how often each comes, and where to."""

    def __init__(
        self, rng: Random, residents: Sequence[Resident], aidable: Aidable
    ) -> None:
        self.visits: list[Visit] = []
        self._rng = rng
        self._aidable = aidable
        self._care = {person.number: self._usual_care(person) for person in residents}
        self._walk_ins = [
            person
            for person in residents
            if CareType.OUTPATIENT in self._care[person.number]
        ]
        self._ward_only = [
            person
            for person in residents
            if list(self._care[person.number]) == [CareType.INPATIENT]
        ]
        self._citizens: list[Resident] = []
        #: Days on which a person is at a desk, and months with a stay in a ward.
        self._busy: set[tuple[int, date]] = set()
        self._stays: set[tuple[int, str]] = set()
        self._frailty = {resident.number: skewed(rng, 100) for resident in residents}
        self._usual = {
            resident.number: rng.choices(
                HOSPITALS, weights=[hospital.weight for hospital in HOSPITALS], k=2
            )
            for resident in residents
        }

    def plan_month(self, figures: MonthFigures) -> None:
        """Plan one month after the other: who comes depends on who came."""
        wards = min(len(self._ward_only), figures.citizens * _WARD_ONLY // 1000)
        self._citizens = self._citizens_of(figures.citizens - wards)
        comers = [
            *self._rng.sample(self._ward_only, wards),
            *self._citizens,
            *self._further_visits(figures.visits - wards),
        ]
        days = days_of(figures.month)
        weights = [busyness(day) for day in days]
        for resident in comers:
            day = self._free_day(resident, days, weights)
            self._visit(resident, day, Fate.STAYS)
        self._add_oddities(figures)

    def without_overlaps(self) -> Iterator[Visit]:
        """The visits; nobody is at another desk while lying in a ward."""
        desk_days: defaultdict[int, list[date]] = defaultdict(list)
        for visit in self.visits:
            if visit.care_type is not CareType.INPATIENT:
                desk_days[visit.resident.number].append(visit.service_end)
        for visit in self.visits:
            earlier = [
                day
                for day in desk_days[visit.resident.number]
                if visit.service_start <= day < visit.service_end
            ]
            if visit.care_type is CareType.INPATIENT and earlier:
                admitted = max(earlier) + timedelta(days=1)
                yield replace(visit, service_start=admitted)
            else:
                yield visit

    def _citizens_of(self, number: int) -> list[Resident]:
        """Most of last month's citizens, and new ones for the rest."""
        known = {resident.number for resident in self._citizens}
        returning = min(number, len(known) * _RETURNING_PERCENT // 100)
        fresh = [person for person in self._walk_ins if person.number not in known]
        return self._rng.sample(self._citizens, returning) + self._rng.sample(
            fresh, number - returning
        )

    def _free_day(
        self, resident: Resident, days: Sequence[date], weights: Sequence[int]
    ) -> date:
        """A day on which the person is at no desk yet, where one can be found."""
        day = days[0]
        for _ in range(_DAY_TRIES):
            day = self._rng.choices(days, weights=weights)[0]
            if (resident.number, day) not in self._busy:
                break
        return day

    def _further_visits(self, visits: int) -> list[Resident]:
        """Who comes more than once: the frail more often, nobody without bound."""
        further: list[Resident] = []
        count = dict.fromkeys((person.number for person in self._citizens), 1)
        weights = [self._frailty[person.number] for person in self._citizens]
        while len(further) < visits - len(self._citizens):
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
            visit = self._visit(model.resident, model.service_end, Fate.REFUNDED)
            self._replace(visit, undone_at=self._refund_instant(visit))
        for _ in range(_share(figures, _WITHOUT_AID)):
            model = self._rng.choice(month)
            other = self._rng.choice(self._walk_ins)
            self._visit(other, model.service_end, Fate.WITHOUT_AID)

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

    def _visit(self, resident: Resident, day: date, fate: Fate) -> Visit:
        care_type = self._care_type(resident, day)
        stay = self._rng.randrange(3, 15) if care_type is CareType.INPATIENT else 0
        visit = Visit(
            number=len(self.visits) + 1,
            resident=resident,
            hospital=self._hospital(resident, care_type),
            care_type=care_type,
            service_start=day - timedelta(days=stay),
            at=instant_on(self._rng, day, care_type),
            shape=draw_shape(self._rng, care_type, fate),
            diagnoses=(self._rng.choice(DIAGNOSES[care_type]),),
            fate=fate,
        )
        self._busy.add((resident.number, day))
        self.visits.append(visit)
        return visit

    def _usual_care(self, resident: Resident) -> dict[CareType, int]:
        """The mix of care for which the person's categories receive aid."""
        categories = [window.category for window in resident.windows]
        return {
            care_type: weight
            for care_type, weight in CARE_MIX.items()
            if any(self._aidable[category, care_type] for category in categories)
        }

    def _care_type(self, resident: Resident, day: date) -> CareType:
        """What the person comes for; nobody has two stays in one month."""
        mix = self._care[resident.number]
        care_type = self._rng.choices(list(mix), weights=list(mix.values()))[0]
        if care_type is not CareType.INPATIENT:
            return care_type
        stay = (resident.number, month_of(day))
        if stay in self._stays and CareType.OUTPATIENT in mix:
            return CareType.OUTPATIENT
        self._stays.add(stay)
        return care_type

    def _hospital(self, resident: Resident, care_type: CareType) -> Hospital:
        """One of the person's usual hospitals; wards are in the larger ones."""
        if care_type is CareType.INPATIENT:
            return self._rng.choice([h for h in HOSPITALS if h.level > 1])
        return self._rng.choice(self._usual[resident.number])


def _share(figures: MonthFigures, per_thousand: int) -> int:
    return max(1, figures.visits * per_thousand // 1000)
