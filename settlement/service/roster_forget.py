"""Forget persons whose retention has ended: off the roster, out of every cache."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from settlement.domain.calendar import SHANGHAI, shanghai_day
from settlement.domain.decision import Text
from settlement.store.database import Database
from settlement.store.roster_forget import Forgetting, forget_persons

#: Why somebody is kept.
KEPT: Mapping[str, Text] = {
    "unknown": Text("名册中没有此人", "not on the roster, or forgotten already"),
    "window": Text("资格在保存期内仍有效", "a window reaches into the retention"),
    "settlement": Text(
        "保存期内有结算或冲正", "settled or reversed within the retention"
    ),
    "case": Text("有未办结的核查案件", "a case is open"),
}
_LEAP_DAY = (2, 29)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of those who were named."""

    erased: Sequence[bytes]
    """Where nothing was to be done yet: who would be."""
    kept: Mapping[bytes, str]
    """By token, a code of `KEPT`."""


async def forget(
    database: Database,
    persons: Collection[bytes],
    *,
    years: int,
    at: datetime,
    by: str,
    only_look: bool = False,
) -> Forgotten:
    """Erase whoever of the persons has nothing within the years before `at`.

    Each apart: who must be kept does not keep the others. Raises as `forget_persons`.
    """
    today = shanghai_day(at)
    is_leap_day = (today.month, today.day) == _LEAP_DAY
    first_day = today.replace(
        year=today.year - years, day=28 if is_leap_day else today.day
    )
    forgetting = Forgetting(
        first_day=first_day,
        first_instant=datetime.combine(first_day, time(), SHANGHAI),
        years=years,
        at=at,
        by=by,
    )
    kept = await forget_persons(database, persons, forgetting, only_look=only_look)
    return Forgotten([each for each in sorted(set(persons)) if each not in kept], kept)
