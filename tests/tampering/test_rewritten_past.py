"""A past that was rewritten as a whole, with the gateway's own keys, is found.

The forged books agree with themselves, so `check-books` alone cannot tell. Any receipt
or checkpoint that somebody else holds can.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crypto.package import CHECKPOINT_NAME, MANIFEST_NAME
from crypto.trust import trust_file
from gateway.cli.check_books import check_books as command
from gateway.evidence import evidence_files, read_evidence
from settlement.domain.errors import FatalError
from settlement.service.books import Means, check_books
from settlement.service.export import MonthExport
from settlement.store.database import Database
from tests.settlement.house import (
    House,
    bill,
    body,
    caller,
    make_keys,
    open_house,
)
from tests.tampering.forger import Forger

#: The settlement that the forger works on, and the last that he leaves alone.
VICTIM, BEFORE, AFTER = 2, 1, 4


@dataclass
class Held:
    """What hospitals and bureau hold after an honest day."""

    folder: Path
    checkpoints: list[bytes] = field(default_factory=list)

    def answer(self, index: int) -> Path:
        """The answer that came back for the settlement at an index."""
        return self.folder / f"answer-{index}.json"

    def checkpoint(self, size: int) -> Path:
        """The checkpoint as it was shown at a size."""
        return self.folder / f"checkpoint-{size}"


async def an_honest_day(house: House, folder: Path) -> Held:
    """Five settlements of three persons; the victim's is the person's only one."""
    held = Held(folder)
    folder.mkdir()
    for name in ("C1", "C2", "C3", "C4"):
        await house.enrol(name)
    for index, name in enumerate(("C1", "C3", "C2", "C1", "C3")):
        answer = await house.settle(bill(name, diagnoses=("I10",)), f"k{index}")
        held.answer(index).write_bytes(answer.body)
        note = await house.gateway.checkpoint()
        held.checkpoint(index + 1).write_bytes(note)
    declined = await house.settle(bill("nobody"))
    (folder / "declined.json").write_bytes(declined.body)
    return held


async def export(house: House, folder: Path) -> Path:
    """The month as the bureau received it."""
    month = MonthExport(house.database)
    await month.begin()
    for place in ("records", "proofs"):
        (folder / place).mkdir(parents=True)
    async for one in month.records(202601, None):
        (folder / "records" / f"{one.sid}.masr").write_bytes(one.record)
        (folder / "proofs" / f"{one.sid}.tlog-proof").write_text(one.proof)
    (folder / CHECKPOINT_NAME).write_text(month.checkpoint)
    (folder / MANIFEST_NAME).write_text("{}")
    return folder


async def remove(house: House, _tmp_path: Path) -> None:
    """The settlement never happened."""
    await Forger(house).remove(VICTIM)


async def alter(house: House, tmp_path: Path) -> None:
    """The settlement gave another sum."""
    await Forger(house).remove(VICTIM)
    await _settle_elsewhere(house, tmp_path, "C2")


async def insert(house: House, tmp_path: Path) -> None:
    """A settlement that nobody asked for stands among the old ones."""
    await _settle_elsewhere(house, tmp_path, "C4")


async def _settle_elsewhere(house: House, tmp_path: Path, name: str) -> None:
    """Have a machine without a mark make a sound record, and date it back."""
    keys = (house.keys, house.opening)
    async with open_house(house.database, tmp_path / "forger", keys) as other:
        await other.follow(4)
        answer = await other.settle(
            bill(name, total_fen=20_000, in_policy_fen=18_200, diagnoses=("I10",))
        )
        assert body(answer)["decision"] == "approved"
    await Forger(house).move_last_to(VICTIM)


Forgery = Callable[[House, Path], Awaitable[None]]
FORGERIES: dict[str, Forgery] = {"removed": remove, "altered": alter, "put in": insert}


async def rules(house: House, *paths: Path) -> set[str]:
    """The rules that do not hold when the log is held against these files."""
    evidence = read_evidence(evidence_files(paths), house.trust)
    report = await check_books(
        house.database, house.trust, means=Means(against=evidence)
    )
    return {violation.rule for violation in report.violations}


@pytest.mark.parametrize("name", FORGERIES)
async def test_any_receipt_or_checkpoint_of_the_time_finds_it(
    house: House, tmp_path: Path, name: str
) -> None:
    """The victim's receipt, a later one's, a checkpoint, a proof: each alone does."""
    held = await an_honest_day(house, tmp_path / "held")
    month = await export(house, tmp_path / "month")
    everything = (held.folder, month)
    assert await rules(house, *everything) == set()

    await FORGERIES[name](house, tmp_path)

    assert await rules(house) == set(), "the forger left a trace"
    assert await rules(house, held.answer(BEFORE)) == set(), "nothing before changed"
    assert await rules(house, held.checkpoint(VICTIM)) == set()
    for evidence in (
        held.answer(VICTIM),
        held.answer(AFTER),
        held.checkpoint(VICTIM + 1),
        held.checkpoint(AFTER),
        month,
        min((month / "proofs").iterdir()),
    ):
        found = await rules(house, evidence)
        assert found, evidence
        assert all(rule.startswith("past: ") for rule in found)
    assert "past: another record stands where a receipt says" in await rules(
        house, held.answer(VICTIM)
    )


@pytest.mark.parametrize("name", FORGERIES)
async def test_the_machine_that_saw_the_true_log_does_not_start(
    database: Database, tmp_path: Path, name: str
) -> None:
    """Its mark is a checkpoint in other hands too."""
    keys = make_keys()
    async with open_house(database, tmp_path / "var", keys) as house:
        await an_honest_day(house, tmp_path / "held")
    await FORGERIES[name](house, tmp_path)
    with pytest.raises(FatalError, match=r"went back|does not extend"):
        async with open_house(database, tmp_path / "var", keys):
            pass


async def test_an_altered_answer_is_found_by_the_hospitals_copy(
    house: House, tmp_path: Path
) -> None:
    """Texts are in no record; the hospital's copy has them."""
    held = await an_honest_day(house, tmp_path / "held")
    async with house.database.pool.acquire() as connection:
        await connection.execute(
            """UPDATE answer SET head = convert_to(replace(convert_from(head, 'UTF8'),
               '"explanation":[{', '"explanation":[],"was":[{'), 'UTF8')
               WHERE id = (SELECT id FROM log_leaf WHERE log_index = $1)""",
            VICTIM,
        )
    found = await rules(house, held.answer(VICTIM))
    assert "past: the stored answer is not the one given" in found
    assert "past: the stored answer is not the one given" not in await rules(
        house, held.answer(BEFORE)
    )


