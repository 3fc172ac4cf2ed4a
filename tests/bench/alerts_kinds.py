"""How each kind of misuse is made from honest visits: one function a kind.

Whoever plants reads the issue, not the detectors: so each kind comes in several ways,
weak ones too, and with the amounts and diagnoses that the honest visits have.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from gateway.replay.persons import subdistrict_of
from tests.bench.alerts_visits import Visit, later

#: A bill that somebody might split.
_LARGE_FEN = 150_000
#: Half of what is planted is copied with its amounts, most of the rest nearly so.
_SAME_AMOUNT, _NEAR_AMOUNT = 0.5, 0.8


@dataclass(frozen=True, slots=True)
class Planted:
    """One piece of misuse: what was added, and which honest visits it leans on."""

    kind: str
    variant: str
    visits: tuple[Visit, ...]
    """What nobody should have claimed."""
    context: tuple[str, ...] = ()
    """Visit ids of the honest bills that belong to the pattern."""


class Soil:
    """The honest visits, ready to be planted into; owned by one planting."""

    def __init__(self, visits: Sequence[Visit], rng: random.Random) -> None:
        self.random = rng
        self.standing = [
            visit
            for visit in visits
            if visit.reversed_at is None
            and visit.total_fen > 0
            and visit.insurer_fen >= 0
            and visit.insurer_fen + visit.other_fen <= visit.total_fen
            and visit.end >= visit.start
        ]
        self.bills = [visit for visit in self.standing if not visit.is_stay]
        self.stays = [visit for visit in self.standing if visit.is_stay]
        self.large = [v for v in self.bills if v.total_fen >= _LARGE_FEN]
        self.long_stays = [v for v in self.stays if (v.end - v.start).days >= 3]
        self.prescribed = [v for v in self.bills if (v.prescription_days or 0) >= 14]
        self.facilities = sorted({visit.facility for visit in self.standing})
        self.at: defaultdict[str, list[Visit]] = defaultdict(list)
        self.households: defaultdict[str, dict[str, Visit]] = defaultdict(dict)
        self.last: dict[str, Visit] = {}
        for visit in self.standing:
            self.at[visit.facility].append(visit)
            if visit.household:
                self.households[visit.household][visit.person] = visit
            last = self.last.setdefault(visit.person, visit)
            if visit.end > last.end:
                self.last[visit.person] = visit
        self.busy = [f for f, here in sorted(self.at.items()) if 60 <= len(here) <= 900]
        self.year_end = max(visit.start for visit in self.standing)
        self._serial = 0

    def number(self) -> str:
        """A new visit number of the file's looks."""
        self._serial += 1
        text = f"{self.random.getrandbits(64)} {self._serial}"
        return "V" + hashlib.sha256(text.encode()).hexdigest()[:16]

    def again(self, visit: Visit, **changes: object) -> Visit:
        """The same once more under another number, unless changed."""
        plain = {"visit_id": self.number()}
        return replace(visit, **(plain | changes))  # type: ignore[arg-type]

    def bill(self) -> Visit:
        """Any honest outpatient bill."""
        return self.random.choice(self.bills)

    def elsewhere(self, visit: Visit, away_from: str) -> Visit:
        """The visit at a desk of another hospital, as often as people go there."""
        while True:
            model = self.random.choice(self.standing)
            if model.facility != away_from:
                return self.here(visit, model)

    def here(self, visit: Visit, desk: Visit) -> Visit:
        """The visit at the desk of another one."""
        return replace(visit, facility=desk.facility, operator=desk.operator)

    def near(self, fen: int, by: float = 0.08) -> int:
        """About the same amount, in the file's steps."""
        step = 1000 if fen % 1000 == 0 else 10
        changed = int(fen * self.random.uniform(1 - by, 1 + by))
        return max(step, changed // step * step)

    def priced(self, visit: Visit, total_fen: int) -> Visit:
        """The same with another total, the insurers' share kept."""
        insurer = visit.insurer_fen * total_fen // visit.total_fen
        other = visit.other_fen * total_fen // visit.total_fen
        return replace(visit, total_fen=total_fen, insurer_fen=insurer, other_fen=other)

    def repriced(self, visit: Visit) -> Visit:
        """With the same amounts, about the same, or any other: as people plant."""
        way = self.random.random()
        if way < _SAME_AMOUNT:
            return visit
        if way < _NEAR_AMOUNT:
            return self.priced(visit, self.near(visit.total_fen, 0.3))
        return replace(self.fresh(visit), dx=visit.dx)

    def fresh(self, visit: Visit) -> Visit:
        """Another patient's diagnosis and amounts on this visit."""
        model = self.bill()
        return replace(
            visit,
            dx=model.dx,
            total_fen=model.total_fen,
            insurer_fen=model.insurer_fen,
            other_fen=model.other_fen,
            prescription_days=None,
        )

    def moved(self, visit: Visit, **by: int) -> Visit:
        """The same at another time, under another number."""
        start, end = later(visit, **by)
        return self.again(visit, start=start, end=end)

    def on_day(self, visit: Visit, at: datetime) -> Visit:
        """A short visit at an instant, under another number."""
        return self.again(visit, start=at, end=at)


def exact_repeat(soil: Soil) -> Planted:
    """The same bill under another visit number."""
    bill = soil.bill()
    variant = soil.random.choices(
        ("same bill", "minutes later", "twice more", "stay"), (60, 20, 12, 8)
    )[0]
    if variant == "stay":
        bill = soil.random.choice(soil.stays)
    if variant == "minutes later" and bill.timed:
        copies = [soil.moved(bill, minutes=soil.random.randrange(1, 45))]
    else:
        copies = [soil.again(bill) for _ in range(2 if variant == "twice more" else 1)]
    return Planted("exact-repeat", variant, tuple(copies), (bill.visit_id,))


def same_day_hospitals(soil: Soil) -> Planted:
    """One person at several hospitals on one day."""
    bill = soil.bill()
    variant = soil.random.choices(
        ("same bill", "same diagnosis", "other bill", "three hospitals"),
        (40, 30, 10, 20),
    )[0]
    count = soil.random.choice((2, 2, 3)) if variant == "three hospitals" else 1
    made = []
    for step in range(1, count + 1):
        copy = soil.moved(bill, minutes=soil.random.randrange(40, 180) * step)
        if not bill.timed or copy.start.date() != bill.day:
            copy = soil.again(bill)
        copy = soil.elsewhere(copy, bill.facility)
        if variant == "same diagnosis":
            copy = soil.repriced(copy)
        elif variant == "other bill" or (count > 1 and soil.random.random() < 0.5):
            copy = soil.fresh(copy)
        made.append(copy)
    return Planted("same-day-hospitals", variant, tuple(made), (bill.visit_id,))


def too_frequent(soil: Soil) -> Planted:
    """More visits in a day, a week or a month than any care asks for."""
    bill = soil.bill()
    variant = soil.random.choices(
        ("day", "week", "month", "emergencies", "stays"), (30, 30, 20, 12, 8)
    )[0]
    if variant == "stays":
        bill = soil.random.choice(soil.stays)
    counts = {"day": (4, 7), "week": (6, 12), "month": (20, 35),
              "emergencies": (4, 7), "stays": (3, 5)}  # fmt: skip
    spans = {"day": 1, "week": 7, "month": 30, "emergencies": 7, "stays": 30}
    count = soil.random.randint(*counts[variant])
    roams = soil.random.random() < 0.3
    made = []
    for number in range(count):
        day = number * spans[variant] // count
        minutes = soil.random.randrange(0, 300) if variant == "day" else 0
        copy = soil.moved(bill, days=day, minutes=minutes if bill.timed else 0)
        if copy.start.date() != bill.day + timedelta(day):
            copy = soil.moved(bill, days=day)
        if variant == "emergencies":
            copy = replace(copy, care_type="emergency")
        if variant == "stays":
            copy = replace(copy, end=copy.start + timedelta(days=3))
        elif soil.random.random() < 0.6:
            copy = soil.fresh(copy)
        else:
            copy = soil.priced(copy, soil.near(bill.total_fen, 0.3))
        if roams:
            copy = soil.elsewhere(copy, bill.facility)
        made.append(copy)
    return Planted("too-frequent", variant, tuple(made), (bill.visit_id,))


def too_soon(soil: Soil) -> Planted:
    """The same diagnosis, or a prescription that is not used up, again."""
    variant = soil.random.choices(
        ("within days", "elsewhere", "within weeks", "prescription"), (40, 20, 15, 25)
    )[0]
    bill = soil.bill()
    while not bill.dx:
        bill = soil.bill()
    days = soil.random.randrange(1, 6)
    if variant == "within weeks":
        days = soil.random.randrange(6, 13)
    if variant == "prescription" and soil.prescribed:
        bill = soil.random.choice(soil.prescribed)
        days = soil.random.randrange(2, (bill.prescription_days or 30) // 2)
    copy = soil.repriced(soil.moved(bill, days=days))
    if variant == "elsewhere":
        copy = soil.elsewhere(copy, bill.facility)
    if variant == "prescription":
        copy = replace(copy, prescription_days=bill.prescription_days)
    return Planted("too-soon", variant, (copy,), (bill.visit_id,))


def during_stay(soil: Soil) -> Planted:
    """An outpatient bill while the person lies in hospital."""
    stay = soil.random.choice(soil.long_stays)
    variant = soil.random.choices(
        ("elsewhere", "same hospital", "row copied"), (45, 35, 20)
    )[0]
    made = []
    nights = (stay.end - stay.start).days
    for _ in range(soil.random.choice((1, 1, 2))):
        model = soil.bill()
        day = stay.start + timedelta(days=soil.random.randrange(1, nights))
        at = datetime.combine(day.date(), model.start.time())
        bill = replace(
            soil.here(soil.on_day(model, at), stay),
            person=stay.person,
            household=stay.household,
            timed=stay.timed,
            dx=stay.dx if soil.random.random() < 0.3 else model.dx,
        )
        if variant == "elsewhere":
            bill = soil.elsewhere(bill, stay.facility)
        if variant == "row copied":  # with the days that it spans, if it spans some
            length = model.end - model.start
            bill = soil.elsewhere(bill, stay.facility)
            bill = replace(bill, end=bill.start + length)
        made.append(bill)
    return Planted("during-stay", variant, tuple(made), (stay.visit_id,))


def overlapping_stays(soil: Soil) -> Planted:
    """Two stays at once."""
    stay = soil.random.choice(soil.long_stays)
    variant = soil.random.choices(("later", "within", "same hospital"), (50, 25, 25))[0]
    nights = (stay.end - stay.start).days
    if variant == "within":
        start = stay.start + timedelta(days=1)
        end = stay.end - timedelta(days=1)
    else:
        start = stay.start + timedelta(days=soil.random.randrange(1, nights))
        end = start + timedelta(days=soil.random.randrange(3, 12))
    copy = soil.again(stay, start=start, end=end)
    if variant != "same hospital":
        copy = soil.elsewhere(copy, stay.facility)
    if soil.random.random() < 0.5:
        copy = soil.priced(copy, soil.near(stay.total_fen, 0.5))
    return Planted("overlapping-stays", variant, (copy,), (stay.visit_id,))


def split_bills(soil: Soil) -> Planted:
    """One large bill in parts, each below a limit that they pass together."""
    variant = soil.random.choices(
        ("equal parts", "uneven parts", "over some days", "a real bill"),
        (25, 25, 20, 30),
    )[0]
    if variant == "a real bill":
        return _a_real_bill_split(soil)
    bill = soil.bill()
    limit = soil.random.choice((50_000, 100_000, 200_000))
    count = soil.random.randrange(2, 6)
    made = []
    for number in range(count):
        low = 0.96 if variant == "equal parts" else 0.55
        total = int(limit * soil.random.uniform(low, 0.995)) // 1000 * 1000
        days = number if variant == "over some days" and number < 3 else 0
        part = soil.moved(bill, days=days, minutes=number * 4 if bill.timed else 0)
        made.append(
            replace(part, total_fen=total, insurer_fen=total * 4 // 10, other_fen=0)
        )
    return Planted("split-bills", variant, tuple(made))


def _a_real_bill_split(soil: Soil) -> Planted:
    """A large bill of the file, come again some weeks later in three to six parts."""
    bill = soil.random.choice(soil.large)
    count = soil.random.randrange(3, 7)
    weights = [soil.random.uniform(1, 4) for _ in range(count)]
    days = soil.random.randrange(20, 60)
    parts = []
    for number, weight in enumerate(weights):
        total = int(bill.total_fen * weight / sum(weights)) // 1000 * 1000
        minutes = number * 4 if bill.timed else 0
        part = soil.moved(bill, days=days, minutes=minutes)
        parts.append(soil.priced(part, max(1000, total)))
    return Planted("split-bills", "a real bill", tuple(parts))


def reversal_loop(soil: Soil) -> Planted:
    """Claimed, undone and claimed again, again and again."""
    bill = soil.bill()
    variant = soil.random.choices(
        ("one day", "over days", "other bills"), (50, 30, 20)
    )[0]
    made = []
    at = bill.start
    for _ in range(soil.random.randrange(3, 7)):
        undone = at + timedelta(minutes=soil.random.randrange(2, 30))
        copy = soil.again(bill, start=at, end=max(at, bill.end))
        if variant == "other bills":
            copy = soil.priced(copy, soil.near(bill.total_fen, 0.3))
        made.append(
            replace(copy, reversed_at=undone,
                    reversal_reason=soil.random.choice(("refund", "mistake")))
        )  # fmt: skip
        step = timedelta(days=1) if variant == "over days" else timedelta(minutes=3)
        at = undone + step if bill.timed or variant == "over days" else at
        if not bill.timed:
            at = datetime.combine(at.date(), bill.start.time())
    return Planted("reversal-loop", variant, tuple(made), (bill.visit_id,))


def operator_burst(soil: Soil) -> Planted:
    """One operator puts many cards through within minutes."""
    facility = soil.random.choice(soil.busy or soil.facilities)
    here = soil.at[facility]
    variant = soil.random.choices(("own desk", "known desk"), (40, 60))[0]
    anchor = soil.random.choice(here)
    operator = anchor.operator if variant == "known desk" else ""
    operator = operator or f"op{soil.random.randrange(100):02d}"
    count = soil.random.randrange(10, 31)
    gap = soil.random.choice((5, 12, 25))
    day = datetime.combine(anchor.day, time())
    at = day + timedelta(hours=soil.random.choice((12, 17, 20, 9)), minutes=7)
    persons: dict[str, Visit] = {}
    for visit in soil.random.sample(here, min(len(here), count * 4)):
        if not visit.is_stay:
            persons.setdefault(visit.person, visit)
    made = []
    for visit in list(persons.values())[:count]:
        at += timedelta(seconds=soil.random.randrange(2, gap * 2))
        copy = soil.on_day(visit, at)
        made.append(replace(copy, operator=operator, timed=True))
    return Planted("operator-burst", variant, tuple(made))


def ended_card(soil: Soil) -> Planted:
    """A card used after the person died or was struck."""
    person = soil.random.choice(soil.bills).person
    last = soil.last[person]
    ended = last.end.date() + timedelta(days=soil.random.randrange(0, 20))
    made = []
    for _ in range(soil.random.choice((1, 1, 2, 3))):
        model = soil.bill()
        day = ended + timedelta(days=soil.random.randrange(1, 60))
        at = datetime.combine(day, model.start.time())
        made.append(
            replace(soil.on_day(model, at), person=person, household=last.household,
                    timed=last.timed, ended_on=ended)
        )  # fmt: skip
    return Planted("ended-card", "after the end", tuple(made))


def limit_edge(soil: Soil) -> Planted:
    """Amounts just below a limit, again and again."""
    bill = soil.bill()
    limit = soil.random.choice((50_000, 100_000, 150_000))
    gap = soil.random.randrange(5, 25)
    made = []
    for number in range(soil.random.randrange(5, 9)):
        total = limit - soil.random.choice((100, 200, 500, 1000))
        copy = soil.moved(bill, days=number * gap)
        made.append(replace(copy, total_fen=total, insurer_fen=0, other_fen=0))
    return Planted("limit-edge", "total", tuple(made))


def facility_outlier(soil: Soil) -> Planted:
    """A hospital that claims a good part of its bills once more, days later."""
    here = soil.at[soil.random.choice(soil.busy or soil.facilities)]
    return _claimed_once_more(soil, "facility-outlier", here, "")


def operator_outlier(soil: Soil) -> Planted:
    """The same by one operator, among others of the hospital who do not."""
    here = soil.at[soil.random.choice(soil.busy or soil.facilities)]
    operator = soil.random.choice(here).operator
    own = [visit for visit in here if visit.operator == operator]
    return _claimed_once_more(soil, "operator-outlier", own, operator or "op77")


def _claimed_once_more(
    soil: Soil, kind: str, visits: Sequence[Visit], operator: str
) -> Planted:
    first = soil.random.choice(visits).start
    until = first + timedelta(days=90)
    bills = [v for v in visits if first <= v.start < until and not v.is_stay]
    share, variant = soil.random.choice(((4, "every fourth"), (6, "every sixth")))
    chosen = soil.random.sample(bills, min(len(bills), max(10, len(bills) // share)))
    made = []
    for visit in chosen:
        copy = soil.moved(visit, days=soil.random.randrange(1, 5))
        made.append(replace(copy, operator=operator) if operator else copy)
    return Planted(
        kind, variant, tuple(made), tuple(visit.visit_id for visit in chosen)
    )


def household_lockstep(soil: Soil) -> Planted:
    """The cards of one household, one after another at one desk, again and again."""
    large = [one for _, one in sorted(soil.households.items()) if len(one) >= 3]
    if large:
        members = list(soil.random.choice(large).values())[:5]
        household = members[0].household
    else:
        here = soil.at[soil.random.choice(soil.busy or soil.facilities)]
        chosen = {visit.person: visit for visit in soil.random.sample(here, 4)}
        members, household = list(chosen.values()), f"household {soil.number()}"
    anchor = soil.random.choice(members)
    operator = anchor.operator or "op01"
    at = anchor.start - timedelta(days=soil.random.randrange(0, 60))
    made = []
    for _ in range(soil.random.randrange(4, 8)):
        for member in members:
            model = soil.bill()
            at += timedelta(seconds=soil.random.randrange(20, 120))
            made.append(
                replace(soil.on_day(model, at), person=member.person,
                        household=household, facility=anchor.facility,
                        operator=operator, timed=True)
            )  # fmt: skip
        at += timedelta(days=soil.random.randrange(5, 15))
    return Planted("household-lockstep", "whole household", tuple(made))


def impossible_travel(soil: Soil) -> Planted:
    """Two sub-districts within minutes."""
    bill = soil.bill()
    context: tuple[str, ...] = ()
    made = []
    at = bill.start
    if bill.timed:
        context = (bill.visit_id,)
    else:  # the file knows the day alone: both times are planted
        at += timedelta(minutes=soil.random.randrange(3, 400))
        made.append(replace(soil.fresh(soil.on_day(bill, at)), timed=True))
    step = timedelta(minutes=soil.random.randrange(2, 16))
    at = at + step if (at + step).date() == bill.day else at - step
    there = replace(soil.fresh(soil.on_day(bill, at)), timed=True)
    here = subdistrict_of(bill.facility)
    while subdistrict_of(there.facility) == here:
        there = soil.elsewhere(there, bill.facility)
    return Planted("impossible-travel", "minutes", (*made, there), context)


FIRST: dict[str, Callable[[Soil], Planted]] = {
    "exact-repeat": exact_repeat,
    "same-day-hospitals": same_day_hospitals,
    "too-frequent": too_frequent,
    "too-soon": too_soon,
    "during-stay": during_stay,
    "overlapping-stays": overlapping_stays,
    "split-bills": split_bills,
    "reversal-loop": reversal_loop,
    "operator-burst": operator_burst,
    "ended-card": ended_card,
}
"""The ten kinds that come first."""
LATER: dict[str, Callable[[Soil], Planted]] = {
    "limit-edge": limit_edge,
    "facility-outlier": facility_outlier,
    "operator-outlier": operator_outlier,
    "household-lockstep": household_lockstep,
    "impossible-travel": impossible_travel,
}
"""Those after them."""
