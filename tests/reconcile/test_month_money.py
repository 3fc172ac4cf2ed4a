"""Whatever is settled, reversed, opened and closed: every fen lies in one month.

A random walk beside a model that knows nothing of the tables: which leaf of the log
lies in which month follows from its number, its own month and the cuts alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from settlement.domain.calendar import (
    month_name,
    month_of_day,
    next_month,
    shanghai_day,
)
from settlement.domain.month_entry import Hospital, MonthTally
from settlement.domain.month_lines import payment_lines
from settlement.service.packaging import open_month_books
from settlement.service.reconcile.working import (
    list_differences,
    month_state,
    resolve,
)
from settlement.store.database import Database
from settlement.store.packaging import KeptPackage, keep_package
from tests.reconcile.months import (
    JANUARY,
    Months,
    Settled,
    kinds_of,
    line_of,
    open_months,
)
from tests.settlement.house import assert_books_clean, bill, body

HOSPITALS = {1: "H001", 2: "H002"}
CARDS = ("C00000001", "C00000002", "C00000003")
BEGIN = datetime(2026, 1, 6, tzinfo=UTC)
STEPS = 60


@dataclass(frozen=True)
class Leaf:
    """One entry of the log on which money moves."""

    index: int
    month: int
    facility: int
    settled: Settled
    is_reversal: bool

    @property
    def aid_fen(self) -> int:
        """What the bureau owes for it."""
        return -self.settled.aid_fen if self.is_reversal else self.settled.aid_fen


@dataclass
class Walk:
    """A gateway, and the model of what it must have."""

    months: Months
    random: random.Random
    now: datetime = BEGIN
    size: int = 0
    leaves: list[Leaf] = field(default_factory=list)
    in_force: list[tuple[int, datetime, Settled]] = field(default_factory=list)
    cuts: dict[int, int] = field(default_factory=dict)
    closed: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def month_of(self, leaf: Leaf) -> int | None:
        """The month that holds a leaf; `None` while that is not opened."""
        return min(
            (m for m, cut in self.cuts.items() if m >= leaf.month and cut > leaf.index),
            default=None,
        )

    def of(self, month: int, facility: int) -> list[Leaf]:
        """A hospital's entries of an opened month."""
        return [
            leaf
            for leaf in self.leaves
            if leaf.facility == facility and self.month_of(leaf) == month
        ]

    def instant(self) -> datetime:
        """Some time after the last, or a little before: a commit that comes late."""
        self.now += timedelta(hours=self.random.randint(0, 100))
        return self.now - timedelta(hours=self.random.choice((0, 0, 30)))

    def _enter(
        self, facility: int, at: datetime, settled: Settled, *, is_reversal: bool
    ) -> None:
        month = month_of_day(shanghai_day(at))
        self.leaves.append(Leaf(self.size, month, facility, settled, is_reversal))
        self.size += 1

    async def settle(self) -> None:
        """A bill of anybody at either hospital."""
        facility, at = self.random.choice((1, 2)), max(BEGIN, self.instant())
        settled = await self.months.settle(at, facility, self.random.choice(CARDS))
        self._enter(facility, at, settled, is_reversal=False)
        self.in_force.append((facility, at, settled))

    async def reverse(self) -> None:
        """One that is in force, of whatever month."""
        if not self.in_force:
            return
        at_place = self.random.randrange(len(self.in_force))
        facility, settled_at, settled = self.in_force.pop(at_place)
        at = max(settled_at, self.instant())
        await self.months.reverse(settled, at, facility)
        self._enter(facility, at, settled, is_reversal=True)

    async def tombstone(self) -> None:
        """A leaf on which no money moves."""
        house = self.months.house
        house.now = max(BEGIN, self.instant())
        answer = body(
            await house.reverse(original_key=f"never-{self.size}", card=bill().card)
        )
        assert answer["state"] == "tombstone"
        self.size += 1

    async def open(self) -> None:
        """The next month."""
        month = next_month(max(self.cuts)) if self.cuts else JANUARY
        self.cuts[month] = await self.months.open(month)
        assert self.cuts[month] == self.size

    async def close(self) -> None:
        """The earliest month that a hospital still has open."""
        facility = self.random.choice((1, 2))
        month = next((m for m in self.cuts if (m, facility) not in self.closed), None)
        if month is None:
            return
        code, leaves = HOSPITALS[facility], self.of(month, facility)
        lines = [
            line_of(leaf.settled, number, refund=leaf.is_reversal)
            for number, leaf in enumerate(leaves, start=1)
        ]
        is_short = bool(leaves) and self.random.random() < 0.3
        matched = await self.months.match(
            lines[is_short:], month=month, code=code, with_bureau=True
        )
        if is_short:
            await self._carry_over(month)
        else:
            assert kinds_of(matched) == {}
        closed = await self.months.close(month=month, code=code)
        assert closed.closed_at is not None
        self.closed[month, facility] = closed.statement

    async def _carry_over(self, month: int) -> None:
        for told in await list_differences(
            self.months.database, month, None, states=["open"]
        ):
            assert told.row.owner == "hospital"
            await resolve(
                self.months.database,
                told.row.id.hex(),
                by="zhao",
                note="later",
                carry_over=True,
                names_somebody=lambda _text: False,
            )

    async def check(self) -> None:
        """Statements, what is open and what waits are the ledger, each hospital's."""
        for facility, code in HOSPITALS.items():
            stated = 0
            for month in self.cuts:
                state = await month_state(self.months.database, month, facility)
                net_fen = state.hospitals[0].net.aid_fen
                assert net_fen == sum(
                    leaf.aid_fen for leaf in self.of(month, facility)
                ), (code, month)
                if (month, facility) in self.closed:
                    document = json.loads(self.closed[month, facility])
                    net_fen = document["ledger"]["net"]["aid_fen"]
                    assert net_fen == state.hospitals[0].net.aid_fen
                stated += net_fen
            waiting = sum(
                leaf.aid_fen
                for leaf in self.leaves
                if leaf.facility == facility and self.month_of(leaf) is None
            )
            assert stated + waiting == await self._in_force_fen(facility)

    async def _in_force_fen(self, facility: int) -> int:
        """What the books have posted and not given back."""
        fen: int = await self.months.database.pool.fetchval(
            "SELECT coalesce(sum(aid_fen), 0)::bigint FROM settlement"
            " WHERE facility_id = $1 AND state = 's'",
            facility,
        )
        return fen

    async def pay(self) -> int:
        """All that the payment lists of closed months come to, in fen."""
        paid_fen = 0
        for month in self.cuts:
            books = await open_month_books(self.months.database, month)
            tally = MonthTally()
            async for packaged in books.entries():
                if packaged.entry is not None:
                    tally.enter(packaged.entry)
            hospitals = [each.hospital for each in books.statements]
            *lines, total = payment_lines(hospitals, tally, books.month)
            assert sum(int(line[-1]) for line in lines) == int(total[-1])
            assert total[0] == month_name(month)
            paid_fen += int(total[-1])
            await self._keep(month, hospitals)
        return paid_fen

    async def _keep(self, month: int, hospitals: list[Hospital]) -> None:
        kept = KeptPackage(
            json.dumps(
                {"hospitals": [{"facility": each.facility} for each in hospitals]}
            ).encode(),
            "manifest",
        )
        async with self.months.database.pool.acquire() as session:
            await keep_package(session, month, kept, datetime.now(UTC))


