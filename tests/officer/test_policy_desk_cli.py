"""The policy desk's commands, as an officer runs them on a sandbox that has settled."""

from __future__ import annotations

import asyncio
import csv
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from crypto.key_files import private_key_file
from crypto.keys import OpeningKey
from gateway.keyfiles import load_keys, read_private_key
from settlement.store.database import Database
from tests.gateway.test_commands import Operator
from tests.officer.demo_variants import HIGHER_RATE, LOWER_CAP, demo_variant
from tests.settlement.house import House, bill, body, open_house

CORRECTED = "demo-district@2000.9"


@dataclass
class Desk:
    """A sandbox with settlements of January 2026, and somebody who runs commands."""

    operator: Operator
    house: House
    folder: Path

    async def ok(self, *arguments: str | Path) -> str:
        """What a command that must succeed printed."""
        return await asyncio.to_thread(self.operator.ok, *arguments)

    async def json(self, *arguments: str | Path) -> Any:
        """The same as values."""
        return json.loads(await self.ok("policy", *arguments, "--json"))

    async def refused(self, *arguments: str | Path) -> str:
        """The sentence of a command that must fail."""
        return await asyncio.to_thread(self.operator.refused, "policy", *arguments)

    def draft(self, *swaps: tuple[str, str]) -> Path:
        """A corrected pack as a file."""
        path = self.folder / "draft.yaml"
        path.write_bytes(demo_variant(*swaps))
        return path

    async def settle(self, number: str, day: int, month: int = 1) -> str:
        """Settle the bill of a day, of January unless said; its id."""
        service = date(2026, month, day)
        answer = await self.house.settle(
            bill(number, service_start=service, service_end=service),
            settled_at=datetime(2026, month, day, 2, tzinfo=UTC),
        )
        return str(body(answer)["settlement_id"])

    async def activate(self, *swaps: tuple[str, str]) -> Path:
        """Have a draft wait in the database, as though an officer had approved it."""
        path = self.draft(*swaps)
        key = self.folder / "li.key.json"
        await self.ok(
            *("party", "add", "li", "--role", "officer", "--name", "li"),
            *("--alg", "ed25519", "--key-out", key),
        )
        await self.ok("policy", "approve", path, "--key", key)
        return path


@pytest.fixture
async def desk(
    data_dir: Path, database_dsn: str, database: Database, tmp_path: Path
) -> AsyncIterator[Desk]:
    """Two persons, three bills of 57.60, 57.60 and 37.20 yuan."""
    operator = Operator(data_dir, database_dsn)
    await asyncio.to_thread(operator.ok, "init", "--sandbox")
    opening = read_private_key(data_dir / "bureau" / "bureau-key.json")
    assert isinstance(opening, OpeningKey)
    keys = (load_keys(data_dir), opening)
    async with open_house(database, tmp_path / "worker", keys) as house:
        await house.enrol("C00000001", "dibao")
        await house.enrol("C00000002", "dibao_bianyuan")
        desk = Desk(operator, house, tmp_path)
        for number, day in (("C00000001", 5), ("C00000001", 6), ("C00000002", 7)):
            await desk.settle(number, day)
        yield desk


async def test_simulate(desk: Desk) -> None:
    """The figures of the terminal, of the page and of the JSON are the same."""
    draft, page = desk.draft(HIGHER_RATE), desk.folder / "trial.html"
    values = await desk.json("simulate", draft, "--month", "2026-01")

    text = await desk.ok(
        "policy", "simulate", draft, "--month", "2026-01", "--html", page
    )

    assert values["total"]["aid_before_fen"] == 15_240
    assert values["total"]["difference_fen"] == 1_440
    assert values["year"] == {
        "difference_fen": 17_280, "months": 1, "estimate": True,
    }  # fmt: skip
    assert values["by_category"]["dibao"]["difference_fen"] == 1_440
    assert values["persons"] | {"bands": []} == {
        "seen": 2, "gain": 1, "lose": 0, "bands": [],
    }  # fmt: skip
    html = page.read_text("utf-8")
    for shown in (text, html):
        assert "+14.40" in shown
        assert "估算" in shown
        assert "最低生活保障对象" in shown
    assert html.count("<svg") == 3
    assert "C00000001" not in text + html + json.dumps(values)


