"""Statistics of aided visits over a stretch of months, whole and divided.

Bills with aid above 0 count, and nothing else. By service a bill counts in the month
in which its service ended, as long as it is in force. By settling it counts in the
month in which it was settled, and its reversal takes it off in the month in which it
was reversed: what a month says never changes once the month is over, but a later one
may fall below 0. Everything is an integer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.domain.month_range import MonthRange, month_before
from settlement.service.statistics import growth
from settlement.store.statistics import (
    ALL_MONTHS,
    AidQuery,
    AidRow,
    FacilityName,
    aid_rows,
    facility_names,
)

if TYPE_CHECKING:
    from settlement.store.database import Database

#: The pilot's measure: each aided visit is one refund that nobody had to claim by
#: hand, and a refund took 40 minutes of staff time and two trips of the citizen.
MINUTES_PER_VISIT = 40
TRIPS_PER_VISIT = 2


class By(StrEnum):
    """Which month a bill counts in."""

    SERVICE = "service"
    SETTLED = "settled"


class Dimension(StrEnum):
    """What the figures may be divided by."""

    SUBDISTRICT = "subdistrict"
    HOSPITAL = "hospital"
    CATEGORY = "category"
    CARE_TYPE = "care_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsQuery:
    """What is asked."""

    months: MonthRange
    by: By = By.SERVICE
    dimension: Dimension | None = None
    facility: str | None = None
    """Code of the one facility that is counted; `None`: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one question may cost."""

    within_ms: int | None
    """For each statement; `None`: as long as it takes."""
    most_rows: int
    """Months times groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Aided bills counted and added up; total = funds + aid + patient pays."""

    citizens: int = 0
    """Distinct persons with an aided visit."""
    visits: int = 0
    """Distinct visits (facility, person, visit number) with aid above 0."""
    settlements: int = 0
    """Aided bills; a visit may have several."""
    aid_fen: int = 0
    tilt_fen: int = 0
    """The part of the aid that is tilt."""
    total_fen: int = 0
    funds_fen: int = 0
    patient_pays_fen: int = 0

    @property
    def mean_aid_fen(self) -> int | None:
        """Aid per aided visit, rounded half up; `None` without a visit."""
        return mean(self.aid_fen, self.visits)

    @property
    def mean_total_fen(self) -> int | None:
        """Total cost per aided visit."""
        return mean(self.total_fen, self.visits)

    @property
    def mean_patient_pays_fen(self) -> int | None:
        """What an aided visit left to the patient."""
        return mean(self.patient_pays_fen, self.visits)

    @property
    def minutes_saved(self) -> int:
        """Staff time that refunds by hand would have taken, by the pilot's measure."""
        return MINUTES_PER_VISIT * self.visits

    @property
    def trips_saved(self) -> int:
        """Trips that citizens were spared, by the pilot's measure."""
        return TRIPS_PER_VISIT * self.visits


@dataclass(frozen=True, slots=True)
class Growth:
    """Against the month before in parts per thousand; `None` where that has none."""

    citizens: int | None
    visits: int | None
    aid: int | None


@dataclass(frozen=True, slots=True)
class MonthOfAid:
    """One month of a series."""

    month: int
    """Year times 100 plus month."""
    figures: Figures
    growth: Growth


