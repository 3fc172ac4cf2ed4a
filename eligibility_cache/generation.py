"""A made-up roster of any size: the same seed gives the same bytes.

Nobody in it can exist: identity numbers begin with 9901, a province that no register
has; check digits and birth dates are as GB 11643 wants them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from stdnum.cn import ric

from eligibility_cache.roster_rows import REQUIRED_COLUMNS

HEADER = ",".join(REQUIRED_COLUMNS)
SUBDISTRICTS = 13
AS_OF = date(2026, 1, 1)
"""The day around which windows lie, unless said otherwise."""
PERSONS_MAX = 300_000_000

_PROVINCE = "9901"
_FIRST_BIRTH = date(1930, 1, 1)
#: Birth days that occur, and a stride that visits each of them once.
_BIRTH_DAYS = 30_000
_STRIDE = 7_919
_HOUSEHOLD_SIZES = (1, 1, 2, 2, 3, 3, 4)
#: Of a hundred windows; the others are open.
_EXPIRED, _FUTURE, _BOUNDED = 10, 3, 7
#: Of a hundred persons.
_WITH_SECOND_CATEGORY = 5
_BIRTHS = tuple(
    (_FIRST_BIRTH + timedelta(days=day)).strftime("%Y%m%d")
    for day in range(_BIRTH_DAYS)
)


class RosterGenerator:
    """Makes the lines of one full file; every call of `lines` starts anew."""

    def __init__(
        self, spellings: Mapping[str, Sequence[str]], seed: int, as_of: date = AS_OF
    ) -> None:
        """Take how rosters write each category, by category id."""
        self._spellings = [tuple(spellings[name]) for name in sorted(spellings)]
        self._seed = seed
        self._as_of = as_of
        self._random = random.Random(seed)  # noqa: S311 - it has to repeat

    def lines(self, persons: int) -> Iterator[str]:
        """Lines without header and line ends; every person has one, some a second.

        Households of one to four share sub-district and category. Every category
        occurs, and so do expired, bounded and future windows.
        """
        self._random = random.Random(self._seed)  # noqa: S311 - it has to repeat
        person = household = 0
        while person < persons:
            household += 1
            category = household % len(self._spellings)
            subdistrict = self._random.randint(1, SUBDISTRICTS)
            size = self._random.choice(_HOUSEHOLD_SIZES)
            for _ in range(min(size, persons - person)):
                place = f"H{household:09d}", f"{_PROVINCE}01{subdistrict:03d}"
                yield self._line(person, category, *place)
                if self._random.randrange(100) < _WITH_SECOND_CATEGORY:
                    second = (category + 1) % len(self._spellings)
                    yield self._line(person, second, *place)
                person += 1

    def _line(
        self, person: int, category: int, household: str, subdistrict: str
    ) -> str:
        spelling = self._random.choice(self._spellings[category])
        valid_from, valid_to = self._window()
        return (
            f"upsert,{self._card_number(person)},{self._id_number(person)},"
            f"虚构{person:09d},{household},{spelling},{subdistrict},"
            f"{valid_from.isoformat()},{valid_to.isoformat() if valid_to else ''},"
        )

    def _id_number(self, person: int) -> str:
        area, rest = person % SUBDISTRICTS, person // SUBDISTRICTS
        birth = _BIRTHS[(rest * _STRIDE + self._seed) % _BIRTH_DAYS]
        body = f"{_PROVINCE}{area + 1:02d}{birth}{rest // _BIRTH_DAYS:03d}"
        return body + ric.calc_check_digit(body + "0")

    @staticmethod
    def _card_number(person: int) -> str:
        return f"F{person:09d}"

    def _window(self) -> tuple[date, date | None]:
        kind = self._random.randrange(100)
        start = self._as_of - timedelta(days=self._random.randrange(400, 4000))
        if kind < _EXPIRED:
            return start, self._as_of - timedelta(days=self._random.randrange(1, 400))
        if kind < _EXPIRED + _FUTURE:
            return self._as_of + timedelta(days=self._random.randrange(1, 200)), None
        if kind < _EXPIRED + _FUTURE + _BOUNDED:
            return start, self._as_of + timedelta(days=self._random.randrange(1, 400))
        return start, None