async def test_simulate_a_year_from_the_books(desk: Desk) -> None:
    """The sum of the months that there are, and not an estimate."""
    draft = desk.draft(HIGHER_RATE)

    await desk.settle("C00000001", 8, month=2)

    values = await desk.json("simulate", draft, "--month", "2026-02", "--year")

    assert values["total"]["difference_fen"] == 720
    assert values["by_month"]["2026-01"]["difference_fen"] == 1_440
    assert values["year"] == {
        "difference_fen": 2_160, "months": 2, "estimate": False,
    }  # fmt: skip


async def test_simulate_refuses_in_one_sentence(desk: Desk) -> None:
    """No such month, nothing settled, no such pack, a file with faults."""
    place = ("simulate", "demo-district", "--month")
    assert "give YYYY-MM" in await desk.refused(*place, "2026-13")
    assert "no settlement in force" in await desk.refused(*place, "2025-01")
    unknown = await desk.refused("simulate", "atlantis", "--month", "2026-01")
    assert "MA-7020" in unknown
    broken = desk.folder / "broken.yaml"
    broken.write_text("schema: medaid-pack/1\n", "utf-8")
    faults = await desk.refused("simulate", broken, "--month", "2026-01")
    assert "medaid policy check" in faults


async def test_without_the_bureaus_key(desk: Desk) -> None:
    """Records stay closed, and the sentence says what is missing."""
    (desk.operator.data_dir / "bureau" / "bureau-key.json").unlink()

    for command in (
        ("simulate", "demo-district", "--month", "2026-01"),
        ("retroactive", "demo-district"),
        ("explain", "00" * 16),
    ):
        assert "--bureau-key" in await desk.refused(*command)


async def test_another_bureaus_key(desk: Desk) -> None:
    """One sentence; and no pack comes into use whose list cannot be made."""
    await desk.activate(HIGHER_RATE)
    other = desk.folder / "other.json"
    other.write_bytes(private_key_file(OpeningKey.generate(os.urandom)))
    other.chmod(0o600)
    key = ("--bureau-key", other)

    for command in (
        ("simulate", CORRECTED, "--month", "2026-01"),
        ("retroactive", CORRECTED),
    ):
        assert "does not verify or open" in await desk.refused(*command, *key)
    assert "sealed to another key" in await desk.refused("activate", CORRECTED, *key)

    found = await desk.json("list", "--installed")
    assert [pack["state"] for pack in found["packs"]] == ["active", "waiting"]


async def test_explain(desk: Desk) -> None:
    """Line by line with the source, and the same fen."""
    settlement = await desk.settle("C00000001", 8)

    text = await desk.ok("policy", "explain", settlement)
    values = await desk.json("explain", settlement)

    assert "低保门诊救助 80%" in text
    assert "示范医救〔2000〕1号（虚构） 第五条第二款" in text
    assert "same to the fen" in text
    assert (values["same"], values["state"]) == (True, "settled")
    assert values["aid_fen"] == values["aid_again_fen"] == 5_760


async def test_explain_a_decline_and_a_reversal(desk: Desk) -> None:
    """A decline has no record; a reversal shows what was given back."""
    nobody = await desk.settle("C00000009", 8)
    settlement = await desk.settle("C00000001", 9)
    undone = body(await desk.house.reverse(settlement_id=settlement))["reversal_id"]

    assert "no record exists" in await desk.ok("policy", "explain", nobody)
    text = await desk.ok("policy", "explain", undone)
    assert f"reversal of {settlement}" in text
    assert "outpatient: -57.60" in text
    assert "此后已冲正" in await desk.ok("policy", "explain", settlement)
    assert "no settlement" in await desk.refused("explain", "00" * 16)
    assert "32 hexadecimal" in await desk.refused("explain", "x")


async def test_explain_ends_with_1_where_something_differs(desk: Desk) -> None:
    """Somebody has changed a posting in the database."""
    settlement = await desk.settle("C00000001", 8)
    async with desk.house.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE posting SET amount_fen = amount_fen - 1 WHERE log_index ="
            " (SELECT log_index FROM settlement WHERE id = $1)",
            bytes.fromhex(settlement),
        )

    result = await asyncio.to_thread(desk.operator.run, "policy", "explain", settlement)

    assert result.exit_code == 1
    assert "DIFFERENT: posting: the pack posts other amounts" in result.output


