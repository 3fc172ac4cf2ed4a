"""Two batches at a time: one decides while the one before it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

import pytest

from settlement.domain.errors import FatalError, RequestRefused
from tests.settlement.house import House, assert_books_clean, bill, body


@asynccontextmanager
async def head_held(house: House) -> AsyncIterator[None]:
    """Nobody adds to the log before the block ends."""
    for _ in house.gateway.lines:
        # Lines are connected at their first batch.
        await house.settle(bill("C1"))
    async with house.database.pool.acquire() as session, session.transaction():
        await session.execute("SELECT FROM log_head FOR UPDATE")
        yield


async def _until_none_waits(house: House) -> None:
    while house.gateway.sequencer.waiting:  # noqa: ASYNC110  # another's work
        await asyncio.sleep(0.01)


async def test_a_batch_decides_while_the_one_before_is_committed(house: House) -> None:
    """Claims of other persons do not wait for a COMMIT; their own does."""
    for card in ("C1", "C2", "C3"):
        await house.enrol(card)
    sequencer = house.gateway.sequencer
    async with head_held(house):
        began = perf_counter()
        tasks = []
        for card in ("C1", "C2"):
            tasks.append(asyncio.create_task(house.settle(bill(card))))
            await asyncio.sleep(0.1)
            await _until_none_waits(house)
        tasks.append(asyncio.create_task(house.settle(bill("C3"))))
        await asyncio.sleep(0.1)
        assert sequencer.waiting == 1
        assert sequencer.batch_began is not None
        assert began < sequencer.batch_began < perf_counter() - 0.2
    for task in tasks:
        assert body(await task)["decision"] == "approved"
    await assert_books_clean(house)


async def test_two_batches_keep_one_persons_cap(house: House) -> None:
    """Whoever decides second sees what the first has posted."""
    token = await house.enrol("C1")
    answers = await asyncio.gather(*(house.settle(bill("C1")) for _ in range(200)))
    aid = [body(answer)["aid_fen"] for answer in answers]
    assert await house.used(token) == sum(aid)
    await assert_books_clean(house)


async def test_what_one_batch_sees_stops_the_other(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch that has decided posts nothing once settling has stopped."""
    await house.enrol("C1")
    await house.enrol("C2")
    sequencer = house.gateway.sequencer
    for _ in house.gateway.lines:
        await house.settle(bill("C1"))
    before = await house.database.pool.fetchval("SELECT size FROM log_head")
    async with house.database.pool.acquire() as session, session.transaction():
        await session.execute("LOCK TABLE visit IN ACCESS EXCLUSIVE MODE")
        deciding = asyncio.create_task(house.settle(bill("C2")))
        await asyncio.sleep(0.2)
        sequencer.stop(FatalError("another batch saw a fault"))
    with pytest.raises(RequestRefused, match="MA-5104"):
        await deciding
    after = await house.database.pool.fetchval("SELECT size FROM log_head")
    assert after == before
    assert sequencer.stopped == "another batch saw a fault"
    assert [each.message for each in caplog.records].count("settle.stopped") == 1
