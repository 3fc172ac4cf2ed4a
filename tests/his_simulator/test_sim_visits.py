"""The simulator is sound on a sound gateway, and finds every promise that is broken."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.his import his
from gateway.his_simulator.books import Outcome
from gateway.his_simulator.clients import Client
from gateway.his_simulator.faults import Fault, weather
from gateway.his_simulator.people import make_people
from gateway.his_simulator.result import DayResult
from gateway.his_simulator.run import Order, listening, play
from gateway.wiring import wall_clock
from tests.his_simulator.small_gateway import Bug, SmallGateway

SEED, NOW = 7, 1_767_579_249
PEOPLE = make_people(SEED, 60)
CODES = ("H99010400001", "H99010400002")
CLIENTS = [Client(code, f"示范医院{code}", "none", "none") for code in CODES]
_nonces = itertools.count(1)


async def played(
    *faults: Fault, bugs: tuple[Bug, ...] = (), visits: int = 40, seed: int = SEED
) -> tuple[DayResult, SmallGateway]:
    """Play a day against a gateway that keeps all promises but these."""
    gateway = SmallGateway(PEOPLE, NOW, frozenset(bugs))
    async with listening(gateway.server()) as url:
        order = Order(
            gateway_url=url,
            clients=CLIENTS,
            people=PEOPLE,
            visits=visits,
            weather=weather(seed, faults),
            on=date(2026, 1, 5),
            clock=lambda: NOW,
            nonce=lambda: f"{next(_nonces)}",
            patience_s=1.0,
        )
        return await play(order, lambda *_: None), gateway


def whats(result: DayResult) -> str:
    """What was found, in one text."""
    return "\n".join(finding.what for finding in result.findings)


def held(gateway: SmallGateway) -> int:
    """Funds of what is in force, by the gateway's own store."""
    return sum(
        each.amounts["fund_pay_sumamt"] for each in gateway.stored if each.is_in_force
    )


async def test_fair_day_is_sound() -> None:
    """No fault: every statement is flat at once, and both books say the same."""
    result, gateway = await played()
    assert result.is_sound, whats(result)
    assert result.aid_fen == result.gateway_aid_fen > 0
    assert result.outcomes.total() == 40
    assert result.log["UNKNOWN"] == result.log["PENDING"] == 0
    assert {each.first for h in result.hospitals for each in h.statements} == {"000000"}
    assert set(result.by_fault) == {"none"}
    assert held(gateway) > 0


@pytest.mark.parametrize("fault", Fault)
async def test_each_fault_alone_leaves_both_books_alike(fault: Fault) -> None:
    """Whatever the line or the vendor's program does, a sound gateway is sound."""
    # Whoever waits in vain waits for real.
    result, _ = await played(fault, visits=10 if fault is Fault.SLOW else 40)
    assert result.is_sound, whats(result)
    assert result.aid_fen == result.gateway_aid_fen > 0
    assert set(result.by_fault) == {"none", fault.value}


async def test_every_fault_at_once_leaves_both_books_alike() -> None:
    """As the day of twenty hospitals is played."""
    result, gateway = await played(*Fault, visits=90)
    assert result.is_sound, whats(result)
    assert set(result.by_fault) == {fault.value for fault in Fault} | {"none"}
    assert sum(statement.mended for each in result.hospitals
               for statement in each.statements) > 0  # fmt: skip
    assert result.late > 0
    assert len({(s.code, s.mdtrt_id) for s in gateway.stored if s.is_in_force}) == len(
        [s for s in gateway.stored if s.is_in_force]
    )


async def test_other_number_on_the_wire_is_found_in_the_evening() -> None:
    """A 2601 by the logged msgid misses: 3202 names the real one, and it is undone."""
    result, _ = await played(Fault.MSGID_CHANGED)
    mended = [
        each for h in result.hospitals for each in h.statements if each.mended
    ]  # fmt: skip
    assert mended
    assert {(each.first, each.last) for each in mended} == {("000101", "000000")}
    # Others were declined, and there was nothing to undo.
    assert sum(each.mended for each in mended) <= result.outcomes[Outcome.REVERSED]


