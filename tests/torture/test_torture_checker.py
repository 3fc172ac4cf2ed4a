"""The checker of the torture goes red: lost, altered, doubled, uncalled for.

A check that has never failed proves nothing; each of these spoils one thing.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from settlement.service.ports import Answer as Stored
from settlement.store.database import Database
from tests.acceptance.desk import Answer
from tests.settlement.house import House, bill, body, caller, open_house
from tests.torture import checker
from tests.torture.checker import Findings, LogView
from tests.torture.control import Control
from tests.torture.points import POINTS, PointMissingError, check_points
from tests.torture.report import BEGIN, END, Line, by_number
from tests.torture.terminals import Intent

_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


@dataclass
class Scene:
    """A small sound past with the notes of whoever made it."""

    house: House
    intents: list[Intent]

    async def findings(self) -> list[str]:
        """What the checker says of database, log, books and model."""
        found, house = Findings(), self.house
        log = LogView(house.trust)
        log.take(self.intents, found)
        log.grow(log.saw((await house.gateway.checkpoint()).decode()), found)
        await checker.check_notes(house.database, self.intents, found)
        await checker.check_in_process(house.database, house.trust, self.intents, found)
        await checker.check_model(house.database, house.trust, house.opening, found)
        return found.told

    async def execute(self, statement: str) -> None:
        """Tamper with the database."""
        async with self.house.database.pool.acquire() as connection:
            await connection.execute(statement)


def _noted(kind: str, key: str, stored: Stored) -> Intent:
    answer = Answer(stored.status, _NO_HEADERS, stored.body)
    return Intent(kind, key, {}, answer, facility=caller().party_code)


@pytest.fixture
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    """Give three settlements and a reversal, all noted."""
    async with open_house(database, tmp_path / "var") as house:
        await house.enrol("C1")
        async with database.pool.acquire() as connection:
            await connection.execute(
                "INSERT INTO party (code, role, name, level, created_at)"
                " VALUES ($1, 'facility', 'test', 1, now())",
                caller().party_code,
            )
        answers = [await house.settle(bill("C1"), f"s{n}") for n in range(3)]
        intents = [_noted("settle", f"s{n}", made) for n, made in enumerate(answers)]
        undone = body(answers[-1])["settlement_id"]
        answer = await house.reverse("r0", settlement_id=undone)
        intents.append(_noted("reverse", "r0", answer))
        yield Scene(house, intents)


async def test_a_sound_past_has_no_finding(scene: Scene) -> None:
    """Otherwise a red check would say nothing."""
    assert await scene.findings() == []


async def test_taking_back_what_was_declined_counts_as_nothing(scene: Scene) -> None:
    """Its answer says declined, yet the books hold one decline and no reversal."""
    declined = await scene.house.settle(bill("C-unlisted"), "s9")
    undone = body(declined)["settlement_id"]
    back = await scene.house.reverse("r9", settlement_id=undone)
    assert (body(declined)["decision"], body(back)["state"]) == ("declined",) * 2
    scene.intents += [_noted("settle", "s9", declined), _noted("reverse", "r9", back)]

    assert await scene.findings() == []


async def lose_settlement(scene: Scene) -> None:
    """The database has forgotten what was acknowledged."""
    await scene.execute("DELETE FROM settle_key WHERE key = 's1'")


async def lose_reversal(scene: Scene) -> None:
    """The same for a reversal."""
    await scene.execute("DELETE FROM reversal_key WHERE key = 'r0'")


async def alter_stored_answer(scene: Scene) -> None:
    """A replay would have other bytes."""
    await scene.execute("UPDATE answer SET head = head || ' '::bytea")


async def alter_noted_answer(scene: Scene) -> None:
    """The client was told something else."""
    answer = scene.intents[0].answer
    assert answer is not None
    told = json.dumps(answer.json() | {"aid_fen": 1}).encode()
    scene.intents[0].answer = Answer(201, _NO_HEADERS, told)


async def forget_note(scene: Scene) -> None:
    """Something was settled that nobody had asked for."""
    scene.intents.pop(0)


async def leave_unknown(scene: Scene) -> None:
    """A request never got a definite answer."""
    scene.intents[0].answer = None


async def double_settlement(scene: Scene) -> None:
    """The same visit was settled under two keys."""
    await scene.execute(
        "UPDATE settlement SET visit_no = (SELECT visit_no FROM settlement"
        " WHERE key = 's0') WHERE key = 's1'"
    )


async def shift_accumulator(scene: Scene) -> None:
    """A running total is a fen more than the log gives."""
    await scene.execute("UPDATE accumulator SET used_fen = used_fen + 1")


async def show_other_history(scene: Scene) -> None:
    """Two receipts claim the same place of the log."""
    first, second = scene.intents[0].answer, scene.intents[1].answer
    assert first is not None
    assert second is not None
    document = second.json()
    document["receipt"] = first.json()["receipt"]
    told = json.dumps(document).encode()
    scene.intents[1].answer = Answer(201, _NO_HEADERS, told)


@pytest.mark.parametrize(
    ("spoil", "finding"),
    [
        (lose_settlement, "acknowledged settle is lost: s1"),
        (lose_reversal, "acknowledged reverse is lost: r0"),
        (alter_stored_answer, "settle is stored with another answer: s0"),
        (alter_noted_answer, "settle is stored with another answer: s0"),
        (forget_note, "settled without being asked: s0"),
        (leave_unknown, "settle without a definite answer: s0"),
        (double_settlement, "a visit was settled twice:"),
        (shift_accumulator, "an accumulator is not what the log gives:"),
        (show_other_history, "nobody was told of the log's entry 1"),
    ],
)
async def test_the_checker_goes_red(
    scene: Scene, spoil: Callable[[Scene], Awaitable[None]], finding: str
) -> None:
    """Whatever is spoiled is named."""
    await spoil(scene)

    found = await scene.findings()

    assert any(told.startswith(finding) for told in found), found


def test_a_step_that_is_gone_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crash points name steps of the program as it is."""
    check_points()
    monkeypatch.delattr("settlement.service.sequencer.Sequencer._answer")

    with pytest.raises(PointMissingError, match="before the answer"):
        check_points()


def test_a_point_is_deadly_at_its_nth_call_only(tmp_path: Path) -> None:
    """And every process that shares the control sees the same countdown."""
    control, other = Control.make(tmp_path / "c"), Control.open(tmp_path / "c")
    last = len(POINTS) - 1
    control.arm(last, 2)

    assert [other.count_down(last) for _ in range(4)] == [False, True, False, False]
    assert (control.fired(last), control.is_armed(last)) == (1, False)
    control.skew_s = -random.Random(1).random()
    assert other.skew_s == control.skew_s


def test_numbers_of_the_matrix_are_added_up() -> None:
    """A fault counts for each number that it stands for."""
    lines = [Line("a", ("F5", "F10"), "", 3), Line("b", ("F5",), "", 4)]

    assert by_number(lines) == {"F5": 7, "F10": 3}
    assert BEGIN != END
