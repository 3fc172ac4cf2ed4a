"""Days as the scheme counts them: the calendar of Asia/Shanghai.

Shanghai keeps UTC+8 without summer time since 1991-09-15, so a fixed offset is
exact for every instant that a settlement can have.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")


def shanghai_day(instant: datetime) -> date:
    """The calendar day in Shanghai of an aware instant."""
    return instant.astimezone(SHANGHAI).date()


def month_of(day: date) -> str:
    """`YYYY-MM`, the form months have in exports, packages and statistics."""
    return f"{day.year:04d}-{day.month:02d}"


def month_of_day(day: date) -> int:
    """`YYYYMM` as a number, the form months have in the database."""
    return day.year * 100 + day.month


def month_name(number: int) -> str:
    """`YYYY-MM` of a month's number."""
    return f"{number // 100:04d}-{number % 100:02d}"


def days_of_month(number: int) -> tuple[date, date]:
    """First and last day of a month's number; raises `ValueError` for none."""
    first = date(number // 100, number % 100, 1)
    return first, date.fromordinal(_next(first).toordinal() - 1)


def next_month(number: int) -> int:
    """The number of the month after."""
    return month_of_day(_next(date(number // 100, number % 100, 1)))


def _next(first: date) -> date:
    if first.month == 12:  # noqa: PLR2004  # December
        return date(first.year + 1, 1, 1)
    return date(first.year, first.month + 1, 1)


def rfc3339(instant: datetime) -> str:
    """An aware instant as RFC 3339 in UTC, whole milliseconds, ending in `Z`."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
