"""`medaid his simulate` with every fault, against a gateway in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.his import HIS_COMMANDS
from gateway.his.transactions import TRANSACTIONS
from gateway.his_simulator.faults import Fault
from gateway.his_simulator.people import make_people
from tests.support import postgres
from tests.support.sources import PROJECT

_NEEDED = {"9001", "3201", "3202", "9101", "9102"}
pytestmark = pytest.mark.skipif(
    "allow" not in HIS_COMMANDS or not TRANSACTIONS.keys() >= _NEEDED,
    reason="no hospital can sign in, or none can close its day",
)
SEED, PERSONS, VISITS = 134, 120, 40


@dataclass(frozen=True)
class Ran:
    """What the command left."""

    status: int
    told: dict[str, Any]
    complaint: str
    page: str
    log: list[dict[str, Any]]


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    """One day of three hospitals, on a fixed day, so that its plan is always one."""
    folder = postgres.make_folder()
    page, log = folder / "day.html", folder / "log.jsonl"
    try:
        done = subprocess.run(
            [
                sys.executable, "-m", "gateway.cli.main", "his", "simulate",
                "--hospitals", "3", "--visits", f"{VISITS}", "--faults", "all",
                "--seed", f"{SEED}", "--persons", f"{PERSONS}", "--day", "2026-01-05",
                "--workers", "1", "--patience", "5", "--json",
                "--report", str(page), "--log", str(log),
                "--data-dir", str(folder / "var"),
            ],
            capture_output=True, check=False, cwd=PROJECT, text=True, timeout=200,
        )  # fmt: skip
        assert done.stdout, done.stderr
        yield Ran(
            done.returncode,
            json.loads(done.stdout),
            done.stderr,
            page.read_text(encoding="utf-8"),
            [json.loads(line) for line in log.read_text().splitlines()],
        )
    finally:
        postgres.remove_folder(Path(folder))


def test_all_of_it_holds(ran: Ran) -> None:
    """Findings, statements, both sums of aid, and the books."""
    assert [each for each in ran.told["checks"] if not each["holds"]] == []
    assert ran.told["findings"] == []
    assert ran.told["ok"] is True
    assert ran.status == 0, ran.complaint


def test_books_agree_to_the_fen(ran: Ran) -> None:
    """The hospitals', the gateway's answers and the bureau's records are one sum."""
    own = ran.told["aid_fen"]
    assert own == ran.told["gateway_aid_fen"] == ran.told["gateway"]["aid_fen"] > 0
    assert own == sum(each["aid_fen"] for each in ran.told["hospitals"])
    assert ran.told["gateway"]["findings"] == []


def test_every_statement_is_flat_at_last(ran: Ran) -> None:
    """Four kinds at each hospital; what was not flat at first was mended by a 2601."""
    for hospital in ran.told["hospitals"]:
        assert len(hospital["statements"]) == 4
        for statement in hospital["statements"]:
            assert statement["last"] == "000000"
            assert (statement["first"] == "000000") == (statement["mended"] == 0)


def test_a_difference_was_found_and_mended(ran: Ran) -> None:
    """The day has one 2207 that no 2601 of its hospital could reach."""
    statements = [each for h in ran.told["hospitals"] for each in h["statements"]]
    assert sum(each["mended"] for each in statements) > 0
    sent = {row["infno"] for row in ran.log}
    assert {"3201", "3202", "9101", "9102"} <= sent


def test_every_fault_met_somebody(ran: Ran) -> None:
    """A day that misses a fault says nothing about it."""
    assert set(ran.told["by_fault"]) == {fault.value for fault in Fault} | {"none"}
    by_his = {Fault.CLOCK_SKEW, Fault.MSGID_REPEATED}
    assert set(ran.told["struck"]) == {fault.value for fault in set(Fault) - by_his}
    assert ran.told["late"] > 0


def test_every_visit_has_an_end(ran: Ran) -> None:
    """Nobody's settlement stays open."""
    assert sum(ran.told["outcomes"].values()) == VISITS
    assert ran.told["outcomes"]["open"] == 0
    for outcome in ("settled", "cancelled", "reversed"):
        assert ran.told["outcomes"][outcome] > 0


def test_row_stands_before_the_message_leaves(ran: Ran) -> None:
    """PENDING first, then one of three, and no row stays PENDING."""
    states: dict[int, list[str]] = {}
    for row in ran.log:
        states.setdefault(row["number"], []).append(row["state"])
    assert all(len(each) == 2 and each[0] == "PENDING" for each in states.values())
    ends = {each[1] for each in states.values()}
    assert ends == {"SUCCESS", "FAIL", "UNKNOWN"}
    assert ran.told["log"]["PENDING"] == 0


def test_nobody_is_named(ran: Ran) -> None:
    """Result, log and page hold no card, number or name of a person."""
    text = json.dumps(ran.told) + json.dumps(ran.log) + ran.page + ran.complaint
    for person in make_people(SEED, PERSONS):
        assert person.card not in text
        assert person.id_number not in text
        assert person.psn_no not in text


def test_page_stands_alone(ran: Ran) -> None:
    """Nothing from outside, Chinese first."""
    assert "<script" not in ran.page
    assert "://" not in ran.page
    assert ran.page.index("医院一日模拟") < ran.page.index("a simulated day")
    assert "outcomes by fault" in ran.page
