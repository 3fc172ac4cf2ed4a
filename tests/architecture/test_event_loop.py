"""Nothing on the way of a settlement blocks the loop that all requests share."""

import asyncio
from pathlib import Path

import pytest
from blockbuster import BlockingError

from settlement.service.publish import WATCH_S
from settlement.store.database import Database
from settlement.store.migrate import migrations
from tests.settlement.house import bill, body, open_house


async def test_settling_and_reversing_never_block_the_loop(
    database: Database, data_dir: Path, request: pytest.FixtureRequest
) -> None:
    """One caller's file or lock would be everybody's delay."""
    async with open_house(database, data_dir) as house:
        await house.enrol("C1")
        for number, _ in enumerate(house.gateway.lines):
            # asyncpg looks for a file of passwords before each connection.
            await house.settle(bill("C1", visit_no=f"V-{number}"), f"first-{number}")
        request.getfixturevalue("loop_guard")

        settled = body(await house.settle(bill("C1", visit_no="V1"), "second"))
        replayed = body(await house.settle(bill("C1", visit_no="V1"), "second"))
        reversed_ = body(await house.reverse("third", original_key="second"))
        # The log is held against the checkpoint file every second.
        await asyncio.sleep(1.5 * WATCH_S)
        stopped = house.gateway.sequencer.stopped

    assert settled["decision"] == "approved"
    assert replayed == settled
    assert reversed_["state"] == "reversed"
    assert stopped is None


async def test_guard_sees_our_own_blocking_calls(loop_guard: None) -> None:
    """The guard itself can fail: listing the migrations reads a folder."""
    with pytest.raises(BlockingError):
        migrations()
