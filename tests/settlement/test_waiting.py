"""Those who wait are told in time: deadlines, a full pool, a month's first row."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from settlement.domain.errors import RequestRefused
from settlement.service.sequencer import SequencerLimits
from settlement.store.database import Database
from tests.settlement.house import House, assert_books_clean, bill, body, open_house


async def test_deadline_passes_while_the_database_hangs(house: House) -> None:
    """A claim that no batch has begun is told by its deadline, not later."""
    await house.enrol("C1")
    async with house.database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT * FROM log_head FOR UPDATE")
        begun = []
        for _ in house.gateway.lines:
            begun.append(asyncio.create_task(house.settle(bill("C1"))))
            await asyncio.sleep(0.2)
        late = asyncio.create_task(house.settle(bill("C1"), seconds=0.1))
        await asyncio.wait([late], timeout=5)
        assert not any(each.done() for each in begun)
        await transaction.rollback()
    with pytest.raises(RequestRefused, match="MA-5102"):
        await late
    for each in begun:
        assert body(await each)["decision"] == "approved"
    await assert_books_clean(house)


async def test_full_pool_refuses_at_once(database: Database, tmp_path: Path) -> None:
    """Excess is told to come again instead of queueing without bound."""
    limits = SequencerLimits(pool=3, batch=2)
    async with open_house(database, tmp_path / "var", limits=limits) as house:
        await house.enrol("C1")
        results = await asyncio.gather(
            *(house.settle(bill("C1")) for _ in range(20)), return_exceptions=True
        )
        refused = [r.reason for r in results if isinstance(r, RequestRefused)]
        assert set(refused) == {"MA-5101"}
        settled = [r for r in results if not isinstance(r, BaseException)]
        assert len(settled) + len(refused) == 20
        assert len(settled) < 10
        await assert_books_clean(house)


async def test_first_rows_of_many_months_at_once(house: House) -> None:
    """Partitions are made while settlements of other months are under way."""
    await house.enrol("C1", "tekun")
    instants = [datetime(2027, month, 1, 4, tzinfo=UTC) for month in range(1, 13)]
    answers = await asyncio.gather(
        *(house.settle(bill("C1"), settled_at=at) for at in instants for _ in range(4))
    )
    assert {body(answer)["decision"] for answer in answers} == {"approved"}
    await assert_books_clean(house)
