"""The roster of the demo district: households, persons, categories, windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from gateway.demo.district import DISTRICT, SUBDISTRICTS
from gateway.demo.identities import card_number, id_number

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏"
_GIVEN = "子丑寅卯辰巳午未申酉戌亥甲乙丙丁戊己庚辛"

#: How common a category is beside the others; ids as packs name them.
_CATEGORY_WEIGHTS = {"tekun": 8, "guer": 3, "dibao": 46, "dishouru": 16, "yinbing": 4}
_USUAL_WEIGHT = 11

#: Persons in a household, and how many of ten households have that size.
_HOUSEHOLD_SIZES = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4)


@dataclass(frozen=True, slots=True)
class RosterWindow:
    """One row of the roster for a person: a category and its days."""

    category: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Resident:
    """One invented person with a card, on the roster or not."""

    number: int
    card: str
    id_number: str
    name: str
    household: str
    subdistrict: str
    birth_on: date
    windows: tuple[RosterWindow, ...]
    """Empty for a person who is on no roster."""

    def categories_on(self, day: date) -> tuple[str, ...]:
        """The categories whose windows cover the day, in roster order."""
        return tuple(
            window.category
            for window in self.windows
            if window.valid_from <= day
            and (window.valid_to is None or day <= window.valid_to)
        )


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody who may come to a desk."""

    steady: tuple[Resident, ...]
    """On the roster throughout the three months."""
    expired: tuple[Resident, ...]
    """On the roster, but every window ended before June."""
    not_yet: tuple[Resident, ...]
    """On the roster, but every window begins after August."""
    strangers: tuple[Resident, ...]
    """On no roster."""

    @property
    def on_roster(self) -> tuple[Resident, ...]:
        """Everybody whom the roster file lists."""
        return self.steady + self.expired + self.not_yet


def make_population(
    rng: Random, categories: Sequence[str], *, steady: int, others: int
) -> Population:
    """Invent `steady` eligible persons and `others` of each other kind.

    Every category occurs; one person in forty has two of them at once.
    """
    maker = _Maker(rng, tuple(categories))
    return Population(
        steady=maker.households(steady, _steady_windows),
        expired=maker.households(others, _expired_windows),
        not_yet=maker.households(others, _coming_windows),
        strangers=maker.households(others, lambda *_: ()),
    )


_Windows = Callable[[Random, str, tuple[str, ...]], tuple[RosterWindow, ...]]


class _Maker:
    """Counts persons and households, so that no number is given twice."""

    def __init__(self, rng: Random, categories: tuple[str, ...]) -> None:
        self._rng = rng
        self._categories = categories
        self._weights = [
            _CATEGORY_WEIGHTS.get(category, _USUAL_WEIGHT) for category in categories
        ]
        self._persons = 0
        self._households = 0
        self._born_on: Counter[date] = Counter()

    def households(self, persons: int, windows: _Windows) -> tuple[Resident, ...]:
        made: list[Resident] = []
        while len(made) < persons:
            self._households += 1
            size = min(self._rng.choice(_HOUSEHOLD_SIZES), persons - len(made))
            category = self._rng.choices(self._categories, weights=self._weights)[0]
            subdistrict = self._rng.choice(SUBDISTRICTS).code
            surname = self._rng.choice(_SURNAMES)
            for _ in range(size):
                own = windows(self._rng, category, self._categories)
                made.append(self._person(surname, subdistrict, own))
        return tuple(made)

    def _person(
        self, surname: str, subdistrict: str, windows: tuple[RosterWindow, ...]
    ) -> Resident:
        self._persons += 1
        number = self._persons
        birth_on = date(1930, 1, 1) + timedelta(days=self._rng.randrange(29_800))
        self._born_on[birth_on] += 1
        identity = id_number(DISTRICT, birth_on, self._born_on[birth_on])
        given = self._rng.choice(_GIVEN) + self._rng.choice(_GIVEN)
        return Resident(
            number=number,
            card=card_number("D", 10_000_000 + 137 * number),
            id_number=identity,
            name=f"{surname}{given}",
            household=f"DEMO-{self._households:06d}",
            subdistrict=subdistrict,
            birth_on=birth_on,
            windows=windows,
        )


def _steady_windows(
    rng: Random, category: str, categories: tuple[str, ...]
) -> tuple[RosterWindow, ...]:
    start = date(2013, 1, 1) + timedelta(days=rng.randrange(480))
    end = rng.choice((None, None, None, date(2014, 12, 31), date(2015, 6, 30)))
    first = RosterWindow(category, start, end)
    if len(categories) == 1 or rng.randrange(40):
        return (first,)
    other = rng.choice([name for name in categories if name != category])
    return (first, RosterWindow(other, start, end))


def _expired_windows(
    rng: Random, category: str, _: tuple[str, ...]
) -> tuple[RosterWindow, ...]:
    start = date(2012, 1, 1) + timedelta(days=rng.randrange(300))
    end = date(2014, 5, 31) - timedelta(days=rng.randrange(200))
    return (RosterWindow(category, start, end),)


def _coming_windows(
    rng: Random, category: str, _: tuple[str, ...]
) -> tuple[RosterWindow, ...]:
    start = date(2014, 10, 1) + timedelta(days=rng.randrange(60))
    return (RosterWindow(category, start, None),)
