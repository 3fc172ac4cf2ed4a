"""Money is not left lying about, whatever becomes of a run."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import datetime

import pytest

from gateway.his_self_test.charges import Shown
from gateway.his_self_test.masking import Masks
from gateway.his_self_test.proof import NoProof
from gateway.his_self_test.run import run_all
from gateway.his_self_test.trial import Trial
from gateway.his_self_test.wire import Caller, Means, Wire
from settlement.domain.calendar import SHANGHAI
from tests.his.desk import HisRoom
from tests.his_self_test.runs import CARD, CODE, SANDBOX_TIME, run
from tests.his_self_test.spoilers import Passing, spoiling
from tests.settlement.house import assert_books_clean
from tests.support.sources import PROJECT


async def _in_force(room: HisRoom) -> tuple[int, int]:
    """Settlements ever made, and aid that is still used."""
    async with room.house.database.pool.acquire() as connection:
        made = await connection.fetchval("SELECT count(*) FROM settlement")
        used = await connection.fetchval("SELECT sum(used_fen) FROM accumulator")
    return made, used or 0


class StoppedError(Exception):
    """Somebody has had enough."""


async def test_stopped_run_undoes_first(room: HisRoom) -> None:
    """As with Ctrl-C, which ends the run at some line."""
    means = Means(lambda: datetime.now(SHANGHAI), time.monotonic, os.urandom)
    at = datetime.fromisoformat(SANDBOX_TIME).astimezone(SHANGHAI)
    caller = Caller(
        url=f"{room.url}/his", fixmedins_code=CODE, place="990100", sandbox_time=at
    )
    trial = Trial(Wire(room.http, caller, NoProof(), means, Masks([CARD])), Shown(CARD))

    def stop(_number: int, name: str) -> None:
        if name == "settle.other-msgid":
            raise StoppedError

    with pytest.raises(StoppedError):
        await run_all(trial, (), live_writes=False, show=stop)
    made, used = await _in_force(room)
    assert made > 0
    assert used == 0


async def test_settlement_whose_answer_was_lost_is_reversed(room: HisRoom) -> None:
    """Nobody knows whether it stands, so it is undone by its msgid."""

    def lose(passing: Passing) -> None:
        if passing.infno == "2207":
            passing.answer = {}

    async with spoiling(room.url, room.http, after=lose) as (url, _):
        ran = await run(url, "--only", "settle")
    assert ran.failed == ["settle.same-fen", "settle.aid-paid"]
    assert ran.line("settle.repeated")["state"] == "not run"
    assert ran.line("undo.all")["state"] == "pass"
    made, used = await _in_force(room)
    assert made > 0
    assert used == 0
    await assert_books_clean(room.house)


async def test_what_cannot_be_undone_is_named(room: HisRoom) -> None:
    """Somebody else has to."""

    def refuse(passing: Passing) -> None:
        if passing.infno in {"2208", "2601"}:
            passing.refuse()
            passing.canned = passing.answer

    async with spoiling(room.url, room.http, before=refuse) as (url, _):
        ran = await run(url, "--only", "look-up")
    _, used = await _in_force(room)
    assert used > 0
    left = ran.line("undo.all")["why"]["en"]
    assert ran.failed == ["undo.all"]
    assert (
        ran.line("look-up.setl-id")["exchanges"][-1]["sent"].split("setl_id=")[1][:26]
        in left
    )


async def test_used_up_early_reversals_are_no_failure(room: HisRoom) -> None:
    """The gateway allows so many a day."""

    def limit(passing: Passing) -> None:
        if passing.infno == "2601" and passing.data["omsgid"] not in known:
            passing.refuse("MA-4107")
            passing.canned = passing.answer
        known.add(str(passing.body.get("msgid")))

    known: set[str] = set()
    async with spoiling(room.url, room.http, before=limit) as (url, _):
        ran = await run(url, "--only", "reverse")
    assert ran.ids("not run") == ["reverse.first"]
    assert (ran.failed, ran.status) == ([], 0)


async def test_ctrl_c_undoes_first(room: HisRoom) -> None:
    """The command itself, interrupted while a settlement is under way."""
    process: asyncio.subprocess.Process | None = None
    count = 0

    def interrupt(passing: Passing) -> None:
        nonlocal count
        count += passing.infno == "2207"
        if count == 3 and passing.infno == "2207" and process is not None:
            process.send_signal(signal.SIGINT)

    async with spoiling(room.url, room.http, before=interrupt) as (url, passed):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli.main", "his", "self-test",
            "--url", url, "--fixmedins-code", CODE, "--profile", "none",
            "--card", CARD, "--sandbox-time", SANDBOX_TIME, "--only", "settle",
            cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        _, complaint = await process.communicate()
    assert process.returncode != 0
    assert b"Traceback" not in complaint
    made, used = await _in_force(room)
    assert made > 0
    assert used == 0
    assert {"2208", "2601"} & set(passed.infnos)