_FOUND: list[tuple[Bug, tuple[Fault, ...], str]] = [
    (Bug.A_FEN_TOO_MUCH, (), "5203 tells other amounts than 2207 did"),
    (Bug.A_FEN_TOO_MUCH, (), "is not flat: 000103"),
    (Bug.A_FEN_FROM_NOWHERE, (), "the aid is not what the patient pays less"),
    (Bug.STORES_NOTHING, (), "5203 of a settlement was answered: [MA-4101]"),
    (Bug.STORES_NOTHING, (), "is not flat: 000102"),
    (Bug.SETTLES_TWICE, (Fault.MSGID_CHANGED,), "is not flat: 000101"),
    (Bug.BELIEVES_MSGIDS, (Fault.MSGID_REPEATED,), "a repeated msgid was answered"),
    (Bug.FORGETS_STOPS, (Fault.OUT_OF_ORDER,), "had overtaken was answered 0"),
    (Bug.FORGETS_REVERSALS, (Fault.ANSWER_LOST,), "is not flat: 000101"),
    (Bug.FORGETS_CANCELS, (), "is not flat: 000101"),
    (Bug.AIDS_EVERYBODY, (), "1101 names other identities than the roster"),
    (Bug.REPLAYS, (Fault.DOUBLED,), "is not flat: 000101"),
]


@pytest.mark.parametrize(("bug", "faults", "finding"), _FOUND)
async def test_broken_promise_is_found(
    bug: Bug, faults: tuple[Fault, ...], finding: str
) -> None:
    """A simulator that finds nothing anywhere would prove nothing about us."""
    result, _ = await played(*faults, bugs=(bug,), visits=60)
    assert not result.is_sound
    assert finding in whats(result)


def test_every_promise_is_broken_once() -> None:
    """No promise is on the list that nothing looks for."""
    assert {bug for bug, _, _ in _FOUND} == set(Bug)


async def test_plan_is_the_same_for_the_same_seed() -> None:
    """Visits, amounts, faults and outcomes; the order of arrival is not."""
    quick = set(Fault) - {Fault.SLOW}
    one, _ = await played(*quick)
    same, _ = await played(*quick)
    other, _ = await played(*quick, seed=8)
    assert one.by_fault == same.by_fault
    assert one.aid_fen == same.aid_fen
    assert one.by_fault != other.by_fault


async def test_platform_that_is_away_is_said() -> None:
    """Not a crash in the middle of the day."""
    gateway = SmallGateway(PEOPLE, NOW)
    async with listening(gateway.server()) as url:
        order = Order(
            gateway_url=url, clients=CLIENTS, people=PEOPLE, visits=4,
            weather=weather(SEED, []), on=date(2026, 1, 5), clock=lambda: NOW,
            nonce=lambda: f"{next(_nonces)}", platform_url="http://127.0.0.1:9",
        )  # fmt: skip
        result = await play(order, lambda *_: None)
    assert not result.is_sound
    assert "the national platform does not answer" in whats(result)


class Watching(SmallGateway):
    """Notes messages that came before their row stood in the log."""

    def _answer(self, body: dict[str, Any]) -> dict[str, Any]:
        self.came = [*getattr(self, "came", []), body["msgid"]]
        pending = {row["msgid"] for row in self.rows if row["state"] == "PENDING"}
        self.early = getattr(self, "early", 0) + (body["msgid"] not in pending)
        return super()._answer(body)

    rows: list[Mapping[str, Any]]
    came: list[str]
    early: int