@dataclass(frozen=True, slots=True)
class Series:
    """Every month of the stretch, those with nothing too, and all of them at once."""

    key: str
    """Of a group: sub-district, code of the hospital, category, care type."""
    name: str | None
    """Of a hospital: what it is called."""
    total: Figures
    """A person or a visit of several months counts once."""
    months: tuple[MonthOfAid, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The answer."""

    query: StatisticsQuery
    whole: Series
    groups: tuple[Series, ...] | None
    """By the dimension asked for, most aid first; `None` where none was."""


def mean(amount_fen: int, count: int) -> int | None:
    """The amount for each, rounded half up to the fen; `None` for none."""
    return (2 * amount_fen + count) // (2 * count) if count > 0 else None


async def read_statistics(
    database: Database,
    query: StatisticsQuery,
    *,
    facility_id: int | None,
    bounds: Bounds,
) -> Statistics:
    """Count. `facility_id` is the number of `query.facility`.

    Raises `RequestRefused` MA-1102 with the fault MA-1135 for more than
    `bounds.most_rows`, and `StatisticsTooLongError`.
    """
    queries = _queries(query, facility_id, bounds)
    found = await aid_rows(database, queries, within_ms=bounds.within_ms)
    base = month_before(query.months.first)
    buckets = {row.bucket for row in found[-1] if row.month != base}
    if len(buckets) * len(query.months) > bounds.most_rows:
        raise RequestRefused("MA-1102", faults=(BillFault("months", "MA-1135"),))
    names: Mapping[int, FacilityName] = {}
    if query.dimension is Dimension.HOSPITAL:
        names = await facility_names(database, map(int, buckets))
    # Thousands of rows would hold up whatever else the process does.
    return await asyncio.to_thread(_arranged, query, found, names)


def _queries(
    query: StatisticsQuery, facility_id: int | None, bounds: Bounds
) -> list[AidQuery]:
    """The whole; the same divided, where it is."""
    whole = AidQuery(
        months=query.months,
        by_settled=query.by is By.SETTLED,
        facility_id=facility_id,
        most_rows=len(query.months) + 2,
    )
    if query.dimension is None:
        return [whole]
    # Each group has a row for each month, for the one before and for all of them at
    # most: three times as many rows as are answered, and one group more says that
    # there are too many.
    most_rows = 3 * (bounds.most_rows + 1)
    return [whole, replace(whole, dimension=query.dimension.value, most_rows=most_rows)]


def _arranged(
    query: StatisticsQuery,
    found: Sequence[Sequence[AidRow]],
    names: Mapping[int, FacilityName],
) -> Statistics:
    """`found`: the rows of `_queries`."""
    whole = _Table(query.months, found[0]).series("", "", None)
    if query.dimension is None:
        return Statistics(query, whole, None)
    table = _Table(query.months, found[1])
    groups = [_group(table, bucket, names) for bucket in table.buckets]
    groups.sort(key=lambda group: (-group.total.aid_fen, group.key))
    return Statistics(query, whole, tuple(groups))


def _group(table: _Table, bucket: str, names: Mapping[int, FacilityName]) -> Series:
    if not names:
        return table.series(bucket, bucket, None)
    facility = names[int(bucket)]
    return table.series(bucket, facility.code, facility.name)


class _Table:
    """The rows found by bucket and month."""

    def __init__(self, months: MonthRange, rows: Iterable[AidRow]) -> None:
        self._months = months
        self._found = {(row.bucket, row.month): _figures(row) for row in rows}
        self._base = month_before(months.first)
        # A single month has no row over all of them: it would be the same again.
        self._total = ALL_MONTHS if len(months) > 1 else months.first
        self.buckets = sorted({bucket for bucket, _ in self._found})

    def series(self, bucket: str, key: str, name: str | None) -> Series:
        """Every month of a bucket with its growth."""
        months = []
        before = self._of(bucket, self._base)
        for month in self._months.months():
            now = self._of(bucket, month)
            months.append(MonthOfAid(month, now, _growth(before, now)))
            before = now
        return Series(key, name, self._of(bucket, self._total), tuple(months))

    def _of(self, bucket: str, month: int) -> Figures:
        return self._found.get((bucket, month), _NOTHING)


_NOTHING = Figures()
_COUNTED = tuple(field.name for field in fields(Figures))


def _figures(row: AidRow) -> Figures:
    return Figures(**{name: getattr(row, name) for name in _COUNTED})


def _growth(before: Figures, now: Figures) -> Growth:
    return Growth(
        citizens=growth(before.citizens, now.citizens),
        visits=growth(before.visits, now.visits),
        aid=growth(before.aid_fen, now.aid_fen),
    )
