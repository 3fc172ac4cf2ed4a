"""The day, before it is played: who comes where, with what, and what is done then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from gateway.his_simulator.clients import Client
from gateway.his_simulator.faults import Strike, Weather, drawing
from gateway.his_simulator.insurance import Cost
from gateway.his_simulator.people import Person

_OPENS, _MINUTES_OPEN = time(7, 30), 600
_MED_TYPES = ("11", "11", "11", "11", "13", "140104", "21", "21")
_INPATIENT = frozenset({"21"})
_CERTIFICATES = ("03", "03", "03", "02", "02", "01")
_CANCELLED_OF_100 = 9
_AIDED_ELSEWHERE_OF_100 = 2
_ASKS_ANYWAY_OF_100 = 40
_OUTPATIENT, _WARD = (2_000, 90_000), (200_000, 3_500_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One charge of one person at one window."""

    place: int
    """Of the hospital."""
    mdtrt_id: str
    person: Person
    at: datetime
    """On the wall clock of the plan; nobody waits for it."""
    cert_type: str
    med_type: str
    clr_type: str
    cost: Cost
    uses_account: bool
    is_aided_elsewhere: bool
    """The national platform has paid aid already."""
    asks_anyway: bool
    """The HIS settles also where 1101 has named no identity."""
    cancels: bool
    settles_anew: bool
    """After a reversal the cashier settles the charge again."""
    strike: Strike | None

    @property
    def day(self) -> date:
        """The day of service."""
        return self.at.date()

    @property
    def cert_no(self) -> str:
        """What the patient shows."""
        shown = {"01": self.person.token, "02": self.person.id_number}
        return shown.get(self.cert_type, self.person.card)


@dataclass(frozen=True, slots=True)
class Day:
    """Every hospital's visits, in the order in which its windows call them."""

    on: date
    visits: tuple[tuple[Visit, ...], ...]

    @property
    def count(self) -> int:
        """Of all hospitals."""
        return sum(map(len, self.visits))


def make_day(
    weather: Weather,
    on: date,
    clients: Sequence[Client],
    people: Sequence[Person],
    visits: int,
) -> Day:
    """The same for the same seed, day, hospitals and persons."""
    draw = drawing(weather.seed, "day")
    order = list(people)
    draw.shuffle(order)
    shares = [visits // len(clients)] * len(clients)
    for place in range(visits % len(clients)):
        shares[place] += 1
    planned: list[tuple[Visit, ...]] = []
    come = 0
    for place, count in enumerate(shares):
        minutes = sorted(draw.randrange(_MINUTES_OPEN) for _ in range(count))
        hospital = []
        for number, minute in enumerate(minutes):
            # Seconds are the visit's number, so that no two message ids are alike.
            at = datetime.combine(on, _OPENS) + timedelta(
                minutes=minute, seconds=number % 60
            )
            person = order[come % len(order)]
            come += 1
            code = clients[place].fixmedins_code
            hospital.append(_visit(weather, place, code, number, person, at))
        planned.append(tuple(hospital))
    return Day(on, tuple(planned))


def _visit(
    weather: Weather, place: int, code: str, number: int, person: Person, at: datetime
) -> Visit:
    mdtrt_id = f"MZ{at:%Y%m%d}{place + 1:03d}{number + 1:05d}"
    draw = drawing(weather.seed, "visit", code, mdtrt_id)
    med_type = draw.choice(_MED_TYPES)
    strike = weather.strike(code, mdtrt_id)
    is_struck_later = strike is not None and strike.infno == "2208"
    low, high = _WARD if med_type in _INPATIENT else _OUTPATIENT
    in_policy = draw.randrange(low, high)
    return Visit(
        place=place,
        mdtrt_id=mdtrt_id,
        person=person,
        at=at,
        cert_type=draw.choice(_CERTIFICATES),
        med_type=med_type,
        clr_type="21" if med_type in _INPATIENT else "11",
        cost=Cost(
            self_funded_fen=draw.randrange(in_policy // 8 + 1),
            over_limit_fen=draw.choice((0, 0, draw.randrange(2_000))),
            pre_selfpay_fen=draw.randrange(in_policy // 12 + 1),
            in_policy_fen=in_policy,
        ),
        uses_account=draw.randrange(2) == 1,
        is_aided_elsewhere=draw.randrange(100) < _AIDED_ELSEWHERE_OF_100,
        asks_anyway=draw.randrange(100) < _ASKS_ANYWAY_OF_100,
        cancels=draw.randrange(100) < _CANCELLED_OF_100 or is_struck_later,
        settles_anew=draw.randrange(2) == 1,
        strike=strike,
    )
