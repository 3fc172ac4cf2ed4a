"""`medaid alerts replay`: what new rules would change, and nothing is raised."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from settlement.domain.month_range import MonthRange
from settlement.domain.watch.detectors import DETECTORS
from settlement.domain.watch.rules import read_rules
from settlement.service.watch.rehearsal import rehearse
from settlement.service.watch.rehearsed import Tally
from settlement.store import rehearsing
from settlement.store.rehearsing import snapshot
from tests.alerts_cli.office import Office
from tests.alerts_cli.rules_files import with_action

MARCH, MAY = date(2026, 3, 9), date(2026, 5, 9)


async def _replay(
    office: Office, file: Path, months: str = "2026-01..2026-12"
) -> dict[str, Any]:
    before = await office.counts()
    found: dict[str, Any] = await office.ask(
        "replay", "--rules", str(file), "--months", months
    )
    assert await office.counts() == before
    return found


async def test_the_rules_in_use_change_nothing(office: Office, tmp_path: Path) -> None:
    """Every detector: as it is, so it would be, and nothing is new or gone."""
    for number in range(4):
        await office.repeat(f"C{number:08d}", date(2026, 1 + number, 7), 2 + number % 2)
    await office.repeat("C00000001", date(2026, 1, 31))
    await office.look()

    found = await _replay(office, with_action(tmp_path))

    listed = await office.ask("list")
    assert found["all"]["as_is"] == found["all"]["would_be"] == len(listed)
    assert (found["all"]["new"], found["all"]["gone"]) == (0, 0)
    assert found["all"]["precision"] is found["all"]["recall"] is None
    for name, tally in found["detectors"].items():
        assert tally["same"] == sum(each["detector"] == name for each in listed), name


async def test_a_detector_switched_off_loses_its_alerts_and_on_finds_them(
    office: Office, tmp_path: Path
) -> None:
    """Gone with examples; and over a base that never heard of it, new."""
    settled = await office.repeat("C1")
    await office.look()
    (alert,) = await office.ask("list", "--detector", "exact-repeat")

    off = await _replay(office, with_action(tmp_path, **{"exact-repeat": "off"}))
    tally = off["detectors"]["exact-repeat"]
    assert (tally["as_is"], tally["would_be"], tally["gone"]) == (1, 0, 1)
    (example,) = tally["gone_examples"]
    assert example["alert_id"] == alert["alert_id"]
    assert set(example["settlement_ids"]) == set(settled)

    await office.rows("DELETE FROM alert_event")
    await office.rows("DELETE FROM alert_claim")
    await office.rows("DELETE FROM clinical.alert_facts")
    await office.rows("DELETE FROM alert")
    on = await _replay(office, with_action(tmp_path))
    tally = on["detectors"]["exact-repeat"]
    assert (tally["as_is"], tally["would_be"], tally["new"]) == (0, 1, 1)
    (example,) = tally["new_examples"]
    assert set(example["settlement_ids"]) == set(settled)
    assert example["person_token"] == alert["person_token"]
    assert example["text"]["zh"] == alert["text"]["zh"]


async def test_households_and_operators_are_rehearsed_too(
    office: Office, tmp_path: Path
) -> None:
    """Cards of one household in lockstep, and one operator with many cards."""
    for card in ("C1", "C2"):
        await office.settle(card, diagnoses=("J06",))
    await office.rows("UPDATE roster_window SET household = $1", b"h" * 16)
    for week in range(4):
        for card in ("C1", "C2"):
            day = MARCH + timedelta(days=7 * week)
            await office.repeat(card, day, 1, diagnoses=(f"K{week}",))
    for number in range(12):
        await office.settle(f"D{number:08d}", service_start=MAY, service_end=MAY)
    await office.look()
    kinds = {each["detector"] for each in await office.ask("list")}
    assert {"household-lockstep", "operator-burst"} <= kinds

    found = await _replay(office, with_action(tmp_path))

    assert (found["all"]["new"], found["all"]["gone"]) == (0, 0)
    for name in ("household-lockstep", "operator-burst"):
        assert found["detectors"][name]["same"] == 1, name
    off = await _replay(office, with_action(tmp_path, **{"household-lockstep": "off"}))
    (example,) = off["detectors"]["household-lockstep"]["gone_examples"]
    assert example["household_token"] == (b"h" * 16).hex()
    assert example["person_token"] is None


async def test_only_the_months_that_are_asked_for(
    office: Office, tmp_path: Path
) -> None:
    """By month of record, both ends included; a pattern over their edge belongs."""
    await office.repeat("C1", date(2026, 1, 7))
    await office.repeat("C1", MARCH)
    await office.look()
    file = with_action(tmp_path)

    for months, expected in (
        ("2026-01", 1),
        ("2026-02", 0),
        ("2026-02..2026-03", 1),
        ("2026-01..2026-03", 2),
    ):
        found = await _replay(office, file, months)
        assert found["detectors"]["exact-repeat"]["would_be"] == expected, months


async def test_precision_and_recall_against_what_staff_said(
    office: Office, tmp_path: Path
) -> None:
    """Right where a confirmed case shares a claim, wrong where a dismissed one does."""
    for card, verb in (("C1", "confirm"), ("C2", "confirm"), ("C3", "dismiss")):
        await office.repeat(card, MARCH)
        await office.look()
        await office.run(verb, await office.the_case(), "--note", "seen")
    await office.repeat("C4", MAY)
    await office.look()

    found = await _replay(office, with_action(tmp_path))
    tally = found["detectors"]["exact-repeat"]
    assert (tally["would_be"], tally["right"], tally["wrong"]) == (4, 2, 1)
    assert tally["precision"] == pytest.approx(2 / 3, abs=1e-6)
    assert (tally["confirmed_cases"], tally["found_cases"]) == (2, 2)
    assert tally["recall"] == 1.0

    others = dict.fromkeys(DETECTORS, "off")
    blind = await _replay(office, with_action(tmp_path, **others))
    assert blind["all"]["precision"] is None
    assert (blind["all"]["recall"], blind["all"]["confirmed_cases"]) == (0.0, 2)
    assert blind["all"]["gone"] == blind["all"]["as_is"] > 0


def test_what_nobody_has_judged_moves_neither_number() -> None:
    """New alerts and gone ones count only where staff have said something of them."""
    tally = Tally(same=3, new=40, gone=9, right=2, wrong=1)
    tally.confirmed, tally.found = {b"1", b"2"}, {b"1", b"3"}

    assert tally.precision_ppm == 666_666
    assert tally.recall_ppm == 500_000


async def test_a_recovery_that_was_carried_out_stays_right(
    office: Office, tmp_path: Path
) -> None:
    """What the hospital reversed because of the case is looked at as it stood."""
    settled = await office.repeat("C1", MARCH)
    await office.look()
    await office.run(
        *("confirm", await office.the_case(), "--recover", settled[1]), "--note", "x"
    )
    await office.rows(
        "UPDATE aid_recovery SET ordered_at = '2026-01-01' WHERE $1 <> ''", "all"
    )
    await office.house.reverse(settlement_id=settled[1], reason="mistake")
    await office.look()

    found = await _replay(office, with_action(tmp_path))

    tally = found["detectors"]["exact-repeat"]
    assert (tally["recall"], tally["precision"]) == (1.0, 1.0)
    assert (tally["new"], tally["gone"], tally["same"]) == (0, 0, 1)


async def test_memory_holds_some_persons_at_a_time(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In chunks of two the result is the same, and progress reaches the whole."""
    for number in range(5):
        await office.repeat(f"C{number:08d}", date(2026, 1, 7 + number))
    await office.look()
    rules = read_rules(with_action(tmp_path).read_bytes())
    whole = await rehearse(office.database, rules, MonthRange(202601, 202612))
    monkeypatch.setattr(rehearsing, "AT_ONCE", 2)
    shown: list[tuple[int, int]] = []

    parts = await rehearse(
        office.database,
        rules,
        MonthRange(202601, 202612),
        lambda done, total: shown.append((done, total)),
    )

    assert parts.whole == whole.whole
    assert parts.by_detector == whole.by_detector
    assert [done for done, _ in shown][:3] == [2, 4, 5]
    assert shown[-1][0] == shown[-1][1]