@pytest.fixture
async def months(database: Database, tmp_path: Path) -> AsyncIterator[Months]:
    """Give an empty gateway with two hospitals."""
    async with open_months(database, tmp_path / "var") as made:
        for card in CARDS[1:]:
            await made.house.enrol(card)
        yield made


@pytest.mark.parametrize("seed", range(4))
async def test_every_fen_lies_in_one_month(months: Months, seed: int) -> None:
    """At every step, and what is paid in the end is what is in force."""
    walk = Walk(months, random.Random(seed))
    await walk.settle()
    for step in range(STEPS):
        act = walk.random.choices(
            (walk.settle, walk.reverse, walk.tombstone, walk.open, walk.close),
            (10, 5, 1, 1, 3),
        )[0]
        if act == walk.open and len(walk.cuts) >= 6:
            continue
        await act()
        if step % 5 == 0:
            await walk.check()
    while any(walk.month_of(leaf) is None for leaf in walk.leaves):
        await walk.open()
    while len(walk.closed) < len(HOSPITALS) * len(walk.cuts):
        await walk.close()
    await walk.check()
    for (month, facility), statement in walk.closed.items():
        again = await months.sign("li", month=month, code=HOSPITALS[facility])
        assert again.statement == statement
    posted = sum([await walk._in_force_fen(facility) for facility in HOSPITALS])
    assert posted == sum(leaf.aid_fen for leaf in walk.leaves) > 0
    assert await walk.pay() == posted
    await assert_books_clean(months.house)
