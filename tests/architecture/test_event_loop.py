"""Nothing on the way of a settlement blocks the loop that all requests share."""

from pathlib import Path

import pytest
from blockbuster import BlockingError

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
            # A new connection reads the checkpoint file.
            await house.settle(bill("C1", visit_no=f"V-{number}"), f"first-{number}")
        request.getfixturevalue("loop_guard")

        settled = body(await house.settle(bill("C1", visit_no="V1"), "second"))
        replayed = body(await house.settle(bill("C1", visit_no="V1"), "second"))
        reversed_ = body(await house.reverse("third", original_key="second"))

    assert settled["decision"] == "approved"
    assert replayed == settled
    assert reversed_["state"] == "reversed"


async def test_guard_sees_our_own_blocking_calls(loop_guard: None) -> None:
    """The guard itself can fail: listing the migrations reads a folder."""
    with pytest.raises(BlockingError):
        migrations()