async def test_postgresql_itself_refuses_to_write(office: Office) -> None:
    """Whatever a rehearsal asks of it."""
    async with snapshot(office.database) as session:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await session.execute("DELETE FROM alert_event")


@pytest.mark.parametrize("months", ["2026-13", "2026-03..2026-01", "soon"])
async def test_months_that_are_none_are_one_sentence(
    office: Office, tmp_path: Path, months: str
) -> None:
    """As every command that takes months."""
    file = with_action(tmp_path)
    told = await office.refused("replay", "--rules", str(file), "--months", months)
    assert "YYYY-MM..YYYY-MM" in told


async def test_the_table_names_what_changes(office: Office, tmp_path: Path) -> None:
    """Figures by detector, examples with both languages."""
    await office.repeat("C1")
    await office.look()
    file = with_action(tmp_path, **{"exact-repeat": "off"})

    told = (
        await office.run("replay", "--rules", str(file), "--months", "2026-01")
    ).stdout

    assert "nothing is raised" in told
    assert "消失 gone exact-repeat" in told
    broken = tmp_path / "broken.yaml"
    broken.write_text("schema: medaid-alert-rules/1\n", "utf-8")
    said = await office.refused("replay", "--rules", str(broken), "--months", "2026-01")
    assert "medaid alerts rules check" in said
