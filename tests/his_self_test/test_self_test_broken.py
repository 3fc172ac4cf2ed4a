"""Each broken promise turns its own lines red, and no other."""

from __future__ import annotations

import pytest

from tests.his.desk import HisRoom
from tests.his_self_test.broken import READING, WRITING
from tests.his_self_test.runs import Ran, run
from tests.his_self_test.spoilers import Passing, nothing, spoiling

_READS = (
    "connection", "clock", "signature", "envelope", "person", "dictionaries", "quote",
)  # fmt: skip
_WRITES = ("settle", "look-up", "cancel", "reverse", "reconcile", "files")


async def _ran(room: HisRoom, only: tuple[str, ...], **how: object) -> Ran:
    async with spoiling(room.url, room.http, **how) as (url, _):
        return await run(url, *(word for each in only for word in ("--only", each)))


async def _forget_files(room: HisRoom) -> None:
    """Two days later: a hospital holds 60 at most."""
    async with room.house.database.pool.acquire() as connection:
        await connection.execute("DELETE FROM his_file")


@pytest.mark.parametrize(
    ("promises", "only"), [(READING, _READS), (WRITING, _WRITES)], ids=["read", "write"]
)
async def test_each_broken_promise_is_found(
    room: HisRoom,
    promises: dict[str, tuple[set[str], object, object]],
    only: tuple[str, ...],
) -> None:
    """And what was settled on the way is undone whatever was found."""
    wrong = {}
    for name, (red, before, after) in promises.items():
        how = {"before": before or nothing, "after": after or nothing}
        ran = await _ran(room, only, **how)
        await _forget_files(room)
        if set(ran.failed) != red or ran.status != 1:
            wrong[name] = ran.failed
    assert wrong == {}


async def test_files_that_are_used_up_are_not_held_against_it(room: HisRoom) -> None:
    """Somebody who tries all day is told to come again, and nothing is red."""
    for _ in range(10):
        ran = await _ran(room, ("files",))
        assert (ran.failed, ran.ids("not run")) == ([], [])
    ran = await _ran(room, ("files",))
    assert (ran.failed, ran.status) == ([], 0)
    assert ran.ids("not run") == ["files.flat", "files.amount", "files.left-out"]


async def test_settlements_without_a_day_are_of_today(room: HisRoom) -> None:
    """A platform that tells no `setl_time` is asked of the day of the run."""

    def drop_time(passing: Passing) -> None:
        passing.info.pop("setl_time", None)

    ran = await _ran(room, ("reconcile", "files"), after=drop_time)
    assert (ran.failed, ran.status) == ([], 0)


async def test_no_json_alone_is_answered_with_a_bare_page(room: HisRoom) -> None:
    """A HIS shows nothing of it; a middleware that changes nothing passes."""
    ran = await _ran(room, ("envelope",), breaks_on_no_json=True)
    assert ran.failed == ["envelope.no-json"]
    ran = await _ran(room, (*_READS, *_WRITES))
    assert (ran.failed, ran.status) == ([], 0)
