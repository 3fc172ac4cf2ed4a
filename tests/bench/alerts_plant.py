"""Misuse planted into a list of visits, with labels: any list, by a seed.

`plant` adds to what is there and changes nothing of it, so that whatever is honest
stays so. Each kind gets its share of the visits; the labels tell a judge which visits
were planted and which honest ones belong to the same pattern.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from tests.bench.alerts_kinds import FIRST, LATER, Planted, Soil
from tests.bench.alerts_visits import Visit, token_of

KINDS = (*FIRST, *LATER)
_MAKERS = FIRST | LATER
#: Kinds that need what a file with days alone cannot say.
NEED_TIMES = ("operator-burst", "household-lockstep", "impossible-travel")
#: A person whose card has ended must not be chosen for more.
_AT_THE_END = "ended-card"
_OPENS, _CLOSES = 8 * 60, 17 * 60
_DESKS = 4


@dataclass(frozen=True, slots=True)
class Field:
    """Visits with what was planted among them."""

    visits: list[Visit]
    planted: list[Planted]


def plant(
    visits: Sequence[Visit],
    seed: int,
    share: float,
    kinds: Collection[str] = KINDS,
) -> Field:
    """Plant each of the kinds until it makes `share` of the honest visits."""
    rng = random.Random(f"plant {seed}")
    soil = Soil(visits, rng)
    wanted = max(1, round(share * len(visits)))
    planted: list[Planted] = []
    for kind in sorted(kinds, key=lambda one: (one == _AT_THE_END, one)):
        count = 0
        while count < wanted:
            piece = _MAKERS[kind](soil)
            if kind == _AT_THE_END and not _may_end(soil, piece):
                continue
            planted.append(piece)
            count += len(piece.visits)
            for visit in piece.visits:
                if visit.end > soil.last[visit.person].end:
                    soil.last[visit.person] = visit
    added = [visit for piece in planted for visit in piece.visits]
    return Field([*visits, *added], planted)


def _may_end(soil: Soil, piece: Planted) -> bool:
    """Whether the card has not ended before, so that labels stay true."""
    return soil.last[piece.visits[0].person].ended_on is None


def half(visits: Sequence[Visit], which: int) -> list[Visit]:
    """The visits of one half of the persons: tune on one, judge on the other."""
    return [v for v in visits if token_of("half", v.person)[0] % 2 == which]


def with_clock(visits: Sequence[Visit], seed: int) -> list[Visit]:
    """The same visits with a time of day and an operator, where they have none."""
    rng = random.Random(f"clock {seed}")
    free: dict[tuple[str, str], datetime] = {}
    made = []
    for visit in sorted(visits, key=lambda one: (one.day, one.visit_id)):
        if visit.timed:
            made.append(visit)
            continue
        minute = int(rng.triangular(_OPENS, _CLOSES, 10 * 60))
        at = datetime.combine(visit.day, time(minute // 60, minute % 60))
        operator = f"op{rng.randrange(_DESKS) + 1:02d}"
        desk = (visit.facility, operator)
        at = max(at, free.get(desk, at))
        at = min(at, datetime.combine(visit.day, time(22)))
        free[desk] = at + timedelta(seconds=rng.randrange(40, 180))
        end = datetime.combine(visit.end.date(), at.time())
        made.append(replace(visit, start=at, end=end, operator=operator, timed=True))
    return made