async def test_a_lost_record_is_missed_by_whoever_holds_it(
    house: House, tmp_path: Path
) -> None:
    """A bare record has no index: it must be somewhere in the log."""
    await an_honest_day(house, tmp_path / "held")
    log = await Forger(house).log()
    record = tmp_path / "one.masr"
    record.write_bytes(log[VICTIM].record)
    assert await rules(house, record) == set()
    await remove(house, tmp_path)
    assert await rules(house, record) == {
        "past: the log has no leaf of a record that is held"
    }


async def test_what_does_not_verify_proves_nothing_and_is_said(
    house: House, tmp_path: Path
) -> None:
    """A forged receipt accuses nobody, and does not pass for proof either."""
    held = await an_honest_day(house, tmp_path / "held")
    altered = json.loads(held.answer(VICTIM).read_bytes())
    altered["receipt"]["index"] = BEFORE
    held.answer(VICTIM).write_text(json.dumps(altered))
    (held.folder / "other.txt").write_text("not a checkpoint")
    evidence = read_evidence(evidence_files([held.folder]), house.trust)
    assert {where for _, where in evidence.faults} == {"answer-2.json", "other.txt"}
    assert evidence.without_receipt == 1
    assert all(
        rule.startswith("evidence: proves nothing (MA-8")
        for rule in await rules(house, held.folder)
    )


async def test_answers_in_lines_and_look_ups_count_too(
    house: House, tmp_path: Path
) -> None:
    """What a terminal keeps: one answer a line, or the list of a visit."""
    held = await an_honest_day(house, tmp_path / "held")
    lines, found = tmp_path / "kept.jsonl", tmp_path / "looked-up.json"
    lines.write_bytes(
        b"\n".join(held.answer(index).read_bytes() for index in range(5)) + b"\n"
    )
    visit = await house.gateway.search(caller(), {"limit": 100})
    found.write_bytes(visit.body)
    for path in (lines, found):
        evidence = read_evidence([path], house.trust)
        assert len(evidence.entries) == 5
        assert await rules(house, path) == set()
    await remove(house, tmp_path)
    assert await rules(house, lines)
    assert await rules(house, found)


def _run(house: House, trust: Path, *arguments: str | Path) -> Result:
    words = ["--trust", trust, "--dsn", house.database.dsn, *arguments]
    return CliRunner().invoke(command, list(map(str, words)))


async def test_the_command_names_the_file_and_ends_with_status_1(
    house: House, tmp_path: Path
) -> None:
    """`medaid check-books --against`: clean, then found, for people and machines."""
    held = await an_honest_day(house, tmp_path / "held")
    trust = tmp_path / "trust.json"
    trust.write_bytes(trust_file(house.trust))

    async def run(*arguments: str | Path) -> Result:
        return await asyncio.to_thread(_run, house, trust, *arguments)

    clean = await run("--against", held.folder)
    assert clean.exit_code == 0, clean.output
    assert "holds and extends all 15 records and checkpoints" in clean.output
    await remove(house, tmp_path)
    assert (await run()).exit_code == 0
    found = await run("--against", held.answer(AFTER), "--json")
    document = json.loads(found.stdout)
    assert found.exit_code == 1
    assert not document["ok"]
    assert {v["place"] for v in document["violations"]} == {"answer-4.json"}
