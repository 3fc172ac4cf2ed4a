"""A year of honest visits for one city, by a seed: what detectors must leave alone.

Most persons come 1 to 8 times a year; 1.7 % of visits fall on days with two
hospitals; dialysis, chemotherapy and daily rehabilitation bring some persons above
150. Around these stands what looks like misuse and is none: prescriptions fetched a
few days early, infusions day by day, referrals on the same day, transfers, a bill for
the laboratory after the one for the doctor, a wound dressed every second day, couples
who come together, refunds, corrections, answers that never came. All invented.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from tests.bench.alerts_visits import Visit

YEAR = 2025
_LAST = date(YEAR, 12, 31)
_ACUTE = (
    "J06.9", "J20.9", "K29.7", "M54.5", "N39.0", "H10.9", "L30.9", "R51", "K04.0",
    "S93.4", "B34.9", "J18.9", "A09", "R10.4", "N20.0", "M25.5", "H66.9", "R42",
)  # fmt: skip
_CHRONIC = ("I10", "E11.9", "I25.1", "J44.9", "F20.9", "K73.9", "G40.9", "M06.9")
_CANCERS = ("C34.9", "C50.9", "C16.9", "C18.9", "C22.0")
_GRAVE = ("I63.9", "I50.0", "S72.0", "K80.2", "J18.9", "E11.7", "K35.8", "O80")
_SIZES = ((1, 45), (2, 28), (3, 16), (4, 8), (5, 3))
"""Persons of a household on the roster, and how many of a hundred have that size."""


@dataclass(frozen=True, slots=True)
class Facility:
    """A hospital of the city."""

    code: str
    level: int
    desks: int


def facilities() -> list[Facility]:
    """Twenty-six community hospitals, eight of the second level, three of the third."""
    return [
        Facility(f"C{number:02d}", level, desks)
        for number, (level, desks) in enumerate(
            [(1, 2)] * 26 + [(2, 4)] * 8 + [(3, 8)] * 3, start=1
        )
    ]


@dataclass(frozen=True, slots=True)
class _Person:
    code: str
    household: str
    home: Facility
    near: Facility
    """The larger hospital that they go to."""


class _City:
    """Makes visits one after another; owned by one call of `city`."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(f"city {seed}")
        self.visits: list[Visit] = []
        self.by_level: defaultdict[int, list[Facility]] = defaultdict(list)
        for one in facilities():
            self.by_level[one.level].append(one)
        self.elsewhere_in_stay: set[str] = set()
        """Examinations that only another hospital can make, during a stay."""
        self._serial = 0

    def number(self) -> str:
        """A visit number that tells nothing."""
        self._serial += 1
        text = f"city {self.seed} {self._serial}"
        return "V" + hashlib.sha256(text.encode()).hexdigest()[:16]

    def visit(
        self,
        person: _Person,
        place: Facility,
        day: date,
        dx: str,
        total_fen: int,
        care: str = "outpatient",
        *,
        share: float | None = None,
        at: datetime | None = None,
        days: int = 0,
        prescription_days: int | None = None,
    ) -> None:
        """One visit, unless it falls outside the year."""
        if not date(YEAR, 1, 1) <= day <= _LAST or day + timedelta(days) > _LAST:
            return
        start = at or datetime.combine(day, self._hour(care))
        end = start + timedelta(days=days, minutes=20)
        if end.date() != day and not days:
            end = start
        insured = share if share is not None else self.random.uniform(0.45, 0.75)
        self.visits.append(
            Visit(
                visit_id=self.number(),
                person=person.code,
                household=person.household,
                facility=place.code,
                care_type=care,
                start=start,
                end=end,
                dx=dx,
                total_fen=total_fen,
                insurer_fen=int(total_fen * insured),
                prescription_days=prescription_days,
            )
        )

    def _hour(self, care: str) -> time:
        """When a bill is made: most in the morning, an emergency at any hour."""
        if care == "emergency":
            minute = self.random.randrange(24 * 60)
        elif self.random.random() < 0.65:
            minute = int(self.random.triangular(8 * 60, 12 * 60, 9.5 * 60))
        else:
            minute = int(self.random.triangular(13 * 60 + 30, 17 * 60 + 30, 15 * 60))
        return time(minute // 60, minute % 60, self.random.randrange(60))

    def amount(self, median_fen: int, spread: float = 0.7) -> int:
        """A bill of that order, to the jiao."""
        return (
            max(500, int(self.random.lognormvariate(0, spread) * median_fen)) // 10 * 10
        )

    def day(self) -> date:
        """Any day of the year, fewer on Sundays."""
        while True:
            day = date(YEAR, 1, 1) + timedelta(self.random.randrange(365))
            if day.weekday() != 6 or self.random.random() < 0.3:
                return day

    def chance(self, share: float) -> bool:
        """Whether it happens this time."""
        return self.random.random() < share

    def elsewhere(self, place: Facility) -> Facility:
        """Another hospital, a larger one as a rule."""
        while True:
            level = self.random.choices((1, 2, 3), (20, 45, 35))[0]
            other = self.random.choice(self.by_level[level])
            if other != place:
                return other


def city(seed: int, persons: int = 20_000) -> list[Visit]:
    """The honest visits of so many persons, in the order of their times."""
    making = _City(seed)
    for person in _persons(making, persons):
        _ordinary(making, person)
        kind = making.random.random()
        if kind < 0.15:
            _chronic(making, person)
        elif kind < 0.1520:
            _dialysis(making, person)
        elif kind < 0.1555:
            _chemotherapy(making, person)
        elif kind < 0.1563:
            _rehabilitation(making, person)
        if making.chance(0.07):
            _stay(making, person)
    _absent_while_in_hospital(making)
    _in_turn(making)
    _couples(making)
    _families(making)
    at_desks = _at_desks(making)
    return sorted(_undone(making, at_desks), key=lambda visit: visit.start)


def _persons(making: _City, count: int) -> Iterator[_Person]:
    made = household = 0
    while made < count:
        size = making.random.choices(*zip(*_SIZES, strict=True))[0]
        household += 1
        home = making.random.choice(making.by_level[1])
        for _ in range(min(size, count - made)):
            made += 1
            near = making.random.choice(
                making.by_level[making.random.choice((2, 2, 3))]
            )
            yield _Person(
                f"P{making.seed}-{made:06d}", f"H{making.seed}-{household}", home, near
            )


def _ordinary(making: _City, person: _Person) -> None:
    """Colds and sprains: one to eight visits, few with more."""
    count = min(12, 1 + int(making.random.expovariate(1 / 2.0)))
    for _ in range(count):
        day, dx = making.day(), making.random.choice(_ACUTE)
        place = person.home if making.chance(0.6) else person.near
        if making.chance(0.06):
            making.visit(
                person, person.near, day, dx, making.amount(38000), "emergency"
            )
            continue
        making.visit(person, place, day, dx, making.amount(16000))
        _after(making, person, place, day, dx)


def _after(making: _City, person: _Person, place: Facility, day: date, dx: str) -> None:
    """What one visit may bring with it, none of it misuse."""
    fate = making.random.random()
    for share, brings in _BRINGS:
        fate -= share
        if fate < 0:
            brings(making, person, place, day, dx)
            return


def _laboratory(
    making: _City, person: _Person, place: Facility, day: date, dx: str
) -> None:
    """The laboratory or the drugs are a bill of their own."""
    for _ in range(making.random.choice((1, 1, 1, 2))):
        making.visit(person, place, day, dx, making.amount(9000))


def _second_department(
    making: _City, person: _Person, place: Facility, day: date, _: str
) -> None:
    """Two departments on one way."""
    dx = making.random.choice(_ACUTE)
    making.visit(person, place, day, dx, making.amount(12000))


def _referral(
    making: _City, person: _Person, place: Facility, day: date, dx: str
) -> None:
    """Sent on to another hospital the same day, or there by choice."""
    other = dx if making.chance(0.35) else making.random.choice(_ACUTE)
    elsewhere = making.elsewhere(place)
    making.visit(person, elsewhere, day, other, making.amount(30000))


def _infusions(
    making: _City, person: _Person, place: Facility, day: date, dx: str
) -> None:
    """An infusion on each of some days, at one price."""
    price = making.amount(9000, 0.3)
    for step in range(1, making.random.choice((3, 3, 5))):
        making.visit(person, place, day + timedelta(step), dx, price)


def _dressings(
    making: _City, person: _Person, place: Facility, day: date, _: str
) -> None:
    """A wound dressed every second day."""
    for step in range(1, making.random.randrange(3, 6)):
        later = day + timedelta(2 * step)
        making.visit(person, place, later, "T14.1", making.amount(3500, 0.2))


def _check(making: _City, person: _Person, place: Facility, day: date, dx: str) -> None:
    """Seen again after some days."""
    later = day + timedelta(making.random.randrange(3, 15))
    making.visit(person, place, later, dx, making.amount(8000))


def _sessions(making: _City, person: _Person, _: Facility, day: date, dx: str) -> None:
    """Eight to eleven sessions, a day between."""
    for step in range(1, making.random.randrange(8, 12)):
        later = day + timedelta(step * 2)
        making.visit(person, person.home, later, dx, making.amount(9000, 0.1))


_BRINGS = (
    (0.014, _laboratory),
    (0.011, _second_department),
    (0.0125, _referral),
    (0.005, _infusions),
    (0.003, _dressings),
    (0.020, _check),
    (0.003, _sessions),
)


def _chronic(making: _City, person: _Person) -> None:
    """A prescription for thirty days each month, some days early as a rule."""
    dx = making.random.choice(_CHRONIC)
    price = making.amount(22000, 0.5)
    day = date(YEAR, 1, 1) + timedelta(making.random.randrange(30))
    while day <= _LAST:
        if making.chance(0.9):
            bill = int(price * making.random.uniform(0.9, 1.1))
            making.visit(person, person.home, day, dx, bill, prescription_days=30)
        early = making.random.choices((0, 1, 2, 3, 5, 7), (30, 22, 20, 15, 9, 4))[0]
        day += timedelta(30 - early + making.random.choice((0, 0, 0, 1, 3, 6)))


def _dialysis(making: _City, person: _Person) -> None:
    """Three times a week at one hospital, the same price each time."""
    place, price = person.near, making.random.choice((40000, 42000, 45500))
    first = date(YEAR, 1, 1 + making.random.randrange(2))
    hour = time(making.random.choice((7, 12, 17)), making.random.randrange(60))
    for week in range(53):
        for step in (0, 2, 4):
            day = first + timedelta(week * 7 + step)
            if making.chance(0.985):
                minutes = making.random.randrange(40)
                at = datetime.combine(day, hour) + timedelta(minutes=minutes)
                making.visit(
                    person, place, day, "N18.6", price, "outpatient_special",
                    share=0.7, at=at,
                )  # fmt: skip


def _chemotherapy(making: _City, person: _Person) -> None:
    """Three days in every three weeks; some are also given rays each working day."""
    dx = making.random.choice(_CANCERS)
    start, price = making.day(), making.amount(110000, 0.3)
    for cycle in range(making.random.randrange(6, 14)):
        for step in range(3):
            day = start + timedelta(cycle * 21 + step)
            total = int(price * making.random.uniform(0.9, 1.1))
            making.visit(person, person.near, day, dx, total, "outpatient_special")
    if making.chance(0.4):
        for step in range(42):
            day = start + timedelta(70 + step)
            if day.weekday() < 5:
                making.visit(
                    person, person.near, day, "Z51.0", 62000, "outpatient_special"
                )


def _rehabilitation(making: _City, person: _Person) -> None:
    """Each working day, most of the year."""
    for step in range(365):
        day = date(YEAR, 1, 1) + timedelta(step)
        if day.weekday() < 5 and making.chance(0.8):
            making.visit(person, person.home, day, "I69.3", making.amount(12000, 0.1))


def _stay(making: _City, person: _Person) -> None:
    """A stay, often from the emergency room, sometimes carried on elsewhere."""
    day, dx = making.day(), making.random.choice(_GRAVE)
    days = min(40, 2 + int(making.random.expovariate(1 / 6)))
    if making.chance(0.4):
        making.visit(person, person.near, day, dx, making.amount(60000), "emergency")
    making.visit(person, person.near, day, dx, making.amount(900000), "inpatient",
                 share=making.random.uniform(0.55, 0.8), days=days)  # fmt: skip
    out = day + timedelta(days)
    if making.chance(0.08):  # moved to another hospital on the day of leaving
        making.visit(person, making.elsewhere(person.near), out, dx,
                     making.amount(700000), "inpatient",
                     days=making.random.randrange(2, 12))  # fmt: skip
    elif making.chance(0.25):  # drugs to take home
        making.visit(person, person.near, out, dx, making.amount(20000),
                     prescription_days=14)  # fmt: skip
    if making.chance(0.012):  # an examination that only another hospital can make
        inside = day + timedelta(making.random.randrange(1, max(2, days)))
        making.visit(person, making.elsewhere(person.near), inside, dx,
                     making.amount(60000))  # fmt: skip
        making.elsewhere_in_stay.add(making.visits[-1].visit_id)
    if making.chance(0.10):  # and the checks after it
        for week in (2, 4, 8):
            later = out + timedelta(7 * week)
            making.visit(person, person.near, later, dx, making.amount(15000))


def _absent_while_in_hospital(making: _City) -> None:
    """Who lies in hospital misses what was planned elsewhere."""
    stays: defaultdict[str, list[Visit]] = defaultdict(list)
    for visit in making.visits:
        if visit.is_stay:
            stays[visit.person].append(visit)
    making.visits = [
        visit
        for visit in making.visits
        if visit.is_stay
        or visit.visit_id in making.elsewhere_in_stay
        or not any(
            stay.day < visit.day < stay.end.date() for stay in stays[visit.person]
        )
    ]


def _in_turn(making: _City) -> None:
    """Nobody is at two places at once: the visits of a day follow one another."""
    by_day: defaultdict[tuple[str, date], list[Visit]] = defaultdict(list)
    for visit in making.visits:
        by_day[visit.person, visit.day].append(visit)
    starts: dict[str, datetime] = {}
    for visits in by_day.values():
        visits.sort(key=lambda one: (one.start, one.visit_id))
        for before, visit in pairwise(visits):
            free = starts.get(before.visit_id, before.start)
            way = (5, 60) if visit.facility == before.facility else (50, 150)
            least = free + timedelta(minutes=making.random.randrange(*way))
            if visit.start < least and least.date() == visit.day:
                starts[visit.visit_id] = least
    making.visits = [_moved(visit, starts) for visit in making.visits]


def _couples(making: _City) -> None:
    """Two old people of one household fetch their drugs on the same way."""
    by_household: defaultdict[str, dict[str, list[Visit]]] = defaultdict(dict)
    for visit in making.visits:
        if visit.prescription_days == 30:
            theirs = by_household[visit.household]
            theirs.setdefault(visit.person, []).append(visit)
    together: dict[str, datetime] = {}
    for theirs in by_household.values():
        if len(theirs) < 2 or not making.chance(0.3):
            continue
        one, other = list(theirs.values())[:2]
        for mine, spouse in zip(one, other, strict=False):
            together[spouse.visit_id] = mine.start + timedelta(minutes=2)
    making.visits = [_moved(visit, together) for visit in making.visits]


def _families(making: _City) -> None:
    """A cold that goes round: all of a household in one hour, once."""
    by_household: defaultdict[str, list[Visit]] = defaultdict(list)
    for visit in making.visits:
        by_household[visit.household].append(visit)
    for visits in by_household.values():
        persons = {visit.person for visit in visits}
        if len(persons) < 2 or not making.chance(0.05):
            continue
        first = making.random.choice(visits)
        if first.is_stay:
            continue
        for number, person in enumerate(sorted(persons - {first.person}), start=1):
            at = first.start + timedelta(minutes=3 * number)
            making.visits.append(
                replace(first, visit_id=making.number(), person=person, dx="J06.9",
                        care_type="outpatient", start=at, end=at,
                        total_fen=making.amount(12000), insurer_fen=0,
                        prescription_days=None)
            )  # fmt: skip


def _moved(visit: Visit, starts: dict[str, datetime]) -> Visit:
    at = starts.get(visit.visit_id)
    if at is None:
        return visit
    return replace(visit, start=at, end=at if not visit.is_stay else visit.end)


def _at_desks(making: _City) -> list[Visit]:
    """Who served each: desks in two shifts, one patient after another."""
    desks = {one.code: one.desks for one in facilities()}
    queues: defaultdict[tuple[str, date, int, str], list[Visit]] = defaultdict(list)
    for visit in making.visits:
        shift = 0 if visit.start.hour < 13 else 1 if visit.start.hour < 18 else 2
        # A household stands in one queue.
        at = visit.household + str(visit.day)
        desk = sum(at.encode()) % (desks[visit.facility] if shift < 2 else 1)
        # Staff change desks from day to day.
        person = (desk + visit.day.toordinal() + shift * 3) % (
            desks[visit.facility] * 3
        )
        operator = f"{visit.facility}-{person + 1:02d}"
        queues[visit.facility, visit.day, shift, operator].append(visit)
    served = []
    for (_, _, _, operator), queue in queues.items():
        waiting = sorted(queue, key=lambda one: one.start)
        free = waiting[0].start
        for visit in waiting:
            start = max(visit.start, free)
            free = start + timedelta(seconds=making.random.randrange(45, 150))
            length = visit.end - visit.start
            served.append(
                replace(visit, operator=operator, start=start, end=start + length)
            )
    return served


def _undone(making: _City, visits: list[Visit]) -> Iterator[Visit]:
    """Refunds, corrections and answers that never came; nearly all claimed again."""
    for visit in visits:
        fate = making.random.random()
        if fate < 0.012:
            yield from _corrected(making, visit)
        elif fate < 0.015:
            seconds = making.random.randrange(20, 90)
            at = visit.start + timedelta(seconds=seconds)
            yield replace(visit, reversed_at=at, reversal_reason="timeout")
            yield replace(visit, visit_id=making.number(), start=at,
                          end=max(visit.end, at))  # fmt: skip
        else:
            yield visit


def _corrected(making: _City, visit: Visit) -> Iterator[Visit]:
    """Undone within days; then right, at the second or rarely the third attempt."""
    kind = making.random.choice(("refund", "mistake"))
    wait = timedelta(minutes=making.random.choice((3, 10, 45, 24 * 60)))
    yield replace(visit, reversed_at=visit.end + wait, reversal_reason=kind)
    if kind == "refund" and making.chance(0.7):
        return
    attempts = 2 if making.chance(0.03) else 1
    for attempt in range(1, attempts + 1):
        at = visit.start + timedelta(minutes=7 * attempt)
        total = int(visit.total_fen * making.random.uniform(0.6, 1.1))
        again = replace(visit, visit_id=making.number(), start=at,
                        end=max(visit.end, at), total_fen=total,
                        insurer_fen=int(total * 0.55))  # fmt: skip
        if attempt < attempts:
            again = replace(again, reversed_at=at + wait, reversal_reason="mistake")
        yield again