async def test_row_stands_before_the_message_leaves() -> None:
    """PENDING first, then one of three; no row stays PENDING, and nobody is named."""
    gateway, rows = Watching(PEOPLE, NOW), list[Mapping[str, Any]]()
    gateway.rows = rows
    quick = set(Fault) - {Fault.SLOW, Fault.MSGID_CHANGED}
    async with listening(gateway.server()) as url:
        order = Order(
            gateway_url=url, clients=CLIENTS, people=PEOPLE, visits=30,
            weather=weather(SEED, quick), on=date(2026, 1, 5), clock=lambda: NOW,
            nonce=lambda: f"{next(_nonces)}", write_log=rows.append,
        )  # fmt: skip
        result = await play(order, lambda *_: None)
    assert len(gateway.came) > 100
    assert gateway.early == 0
    states: dict[int, list[str]] = {}
    for row in rows:
        states.setdefault(row["number"], []).append(row["state"])
    assert all(len(each) == 2 and each[0] == "PENDING" for each in states.values())
    assert {each[1] for each in states.values()} == {"SUCCESS", "FAIL", "UNKNOWN"}
    assert result.log["PENDING"] == 0
    text = json.dumps([*rows, result.document()])
    named = [
        p for p in PEOPLE if p.card in text or p.id_number in text or p.name in text
    ]
    assert named == []


async def test_unknown_reversal_is_no_reversal() -> None:
    """What a 2601 did whose answer was lost is not known: it is sent until it is."""
    gateway, rows = SmallGateway(PEOPLE, NOW), list[Mapping[str, Any]]()
    async with listening(gateway.server()) as url:
        order = Order(
            gateway_url=url, clients=CLIENTS, people=PEOPLE, visits=60,
            weather=weather(SEED, [Fault.ANSWER_LOST]), on=date(2026, 1, 5),
            clock=lambda: NOW, nonce=lambda: f"{next(_nonces)}", write_log=rows.append,
        )  # fmt: skip
        await play(order, lambda *_: None)
    ends: dict[str, list[str]] = {}
    for row in rows:
        if row["infno"] == "2601" and row["state"] != "PENDING":
            ends.setdefault(row["mdtrt_id"], []).append(row["state"])
    assert ["UNKNOWN", "SUCCESS"] in ends.values()
    assert all(each[-1] == "SUCCESS" for each in ends.values())


def run_command(folder: Path, url: str, *more: str) -> Result:
    """`medaid his simulate` against a gateway."""
    clients = folder / "clients.json"
    rows = [{"fixmedins_code": code, "paasid": "a", "secret": "b"} for code in CODES]
    clients.write_text(json.dumps(rows))
    return CliRunner().invoke(
        his,
        [
            "simulate", "--gateway", url, "--clients", str(clients), "--visits", "20",
            "--seed", str(SEED), "--persons", str(len(PEOPLE)),
            "--day", "2026-01-05", *more,
        ],
    )  # fmt: skip


async def command(bugs: tuple[Bug, ...], folder: Path, *more: str) -> Result:
    """The same against a small gateway on today's clock."""
    now = int(wall_clock().timestamp())
    gateway = SmallGateway(PEOPLE, now, frozenset(bugs))
    async with listening(gateway.server()) as url:
        return await asyncio.to_thread(run_command, folder, url, *more)


async def test_command_ends_with_0_only_where_all_holds(tmp_path: Path) -> None:
    """The status is what a pipeline looks at."""
    page = tmp_path / "day.html"
    sound = await command((), tmp_path, "--report", str(page), "--faults", "none")
    assert sound.exit_code == 0, sound.output
    assert "FAILS" not in sound.output
    assert "holds" in sound.output
    assert "outcomes by fault" in page.read_text(encoding="utf-8")


async def test_command_ends_with_1_for_a_fen(tmp_path: Path) -> None:
    """A gateway that answers a fen too much does not pass, and is told which visit."""
    page = tmp_path / "day.html"
    faulty = await command(
        (Bug.A_FEN_TOO_MUCH,), tmp_path, "--faults", "none", "--report", str(page)
    )
    assert faulty.exit_code == 1
    assert "FOUND H9901040000" in faulty.output
    assert "FAILS" in faulty.output
    assert "发现的问题" in page.read_text(encoding="utf-8")
