"""A stretch of months, as statistics are asked for.

A month is a number here: year times 100 plus month.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from settlement.domain.calendar import days_of_month, next_month

_MONTH = re.compile(r"(19[0-9]{2}|20[0-9]{2}|21[0-4][0-9]|2150)-(0[1-9]|1[0-2])")
_MONTHS_A_YEAR = 12
#: Ten years: what a chart still shows, and an answer still holds.
MOST_MONTHS = 120


@dataclass(frozen=True, slots=True)
class MonthRange:
    """The months from `first` to `last`, both included."""

    first: int
    last: int

    def __len__(self) -> int:
        """How many months; 0 where the last lies before the first."""
        return max(0, _serial(self.last) - _serial(self.first) + 1)

    def months(self) -> list[int]:
        """Every month, in order."""
        found = []
        month = self.first
        while month <= self.last:
            found.append(month)
            month = next_month(month)
        return found

    def days(self) -> tuple[date, date]:
        """The day on which the first month begins, and the one that ends the last."""
        return days_of_month(self.first)[0], days_of_month(self.last)[1]


def range_fault(wanted: MonthRange) -> str | None:
    """The reason why nobody is told of these months; `None` where there is none."""
    if wanted.last < wanted.first:
        return "MA-1133"
    return "MA-1134" if len(wanted) > MOST_MONTHS else None


def parse_month(text: str) -> int | None:
    """The month of `2026-01`, of the years 1900 to 2150; `None` for anything else."""
    match = _MONTH.fullmatch(text)
    return None if match is None else int(match[1]) * 100 + int(match[2])


def month_before(month: int) -> int:
    """The month before, over the turn of a year too."""
    year, number = divmod(month, 100)
    return month - 1 if number > 1 else (year - 1) * 100 + _MONTHS_A_YEAR


def _serial(month: int) -> int:
    """Months since year 0."""
    return month // 100 * _MONTHS_A_YEAR + month % 100
