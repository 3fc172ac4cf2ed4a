"""When people come to a hospital: the days and hours of a real week, and growth."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from random import Random

from settlement.domain.bill import CareType
from settlement.domain.calendar import SHANGHAI

FIRST_DAY = date(2014, 6, 1)
LAST_DAY = date(2014, 8, 31)

#: Monday to Sunday: Monday is the rush, Sunday the duty rota.
_WEEKDAYS = (122, 108, 104, 100, 98, 55, 38)
#: Dragon Boat Festival: staffed as on a Sunday.
_HOLIDAYS = frozenset({date(2014, 6, 2)})

#: Outpatients come when the windows open, and again after the noon rest.
_DAY_HOURS = {7: 3, 8: 14, 9: 20, 10: 17, 11: 10, 12: 2, 13: 9, 14: 12, 15: 8, 16: 4}
#: Emergencies come at any hour, most of them in the evening.
_ALL_HOURS = dict.fromkeys(range(8), 2) | dict.fromkeys(range(8, 24), 4)
_ALL_HOURS |= {19: 8, 20: 9, 21: 8, 22: 6}
#: Wards discharge after the morning round.
_DISCHARGE_HOURS = {9: 5, 10: 14, 11: 12, 13: 4, 14: 8, 15: 6, 16: 2}

_HOURS = {
    CareType.OUTPATIENT: _DAY_HOURS,
    CareType.OUTPATIENT_SPECIAL: _DAY_HOURS,
    CareType.EMERGENCY: _ALL_HOURS,
    CareType.INPATIENT: _DISCHARGE_HOURS,
}


def days_of(month: str) -> tuple[date, ...]:
    """The days of a month `YYYY-MM` of the pilot."""
    first = date.fromisoformat(f"{month}-01")
    return tuple(
        day
        for day in (first + timedelta(days=offset) for offset in range(31))
        if day.month == first.month
    )


def busyness(day: date) -> int:
    """How many come on the day beside other days: week, holidays, steady growth."""
    weekday = 6 if day in _HOLIDAYS else day.weekday()
    growth = 200 + 9 * (day - FIRST_DAY).days
    return growth * _WEEKDAYS[weekday]


def instant_on(rng: Random, day: date, care_type: CareType) -> datetime:
    """An instant of the day in Shanghai at which such a bill is made."""
    hours = _HOURS[care_type]
    hour = rng.choices(list(hours), weights=list(hours.values()))[0]
    at = time(hour, rng.randrange(60), rng.randrange(60), tzinfo=SHANGHAI)
    return datetime.combine(day, at)
