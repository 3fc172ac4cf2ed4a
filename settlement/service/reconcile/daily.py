"""A hospital's own totals of some days beside ours, by Shanghai day and care type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from settlement.service.ids import ids_of_days
from settlement.store.periods import DaySpan, DayTotals

if TYPE_CHECKING:
    from settlement.store.database import Database

#: A month: what a hospital looks back over at once.
MOST_DAYS = 31
#: A day and a care type.
Place = tuple[date, str]


@dataclass(frozen=True, slots=True)
class Sums:
    """How many, and what they come to."""

    count: int = 0
    total_fen: int = 0
    aid_fen: int = 0

    def __add__(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(
            self.count + other.count,
            self.total_fen + other.total_fen,
            self.aid_fen + other.aid_fen,
        )

    def __neg__(self) -> Sums:
        """The same, taken away."""
        return Sums(-self.count, -self.total_fen, -self.aid_fen)


@dataclass(frozen=True, slots=True)
class AskedTotals:
    """What a hospital says of its days."""

    first: date
    last: date
    stated: Mapping[Place, Sums]


@dataclass(frozen=True, slots=True)
class DayOfCare:
    """One day and care type on both sides."""

    day: date
    care_type: str
    hospital: Sums | None
    """`None` where the hospital names none; that agrees with nothing."""
    settled: Sums
    reversed: Sums
    """Reversals of this day, of whichever day's settlements."""

    @property
    def net(self) -> Sums:
        """What is left of the day: a reversal counts -1, with negative amounts."""
        return self.settled + -self.reversed

    @property
    def is_flat(self) -> bool:
        """Whether both say the same."""
        return (self.hospital or Sums()) == self.net


@dataclass(frozen=True, slots=True)
class DailyTotals:
    """Days and care types that either side has, in order."""

    items: tuple[DayOfCare, ...]

    @property
    def is_flat(self) -> bool:
        """Whether all of them agree."""
        return all(each.is_flat for each in self.items)

    @property
    def gateway(self) -> Sums:
        """All of ours, net."""
        return _sum(each.net for each in self.items)

    @property
    def hospital(self) -> Sums:
        """All of theirs."""
        return _sum(each.hospital or Sums() for each in self.items)


async def compare_days(
    database: Database, facility_id: int, asked: AskedTotals
) -> DailyTotals:
    """The hospital's totals beside ours."""
    span = DaySpan(*ids_of_days(asked.first, asked.last))
    async with database.pool.acquire() as session:
        ours = await span.totals(session, facility_id)
    return beside(ours, asked.stated)


def beside(ours: Iterable[DayTotals], stated: Mapping[Place, Sums]) -> DailyTotals:
    """Put each day and care type of either side beside the other's."""
    counted = {(row.day, row.care_type): row for row in ours}
    return DailyTotals(
        tuple(
            _day(place, counted.get(place), stated.get(place))
            for place in sorted({*counted, *stated})
        )
    )


def _day(place: Place, row: DayTotals | None, hospital: Sums | None) -> DayOfCare:
    if row is None:
        return DayOfCare(*place, hospital, Sums(), Sums())
    return DayOfCare(
        *place,
        hospital,
        Sums(row.settled, row.settled_total_fen, row.settled_aid_fen),
        Sums(row.reversed, row.reversed_total_fen, row.reversed_aid_fen),
    )


def _sum(several: Iterable[Sums]) -> Sums:
    return sum(several, start=Sums())
