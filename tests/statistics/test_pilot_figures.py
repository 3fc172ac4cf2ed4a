"""The made-up pilot, decided by the pure core and counted by `medaid stats`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import main
from gateway.demo.pilot import Pilot, make_pilot
from gateway.demo.steps import Kind
from settlement import policies
from settlement.domain.policy import CompiledPack, compile_pack
from settlement.store.database import Database
from tests.demo.test_pilot import SETTLING, Tally, categories_of
from tests.statistics.ledger import Posted, post
from tests.support.sources import PROJECT

MONTHS = "2014-06..2014-08"


@pytest.fixture(scope="module")
def ledger() -> list[Posted]:
    """Every settlement of the pilot, with the instant of its refund."""
    pack = compile_pack(policies.read("demo-district.yaml"))
    return list(ledger_of(pack, make_pilot(pack, categories_of(pack))).values())


def ledger_of(pack: CompiledPack, pilot: Pilot) -> dict[str, Posted]:
    """By the key of settling; incidents leave nothing behind."""
    tally = Tally(pack, pilot.population.steady)
    hospitals = {one.code: number for number, one in enumerate(pilot.hospitals, 1)}
    ledger: dict[str, Posted] = {}
    for step in pilot.steps:
        if step.kind is Kind.REFUND:
            tally.reverse(step)
            settled = ledger[step.original_key]
            ledger[step.original_key] = replace(settled, reversed_at=step.at)
        if step.kind not in SETTLING:
            continue
        result = tally.settle(step)
        _, bill, _ = tally.in_force[step.key]
        ledger[step.key] = Posted(
            facility=hospitals[step.hospital.code],
            person=step.person,
            visit_no=bill.visit_no,
            service_end=bill.service_end,
            settled_at=step.at,
            care_type=bill.care_type.value,
            category=result.category,
            subdistrict=tally.residents[step.person].subdistrict,
            aid_fen=result.aid_fen,
            funds_fen=bill.funds_fen,
            patient_pays_fen=result.patient_pays_fen,
        )
    return ledger


@pytest.fixture
async def pilot_dsn(database: Database, database_dsn: str, ledger: list[Posted]) -> str:
    """A database that holds the three months."""
    await post(database, ledger)
    return database_dsn


def stats(dsn: str, tmp_path: Path, *more: str) -> dict[str, object]:
    """What `medaid stats --json` says of the three months."""
    words = ["stats", "--months", MONTHS, "--json", "--dsn", dsn, *more]
    words += ["--data-dir", str(tmp_path)]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    document: dict[str, object] = json.loads(result.output)
    return document


def test_published_figures_come_out(pilot_dsn: str, tmp_path: Path) -> None:
    """Citizens, visits and aid of June, July and August, and how they grew."""
    found = stats(pilot_dsn, tmp_path)

    series = found["series"]
    assert isinstance(series, list)
    assert [(m["citizens"], m["visits"], m["aid_fen"]) for m in series] == [
        (359, 922, 55_279_78),
        (610, 1_712, 122_779_47),
        (857, 2_648, 182_964_96),
    ]
    assert [tuple(m["growth_per_mille"].values()) for m in series] == [
        (None, None, None),
        (699, 857, 1_221),
        (405, 547, 490),
    ]
    assert series[2]["minutes_saved"] == 105_920
    assert series[2]["trips_saved"] == 5_296
    assert series[2]["mean_aid_fen"] == 6_910


def test_month_of_record_is_the_demos(pilot_dsn: str, tmp_path: Path) -> None:
    """The aid that `make demo` adds up from the records themselves."""
    found = stats(pilot_dsn, tmp_path, "--by", "settled")

    series = found["series"]
    assert isinstance(series, list)
    assert [month["aid_fen"] for month in series] == [
        55_509_76,
        122_870_46,
        182_643_99,
    ]


@pytest.mark.parametrize("dimension", ["subdistrict", "category", "care-type"])
def test_divisions_of_the_pilot_add_up(
    pilot_dsn: str, tmp_path: Path, dimension: str
) -> None:
    """Each month's aid is that of its groups."""
    found = stats(pilot_dsn, tmp_path, "--dimension", dimension)

    series, groups = found["series"], found["groups"]
    assert isinstance(series, list)
    assert isinstance(groups, list)
    assert len(groups) == {"subdistrict": 13, "care-type": 4}.get(
        dimension, len(groups)
    )
    for place, month in enumerate(series):
        parts = [group["series"][place]["aid_fen"] for group in groups]
        assert sum(parts) == month["aid_fen"]


def test_sample_of_the_document_is_what_is_printed(
    pilot_dsn: str, tmp_path: Path
) -> None:
    """Every line of the page's sample stands on the terminal."""
    page = (PROJECT / "docs" / "statistics.md").read_text(encoding="utf-8")
    [sample] = re.findall(r"(?ms)^```text\n(.*?)^```", page)
    words = ["stats", "--months", MONTHS, "--dsn", pilot_dsn]

    result = CliRunner().invoke(main, [*words, "--data-dir", str(tmp_path)])

    printed = [line.rstrip() for line in result.stdout.splitlines()]
    missing = [line for line in sample.splitlines() if line.rstrip() not in printed]
    assert missing == []