async def test_retroactive_list(desk: Desk) -> None:
    """Each settlement by its id; JSON, CSV and table agree; none is changed."""
    file = desk.folder / "differing.csv"
    draft = desk.draft(LOWER_CAP)

    values = await desk.json("retroactive", draft)
    text = await desk.ok("policy", "retroactive", draft, "--csv", file)

    # 57.60 and 42.40 of 100 yuan.
    assert [e["difference_fen"] for e in values["settlements"]] == [-1_520]
    assert (values["persons"], values["difference_fen"]) == (1, -1_520)
    assert "-15.20" in text
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["settlement_id"] for row in rows] == [
        values["settlements"][0]["settlement_id"]
    ]
    assert await desk.json("retroactive", "demo-district@2000.1") | {
        "in_force_from": None
    } == {
        "policy": "demo-district@2000.1", "in_force_from": None, "settlements": [],
        "persons": 0, "difference_fen": 0, "not_decided_again": 0,
    }  # fmt: skip


async def test_a_pack_counts_on_its_own_days_only(desk: Desk) -> None:
    """In force from the 6th: the bill of the 5th is not the pack's."""
    from_the_sixth = ("in_force: {from: 2000-01-01", "in_force: {from: 2026-01-06")
    case_day = ("on: 2000-01-01", "on: 2026-01-06")

    values = await desk.json(
        "retroactive", desk.draft(HIGHER_RATE, from_the_sixth, case_day)
    )

    assert [e["difference_fen"] for e in values["settlements"]] == [720]


async def test_activation_lists_what_would_differ(desk: Desk) -> None:
    """The list comes with the activation; settlements and postings stay."""
    await desk.activate(HIGHER_RATE)

    values = await desk.json("activate", CORRECTED)

    differing = values["would_differ"]["settlements"]
    assert [each["difference_fen"] for each in differing] == [720, 720]
    found = await desk.json("list", "--installed")
    states = {pack["pack"]: pack["state"] for pack in found["packs"]}
    assert states == {"demo-district@2000.1": "active", CORRECTED: "later"}
    async with desk.house.database.pool.acquire() as connection:
        aid = await connection.fetchval("SELECT sum(aid_fen) FROM settlement")
    assert aid == 15_240


async def test_activation_without_the_key_says_how_to_make_the_list(
    desk: Desk,
) -> None:
    """The pack comes into use all the same."""
    await desk.activate(HIGHER_RATE)
    (desk.operator.data_dir / "bureau" / "bureau-key.json").unlink()

    text = await desk.ok("policy", "activate", CORRECTED)

    assert f"medaid policy retroactive {CORRECTED} --bureau-key" in text


async def test_list_of_what_is_installed(desk: Desk) -> None:
    """Who has approved, and what is waited for."""
    await desk.activate(HIGHER_RATE)

    found = await desk.json("list", "--installed")
    text = await desk.ok("policy", "list", "--installed")

    shown = await desk.json("show", CORRECTED, "--installed")
    assert shown["benefits"]["dibao"]["care"]["outpatient"]["rate_ppm"] == 900_000
    assert "MA-7020" in await desk.refused("show", CORRECTED)
    compared = await desk.json("diff", "demo-district@2000.1", CORRECTED)
    assert compared["new"]["version"] == "2000.9"
    waiting = found["packs"][1]
    assert (waiting["pack"], waiting["state"]) == (CORRECTED, "waiting")
    assert waiting["officers"] == ["li"]
    assert waiting["applied_from"] is None
    assert "待启用 waiting" in text
    assert "在用 active" in text


async def test_diff_of_a_month(desk: Desk) -> None:
    """The cell, the cases that come out otherwise, and whom it touches."""
    draft = desk.draft(HIGHER_RATE)

    values = await desk.json(
        "diff", "demo-district@2000.1", draft, "--month", "2026-01"
    )
    text = await desk.ok(
        "policy", "diff", "demo-district@2000.1", draft, "--month", "2026-01"
    )

    assert values["month"] == {
        "month": "2026-01", "persons": 1, "settlements": 2, "difference_fen": 1_440,
    }  # fmt: skip
    rates = [c for c in values["changes"] if c["path"].startswith("rates.")]
    assert [(c["path"], c["old"], c["new"]) for c in rates] == [
        ("rates.dibao.outpatient", "80%", "90%")
    ]
    assert values["cases"]
    assert "+14.40" in text
