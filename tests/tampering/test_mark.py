"""The mark itself: missing, damaged, unreadable, not to be written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from settlement.domain.errors import FatalError, RequestRefused
from settlement.service import publish
from settlement.store.database import Database
from tests.settlement.house import House, bill, body, make_keys, open_house


def _other_root(note: bytes) -> bytes:
    lines = note.split(b"\n")
    lines[2] = b"A" * 43 + b"="
    return b"\n".join(lines)


def _folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "checkpoint is damaged"),
    "cut off": (
        lambda path: path.write_bytes(path.read_bytes()[:40]),
        "checkpoint is damaged",
    ),
    "binary": (lambda path: path.write_bytes(b"\xff\x00\x80"), "checkpoint is damaged"),
    "size altered": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"\n1\n", b"\n-1\n")),
        "checkpoint is damaged",
    ),
    "root altered": (
        lambda path: path.write_bytes(_other_root(path.read_bytes())),
        "does not extend",
    ),
    "a folder in its place": (
        _folder_instead,
        r"checkpoint cannot be read \(Is a directory\)",
    ),
}


async def _settled_once(house: House) -> None:
    await house.enrol("C1")
    assert body(await house.settle(bill("C1")))["decision"] == "approved"


@pytest.mark.parametrize("name", DAMAGE)
async def test_a_damaged_mark_stops_the_start(
    database: Database, tmp_path: Path, name: str
) -> None:
    """What cannot be read guards nothing: nobody settles until somebody has looked."""
    keys, var = make_keys(), tmp_path / "var"
    async with open_house(database, var, keys) as house:
        await _settled_once(house)
    damage, sentence = DAMAGE[name]
    damage(var / "checkpoint")
    with pytest.raises(FatalError, match=sentence):
        async with open_house(database, var, keys):
            pass


@pytest.mark.parametrize("name", DAMAGE)
async def test_a_mark_damaged_meanwhile_stops_settlement(
    database: Database, tmp_path: Path, name: str
) -> None:
    """The same while the gateway runs."""
    var = tmp_path / "var"
    async with open_house(database, var, make_keys()) as house:
        await _settled_once(house)
        await asyncio.sleep(0.4)
        damage, sentence = DAMAGE[name]
        damage(var / "checkpoint")
        async with asyncio.timeout(15):
            while house.gateway.sequencer.stopped is None:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.05)
        with pytest.raises(RequestRefused, match="MA-5104"):
            await house.settle(bill("C1"))
        assert sentence.partition("\\")[0] in house.gateway.sequencer.stopped


async def test_a_missing_mark_is_said_and_made_anew(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine's first start believes the database: it is said, and from then held."""
    keys, var = make_keys(), tmp_path / "var"
    async with open_house(database, var, keys) as house:
        await _settled_once(house)
        assert not [r for r in caplog.records if r.message == "mark.missing"]
    (var / "checkpoint").unlink()
    async with open_house(database, var, keys) as house:
        assert (var / "checkpoint").read_text().split("\n")[1] == "1"
    said = [r for r in caplog.records if r.message == "mark.missing"]
    assert [(r.levelno, r.__dict__["entries"]) for r in said] == [(logging.WARNING, 1)]


async def test_start_where_no_mark_can_be_kept_is_refused(
    database: Database, tmp_path: Path
) -> None:
    """No mark, no settling: a later copy of the database would not be noticed."""
    var = tmp_path / "var"
    var.mkdir()
    (var / "checkpoint.new").mkdir()
    with pytest.raises(FatalError, match=r"cannot be written \(Is a directory\)"):
        async with open_house(database, var, make_keys()):
            pass


async def test_mark_that_cannot_be_written_interrupts_and_resumes(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while the process' memory stands for it; then settling pauses until it can.

    It is told at once, and nobody has to restart anything.
    """
    monkeypatch.setattr(publish, "UNSAVED_MAX_S", 1.0)
    obstacle = tmp_path / "var" / "checkpoint.new"
    await _settled_once(house)
    await asyncio.sleep(0.4)
    obstacle.mkdir()
    await house.settle(bill("C1"))
    await asyncio.sleep(0.4)
    codes = [finding.code for finding in await house.gateway.findings()]
    assert "mark_not_written" in codes
    await asyncio.sleep(1.0)
    with pytest.raises(RequestRefused, match="MA-5105"):
        await house.settle(bill("C1"), "k1")
    obstacle.rmdir()
    async with asyncio.timeout(10):
        while house.gateway.publisher.fault is not None:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)
    assert body(await house.settle(bill("C1"), "k1"))["decision"] == "approved"
