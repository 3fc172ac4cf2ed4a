"""`check-books` beside gateways that settle: no false alarm, and damage is found."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from settlement.service.books import BooksReport, Means, check_books
from settlement.store.database import Database
from tests.settlement.house import (
    House,
    assert_books_clean,
    bill,
    body,
    make_keys,
    open_house,
)

#: Of which each one settles and reverses as fast as it can.
_DESKS = 4
#: Runs during which something was settled: others prove nothing.
_OVERTAKEN = 8


@asynccontextmanager
async def _settling(houses: list[House]) -> AsyncIterator[list[int]]:
    """Claims settle on all workers as long as the block runs; gives their number."""
    settled = [0]
    ends = asyncio.Event()

    async def desk(number: int) -> None:
        for turn in itertools.count():
            if ends.is_set():
                return
            house = houses[turn % len(houses)]
            answer = body(await house.settle(bill(f"C{number}"), f"k{number}-{turn}"))
            settled[0] += 1
            if turn % 3 == 0:
                await house.reverse(settlement_id=answer["settlement_id"])

    async with asyncio.TaskGroup() as desks:
        for number in range(_DESKS):
            desks.create_task(desk(number))
        try:
            yield settled
        finally:
            ends.set()


async def _checked(database: Database, house: House) -> BooksReport:
    means = Means(bureau_key=house.opening, tokenizer=house.tokenizer)
    return await check_books(database, house.trust, means=means)


async def test_books_are_clean_at_every_instant_of_settling(
    database: Database, database_dsn: str, tmp_path: Path
) -> None:
    """Two workers settle and reverse; each run sees whole batches and nothing else."""
    keys = make_keys()
    async with AsyncExitStack() as workers:
        first = await workers.enter_async_context(
            open_house(database, tmp_path / "one", keys)
        )
        for number in range(_DESKS):
            await first.enrol(f"C{number}")
        # After the enrolment: it waits for a cache that holds the roster in force.
        second = await workers.enter_async_context(
            open_house(database, tmp_path / "two", keys)
        )
        auditor = await Database.open(database_dsn)
        try:
            async with _settling([first, second]) as settled, asyncio.timeout(60):
                overtaken = 0
                while overtaken < _OVERTAKEN:
                    before = settled[0]
                    report = await _checked(auditor, first)
                    assert report.violations == []
                    # Of the instant at which it began, and not of one before.
                    counts = report.counts
                    assert counts.settlements + counts.declines >= before
                    overtaken += settled[0] > before
        finally:
            await auditor.close()
        await assert_books_clean(first)


async def test_damage_is_found_while_others_settle(
    database: Database, database_dsn: str, tmp_path: Path
) -> None:
    """What was altered before the run began is told, and nothing beside it."""
    async with open_house(database, tmp_path / "var") as house:
        for number in range(_DESKS):
            await house.enrol(f"C{number}")
        await house.settle(bill("C0"), "altered")
        auditor = await Database.open(database_dsn)
        try:
            async with _settling([house]):
                async with database.pool.acquire() as connection:
                    altered = await connection.execute(
                        "UPDATE settlement SET operator = 'op-2' WHERE key = 'altered'"
                    )
                report = await _checked(auditor, house)
        finally:
            await auditor.close()

    assert altered == "UPDATE 1"
    assert len({violation.place for violation in report.violations}) == 1
    assert any("operator" in violation.rule for violation in report.violations)
