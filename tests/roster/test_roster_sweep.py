"""The sweep finds what a later file corrected backwards, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from settlement.domain.bill import Bill
from settlement.store.database import Database
from tests.roster.bureau import card_number, id_number, row
from tests.roster.house_bureau import OwnBureau
from tests.settlement.house import House, bill, body, open_house

#: By number: what happens to each person. 6 leaves after the visit: no correction.
DIED, MOVED, RAISED, PROLONGED, ADDED, LEFT, UNTOUCHED = range(1, 8)


def visit(number: int) -> Bill:
    """The bill of one person's visit on 5 January."""
    return bill(card_number(number), visit_no=f"MZ-sweep-{number}")


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """Give a gateway whose roster has had one full file."""
    async with open_house(database, tmp_path / "var") as house:
        yield house


@pytest.fixture
async def bureau(house: House, tmp_path: Path, database: Database) -> OwnBureau:
    """Give its bureau: everybody is on the roster but one, whose window is over."""
    bureau = OwnBureau(tmp_path, database)
    bureau.house = house
    await bureau.full(
        *(row(n) for n in (DIED, MOVED, LEFT, UNTOUCHED)),
        row(RAISED, category="低收入"),
        row(PROLONGED, valid_from="2025-01-01", valid_to="2025-12-31"),
        as_of="2026-01-01T00:00:00Z",
    )
    await house.follow(1)
    return bureau


async def settle_all(house: House) -> dict[int, dict[str, Any]]:
    """Everybody's visit, decided on the first version."""
    return {
        number: body(await house.settle(visit(number)))
        for number in range(DIED, UNTOUCHED + 1)
    }


async def correct(bureau: OwnBureau) -> None:
    """The delta that knows better about days gone by."""
    await bureau.delta(
        row(DIED, valid_to="2026-01-02"),
        row(MOVED, valid_to="2026-01-02"),
        row(MOVED, category="特困", valid_from="2026-01-03"),
        row(RAISED, category="特困"),
        row(PROLONGED, valid_from="2025-01-01", valid_to="2026-12-31"),
        row(ADDED),
        row(LEFT, action="remove"),
        as_of="2026-01-06T00:00:00Z",
    )
    await bureau.house.follow(2)


async def swept(dsn: str, *options: str) -> Any:
    """Run the command; its JSON."""
    arguments = ["roster", "sweep", "--since", "2026-01-01", "--dsn", dsn, *options]
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in options else result.stdout


async def test_sweep_lists_each_kind_once(
    house: House, bureau: OwnBureau, database_dsn: str
) -> None:
    """By id, kind, versions and what is to be done; the rest is only looked at."""
    decided = await settle_all(house)
    before = await swept(database_dsn, "--json")
    assert (before["checked"], before["items"]) == (0, [])

    await correct(bureau)
    found = await swept(database_dsn, "--json")

    kinds = {item["settlement_id"]: item["kind"] for item in found["items"]}
    assert kinds == {
        decided[DIED]["settlement_id"]: "not_eligible",
        decided[MOVED]["settlement_id"]: "other_category",
        decided[RAISED]["settlement_id"]: "better_category",
        decided[PROLONGED]["settlement_id"]: "now_eligible",
        decided[ADDED]["settlement_id"]: "now_eligible",
    }
    # Who left after the visit was looked at, who was not touched was not.
    assert found["checked"] == 6
    assert {(i["roster_version"], i["corrected_by"]) for i in found["items"]} == {
        (1, 2)
    }
    by_kind = {item["kind"]: item for item in found["items"]}
    moved = by_kind["other_category"]
    assert (moved["category"], moved["category_now"]) == ("dibao", "tekun")
    assert moved["aid_fen"] == decided[MOVED]["aid_fen"] > 0
    assert found["kinds"]["now_eligible"]["count"] == 2
    assert all(kind["next_step"]["zh"] for kind in found["kinds"].values())


async def test_sweep_forgets_what_was_put_right(
    house: House, bureau: OwnBureau, database_dsn: str
) -> None:
    """A reversal, and a late settlement, end what was to be done about a visit."""
    decided = await settle_all(house)
    await correct(bureau)
    await house.reverse(settlement_id=decided[DIED]["settlement_id"])
    for number in (PROLONGED, ADDED):
        assert body(await house.settle(visit(number)))["decision"] == "approved"

    left = await swept(database_dsn, "--json")

    assert {item["kind"] for item in left["items"]} == {
        "other_category",
        "better_category",
    }


async def test_sweep_looks_at_the_days_it_was_told(
    house: House, bureau: OwnBureau, database_dsn: str
) -> None:
    """What was settled before the first day is left out."""
    await settle_all(house)
    await correct(bureau)

    found = await swept(database_dsn, "--since", "2026-01-06", "--json")

    assert (found["checked"], found["items"]) == (0, [])


async def test_sweep_for_people_names_nobody(
    house: House, bureau: OwnBureau, database_dsn: str
) -> None:
    """A table and what to do, in both languages; the visit number finds the bill."""
    await settle_all(house)
    await correct(bureau)

    shown = await swept(database_dsn)

    assert "自 2026-01-01 起核对 6 笔，5 笔受更正影响" in shown
    assert "请通知患者持原票据回医院" in shown
    assert "the bureau recovers the aid" in shown
    assert "MZ-sweep-1" in shown
    for number in range(DIED, UNTOUCHED + 1):
        assert card_number(number) not in shown
        assert id_number(number) not in shown
