"""What a pack would have made of past months: read, decided again, added up.

Reads only. Sums and counters are kept, never settlements or persons, so memory does
not grow with the month.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from settlement.domain.policy import CompiledPack
from settlement.service.policy_past import Reader, steps_of
from settlement.service.policy_replay import (
    Doubt,
    LeftOut,
    PersonResult,
    Redecided,
    Scope,
    every_bill,
    replay,
)
from settlement.store.past import past_counts, past_of_persons

if TYPE_CHECKING:
    from settlement.store.database import Database

#: Settlements listed among the largest gains, and among the largest losses.
_LISTED = 20
_MONTHS = 12
#: Bands of what a person gains or loses in the month, upper limits in fen, inclusive.
BANDS_FEN = (0, 5_000, 20_000, 100_000, 500_000)

Progress = Callable[[int, int], None]
"""Called with the persons done so far, and how many there are."""


@dataclass(slots=True)
class Sum:
    """Before and after, over some settlements."""

    settlements_before: int = 0
    settlements_after: int = 0
    aid_before_fen: int = 0
    aid_after_fen: int = 0

    @property
    def difference_fen(self) -> int:
        """After less before."""
        return self.aid_after_fen - self.aid_before_fen


@dataclass(slots=True)
class Simulation:
    """Totals of a stretch of months under the pack, beside what was paid."""

    total: Sum = field(default_factory=Sum)
    by_category: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    by_subdistrict: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    by_care: dict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    by_month: dict[int, Sum] = field(default_factory=lambda: defaultdict(Sum))
    persons: int = 0
    persons_gaining: int = 0
    persons_losing: int = 0
    bands: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Persons by (sign, band): the band is an index into `BANDS_FEN`, and its last
    one has no limit; (0, 0): nothing changes."""
    changed: int = 0
    """Settlements that would differ."""
    newly_declined: int = 0
    newly_approved: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the settlements under the pack."""
    capped: Counter[str] = field(default_factory=Counter)
    """Persons by pot that the pack exhausts and that was not exhausted."""
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    doubts: Counter[Doubt] = field(default_factory=Counter)
    declines_of_nobody: int = 0
    gains: list[Redecided] = field(default_factory=list)
    losses: list[Redecided] = field(default_factory=list)

    def add(self, result: PersonResult) -> None:
        """Count one person."""
        self.left_out.update(result.left_out)
        self.doubts.update(result.doubts)
        self.capped.update(result.capped)
        if not result.redecided:
            return
        for each in result.redecided:
            self._add(each)
        difference = sum(each.difference_fen for each in result.redecided)
        sign = (difference > 0) - (difference < 0)
        self.persons += 1
        self.persons_gaining += sign > 0
        self.persons_losing += sign < 0
        self.bands[sign, _band(abs(difference))] += 1

    def _add(self, each: Redecided) -> None:
        before, after = each.category_before or "", each.category_after or ""
        places = (
            (self.total, self.total),
            (self.by_category[before], self.by_category[after or before]),
            (self.by_subdistrict[each.subdistrict],) * 2,
            (self.by_care[each.care_type],) * 2,
            (self.by_month[each.month],) * 2,
        )
        for sum_before, sum_after in places:
            sum_before.settlements_before += each.was_approved
            sum_before.aid_before_fen += each.aid_before_fen
            sum_after.settlements_after += each.is_approved
            sum_after.aid_after_fen += each.aid_after_fen
        self.reasons[each.reason_after] += 1
        self.changed += each.differs
        self.newly_declined += each.was_approved and not each.is_approved
        self.newly_approved += each.is_approved and not each.was_approved
        if each.difference_fen > 0:
            self.gains = _largest([*self.gains, each], 1)
        elif each.difference_fen < 0:
            self.losses = _largest([*self.losses, each], -1)


def _largest(settlements: list[Redecided], sign: int) -> list[Redecided]:
    return heapq.nlargest(
        _LISTED, settlements, key=lambda each: (sign * each.difference_fen, each.id)
    )


def _band(amount_fen: int) -> int:
    return sum(amount_fen > limit for limit in BANDS_FEN)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Months of record, both included, each year times 100 plus month."""

    first: int
    last: int

    @classmethod
    def year_to(cls, month: int) -> Stretch:
        """The twelve months that end with this one."""
        return cls(_add_months(month, 1 - _MONTHS), month)


def _add_months(month: int, count: int) -> int:
    year, number = divmod(month, 100)
    years, index = divmod(year * _MONTHS + number - 1 + count, _MONTHS)
    return years * 100 + index + 1


async def simulate(
    database: Database,
    reader: Reader,
    pack: CompiledPack,
    stretch: Stretch,
    progress: Progress = lambda _done, _total: None,
) -> Simulation:
    """Decide the months again as though the pack had been in force in them.

    Totals of before the months stay as they were, those within go on under the
    pack. Raises `CryptoError` for a record that does not verify or open.
    """
    simulation = Simulation()
    counts = await past_counts(database, stretch.first, stretch.last)
    simulation.declines_of_nobody = counts.declines_of_nobody
    done = 0
    async for result in redecide(database, reader, pack, stretch, every_bill):
        simulation.add(result)
        done += 1
        progress(done, counts.persons)
    return simulation


@dataclass(slots=True)
class Touched:
    """Whom it touches that one pack decides in place of another."""

    persons: int = 0
    settlements: int = 0
    difference_fen: int = 0
    """What the new pack gives more than the old one; below 0: less."""


async def touched(
    database: Database,
    reader: Reader,
    old: CompiledPack,
    new: CompiledPack,
    stretch: Stretch,
    progress: Progress = lambda _done, _total: None,
) -> Touched:
    """Decide the months again under both packs, each with its own running totals.

    What only one of them can decide is left aside. Raises `CryptoError`.
    """
    found = Touched()
    persons = (await past_counts(database, stretch.first, stretch.last)).persons
    done = 0
    async for past in past_of_persons(database, stretch.first, stretch.last):
        steps = steps_of(past, reader)
        before = {e.id: e for e in replay(steps, old, every_bill).redecided}
        both = [
            (before[after.id], after)
            for after in replay(steps, new, every_bill).redecided
            if after.id in before
        ]
        differing = [
            after.aid_after_fen - old_result.aid_after_fen
            for old_result, after in both
            if (after.aid_after_fen, after.is_approved)
            != (old_result.aid_after_fen, old_result.is_approved)
        ]
        found.persons += bool(differing)
        found.settlements += len(differing)
        found.difference_fen += sum(differing)
        done += 1
        progress(done, persons)
    return found


async def redecide(
    database: Database,
    reader: Reader,
    pack: CompiledPack,
    stretch: Stretch,
    scope: Scope,
) -> AsyncIterator[PersonResult]:
    """Person by person what the pack makes of the months' settlements."""
    async for past in past_of_persons(database, stretch.first, stretch.last):
        yield replay(steps_of(past, reader), pack, scope)
