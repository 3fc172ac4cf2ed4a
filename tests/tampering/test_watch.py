"""The watch over the log: what keeps it from looking never goes unnoticed."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlement.domain.errors import FatalError, RequestRefused
from settlement.service import publish
from settlement.store.database import Database
from tests.settlement.house import House, bill, body, make_keys, open_house


@contextmanager
def _no_file_to_be_had() -> Iterator[None]:
    """The system opens no file for this process: `EMFILE`, as with too many callers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _until_the_mark_is_well(house: House) -> None:
    async with asyncio.timeout(10):
        while house.gateway.publisher.fault is not None:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)


async def test_mark_that_cannot_be_read_interrupts_and_resumes(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Too many open files pass: settling pauses meanwhile, and goes on by itself."""
    monkeypatch.setattr(publish, "UNSAVED_MAX_S", 3.0)
    await house.enrol("C1")
    for _ in house.gateway.lines:
        # A new connection is held against the mark, too.
        assert body(await house.settle(bill("C1")))["decision"] == "approved"
    await asyncio.sleep(0.4)
    with _no_file_to_be_had():
        await asyncio.sleep(1.2)
        fault = house.gateway.publisher.fault
        await house.settle(bill("C1"))
        await asyncio.sleep(3.5)
        with pytest.raises(RequestRefused, match="MA-5105"):
            await house.settle(bill("C1"), "paused")
        codes = [finding.code for finding in await house.gateway.findings()]
    assert fault == "Too many open files"
    assert "mark_not_written" in codes
    assert "mark.read_failed" in {record.message for record in caplog.records}
    await _until_the_mark_is_well(house)
    assert house.gateway.sequencer.stopped is None
    assert body(await house.settle(bill("C1"), "paused"))["decision"] == "approved"


async def test_start_without_a_readable_mark_is_refused(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At start there is no memory that could stand for it."""
    keys, var = make_keys(), tmp_path / "var"
    async with open_house(database, var, keys) as house:
        await house.enrol("C1")
        await house.settle(bill("C1"))

    def refused(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(FatalError, match=r"cannot be read \(Permission denied\)"):
        async with open_house(database, var, keys):
            pass


async def test_log_whose_parts_are_gone_stops_whoever_watches_it(
    database: Database, tmp_path: Path
) -> None:
    """The other worker extends it; that its past cannot be read is a fault, not a bug.

    Before, the watch ended with an `IndexError` and settling went on unwatched.
    """
    keys = make_keys()
    async with (
        open_house(database, tmp_path / "one", keys) as one,
        open_house(database, tmp_path / "two", keys) as two,
    ):
        version = await _enrolled(one)
        await two.follow(version)
        await one.settle(bill("C1"))
        async with database.pool.acquire() as connection:
            await connection.execute("DELETE FROM log_leaf")
        await two.settle(bill("C1"))
        async with asyncio.timeout(10):
            while one.gateway.sequencer.stopped is None:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.05)
        with pytest.raises(RequestRefused, match="MA-5104"):
            await one.settle(bill("C1"))
    assert "cannot be held against" in one.gateway.sequencer.stopped


async def _enrolled(house: House) -> int:
    await house.enrol("C1")
    held = house.gateway.cache.roster_version()
    assert held is not None
    return held.version
