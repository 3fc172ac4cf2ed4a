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


def rfc3339(instant: datetime) -> str:
    """An aware instant as RFC 3339 in UTC, whole milliseconds, ending in `Z`."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
