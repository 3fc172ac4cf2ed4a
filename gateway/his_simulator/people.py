"""Invented persons with cards; region 99 is no province's, so nobody is one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from gateway.demo.identities import card_number, id_number
from gateway.his_simulator.faults import drawing

AREA = "990104"
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏"
_GIVEN = "子丑寅卯辰巳午未申酉戌亥甲乙丙丁戊己庚辛"
_CATEGORIES = ("tekun", "guer", "dibao", "dibao", "dibao", "dibao_bianyuan", "dishouru")
#: Social insurance: employees have accounts, residents have none.
EMPLOYEES, RESIDENTS = "310", "390"
_STRANGERS_OF_100 = 12


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who comes to a window."""

    number: int
    card: str
    id_number: str
    name: str
    birth_on: date
    insutype: str
    balance_fen: int
    """Of the personal account, when the day begins."""
    category: str
    """Empty: on no roster of aid."""

    @property
    def psn_no(self) -> str:
        """The national platform's number of the person."""
        return f"{AREA}00000000000000{self.number:06d}"

    @property
    def token(self) -> str:
        """What an e-voucher shows; only the national platform knows whose it is."""
        return f"ECV{AREA}{self.number:012d}"


def make_people(seed: int, count: int) -> tuple[Person, ...]:
    """So many persons; about one in eight is not on the roster."""
    draw = drawing(seed, "people")
    people = []
    for number in range(1, count + 1):
        # Thirty thousand days: nobody shares a birthday and a sequence number.
        birth_on = date(1930, 1, 1) + timedelta(days=number * 83 % 29_800)
        insutype = draw.choice((EMPLOYEES, RESIDENTS, RESIDENTS))
        is_stranger = draw.randrange(100) < _STRANGERS_OF_100
        category = "" if is_stranger else draw.choice(_CATEGORIES)
        people.append(
            Person(
                number=number,
                card=card_number("S", 20_000_000 + 91 * number),
                id_number=id_number(AREA, birth_on, number % 1_000),
                name=draw.choice(_SURNAMES) + draw.choice(_GIVEN) + draw.choice(_GIVEN),
                birth_on=birth_on,
                insutype=insutype,
                balance_fen=draw.randrange(40_000) if insutype == EMPLOYEES else 0,
                category=category,
            )
        )
    return tuple(people)
