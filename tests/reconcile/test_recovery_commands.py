"""A month that holds an ordered recovery, by the commands of a bureau's officers.

From the alert that the watch raises over two bills, by way of the confirmed case, to
packages of two months that verify, the later one against the earlier one.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.desk import Desk, bill, new_name
from tests.acceptance.gateway_process import GatewayProcess, medaid
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres

JANUARY, FEBRUARY = "2026-01", "2026-02"
IN_FEBRUARY = "2026-02-03T02:00:00Z"
HOSPITALS = ("RA", "RB")
AID = 5_760
_PATIENCE_S = 30


@dataclass
class Bureau:
    """A sandbox that listens, and what was settled in it."""

    sandbox: Sandbox
    folder: Path
    url: str
    settled: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By a name of the test's own: the answer and the bill that was sent."""

    def ask(self, *arguments: str, status: int = 0) -> Any:
        """Run `medaid ARGUMENTS --json` on this sandbox; its document, or its error."""
        where = ("--data-dir", str(self.sandbox.data_dir))
        told = ("--json",) if status == 0 else ()
        done = medaid(*arguments, *where, *told)
        assert done.status == status, done.err
        return done.err if status else json.loads(done.out)

    def say(self, *arguments: str) -> str:
        """Run `medaid ARGUMENTS` on this sandbox; what it printed."""
        return self.sandbox.command(*arguments)

    def desk(self, http: aiohttp.ClientSession, code: str) -> Desk:
        """A hospital's desk."""
        return Desk(http, self.url, self.sandbox.keys[code])

    async def settle(self, name: str, code: str, person: int, **sent: Any) -> None:
        """Settle a bill in January, or where `at` says."""
        at = sent.pop("at", None)
        made = bill(person, **sent)
        async with aiohttp.ClientSession() as http:
            headers = {} if at is None else {"at": at}
            answer = await self.desk(http, code).settle(new_name("r"), made, **headers)
        document = answer.json()
        assert (document["decision"], document["aid_fen"]) == ("approved", AID)
        self.settled[name] = document | {"code": code, "bill": made}

    async def give_back(self, name: str, at: str) -> None:
        """The hospital reverses a settlement."""
        settled = self.settled[name]
        order = {"settlement_id": settled["settlement_id"], "reason": "mistake"}
        async with aiohttp.ClientSession() as http:
            desk = self.desk(http, settled["code"])
            answer = await desk.reverse(new_name("b"), order, at=at)
        assert answer.json()["state"] == "reversed", answer.body

    def id_of(self, name: str) -> str:
        """The settlement's id."""
        return str(self.settled[name]["settlement_id"])

    def case_over(self, *names: str) -> str:
        """The case of the alert that lists these settlements and no others."""
        wanted = {self.id_of(name) for name in names}
        for _ in range(_PATIENCE_S * 2):
            for alert in self.ask("alerts", "list", "--detector", "exact-repeat"):
                if set(alert["settlement_ids"]) == wanted:
                    return str(alert["case_id"])
            time.sleep(0.5)
        raise AssertionError(f"no alert lists {names}")

    def write_list(self, code: str, *names: str, refunded: tuple[str, ...] = ()) -> str:
        """The hospital's own list of a month, as 3202 has it."""
        text = io.StringIO()
        for name in (*names, *refunded):
            sign = "-" if name in refunded else ""
            values = [
                self.id_of(name), self.settled[name]["bill"]["visit_no"], "null",
                f"{sign}250.00", f"{sign}{AID / 100:.2f}", "0.00",
                "1" if name in refunded else "0", "null",
            ]  # fmt: skip
            text.write("\t".join(values) + "\n")
        path = self.folder / f"{new_name(code)}.txt"
        path.write_text(text.getvalue())
        return str(path)

    def match(self, month: str, code: str, path: str) -> dict[str, int]:
        """Match a hospital's month with its list; what differs."""
        about = ("--month", month, "--facility", code, "--file", path)
        (matched,) = self.ask("reconcile", "match", *about)
        return dict(matched["differences"])

    def differences(self, month: str) -> list[dict[str, Any]]:
        """The month's own differences that are not gone."""
        state = self.ask("reconcile", "status", "--month", month, "--differences")
        return [each for each in state["differences"] if each["state"] != "gone"]

    def close(self, month: str) -> None:
        """Two officers sign for all hospitals."""
        for officer in ("li", "wang"):
            key = str(self.folder / f"{officer}.key.json")
            self.say("reconcile", "close", "--month", month, "--key", key)
        assert self.ask("reconcile", "status", "--month", month)["closed"] is True

    def package(self, month: str) -> Path:
        """Make the month's package."""
        path = self.folder / f"{month}.zip"
        self.say("reconcile", "package", "--month", month, "--out", str(path))
        return path

    def verify(self, path: Path, *more: str) -> str:
        """Verify a package as whoever pays does; what is printed where it is flat."""
        trust = self.folder / "trust-out.json"
        self.say("keys", "export-trust", "--out", str(trust))
        key = str(self.sandbox.data_dir / "bureau" / "bureau-key.json")
        means = ("--trust", str(trust), "--bureau-key", key)
        done = medaid("verify", str(path), *means, *more)
        assert (done.status, "平 flat" in done.out) == (0, True), done.out + done.err
        return done.out


@pytest.fixture(scope="module")
def bureau() -> Iterator[Bureau]:
    """Make a sandbox with two hospitals and officers, listening."""
    folder = postgres.make_folder()
    with contextlib.ExitStack() as stack:
        stack.callback(postgres.remove_folder, folder)
        made = stack.enter_context(open_sandbox(folder / "var"))
        officer = ("--role", "officer", "--name", "Officer", "--alg", "ed25519")
        place = ("--level", "1", "--subdistrict", "990101001")
        made.add_parties(
            *((code, *place) for code in HOSPITALS),
            ("li", *officer),
            ("wang", *officer),
        )
        made.import_roster()
        gateway = GatewayProcess(made.data_dir, workers=1)
        gateway.launch()
        stack.callback(gateway.stop)
        gateway.wait_ready()
        yield Bureau(made, folder, gateway.url)


def _stated(path: Path, code: str) -> dict[str, Any]:
    """A hospital's statement in a package."""
    document = json.loads(zipfile.ZipFile(path).read(f"hospitals/{code}.json"))
    assert isinstance(document, dict)
    return document


def _paid(path: Path) -> dict[str, str]:
    """Aid by hospital in the payment list."""
    text = zipfile.ZipFile(path).read("payments.csv").decode("utf-8-sig")
    lines = [line for line in csv.reader(io.StringIO(text)) if line]
    return {cell: ",".join(line) for line in lines for cell in line}


def test_two_months_with_recoveries_verify_flat(bureau: Bureau) -> None:
    """One recovery ordered before the close and given back after it; one after it."""
    asyncio.run(_settle_january(bureau))
    first = bureau.case_over("one", "again")
    _works_the_case_off(bureau, first)
    january = _closes_january(bureau)

    assert bureau.ask("alerts", "show", first)["state"] == "confirmed"
    second = bureau.case_over("late one", "late again")
    late = bureau.id_of("late again")
    bureau.say(
        "alerts", "confirm", second, "--recover", late, "--note", "二", "--by", "li"
    )
    asyncio.run(_february(bureau))
    february = _closes_february(bureau, january)

    assert bureau.ask("alerts", "show", first)["state"] == "recovered"
    assert bureau.ask("alerts", "show", second)["state"] == "confirmed"
    assert "平 flat" in bureau.verify(january)
    assert bureau.say("reconcile", "package", "--month", JANUARY, "--out",
                      str(bureau.folder / "again.zip"))  # fmt: skip
    assert (bureau.folder / "again.zip").read_bytes() == january.read_bytes()
    assert "平 flat" in bureau.verify(february, "--previous", str(january))
    bureau.say("check-books")


async def _settle_january(bureau: Bureau) -> None:
    for prefix in ("", "late "):
        person = bureau.sandbox.dibao()
        await bureau.settle(f"{prefix}one", "RA", person)
        await bureau.settle(f"{prefix}again", "RA", person)
    await bureau.settle("other", "RB", bureau.sandbox.dibao())


def _works_the_case_off(bureau: Bureau, case: str) -> None:
    shown = bureau.say("alerts", "show", case[:8])
    assert bureau.id_of("one")[:8] in shown
    bureau.say("alerts", "assign", case, "--to", "li", "--by", "wang")
    again = bureau.id_of("again")
    told = bureau.say(
        *("alerts", "confirm", case, "--recover", again, "--note", "同一账单两次"),
        *("--by", "li"),
    )
    assert f"{again}: 57.60" in told


def _closes_january(bureau: Bureau) -> Path:
    bureau.say("reconcile", "open", "--month", JANUARY)
    names = ("one", "again", "late one", "late again")
    found = bureau.match(JANUARY, "RA", bureau.write_list("RA", *names))
    assert found == {"recovery_ordered": 1}
    assert bureau.match(JANUARY, "RB", bureau.write_list("RB", "other")) == {}
    (named,) = bureau.differences(JANUARY)
    assert named["settlement_id"] == bureau.id_of("again")
    assert (named["owner"], named["repair"]["action"]) == ("hospital", "give_back")
    key = str(bureau.folder / "li.key.json")
    about = ("--month", JANUARY, "--facility", "RA", "--key", key)
    assert "MA-4206" in bureau.ask("reconcile", "close", *about, status=1)
    bureau.say(
        *("reconcile", "resolve", named["id"], "--carry-over"),
        *("--note", "医院二月冲正", "--by", "li"),
    )
    bureau.close(JANUARY)
    path = bureau.package(JANUARY)
    (stated,) = _stated(path, "RA")["differences"]
    assert (stated["kind"], stated["state"]) == ("recovery_ordered", "carried_over")
    assert stated["settlement_id"] == bureau.id_of("again")
    assert stated["aid_fen"]["gateway"] == AID
    assert _stated(path, "RB")["differences"] == []
    # It counts where it is given back: this month still pays it.
    assert f"{4 * AID / 100:.2f}" in _paid(path)["RA"]
    told = bureau.verify(path)
    assert f"追回 asked back RA {bureau.id_of('again')} 57.60 CNY, 结转" in told
    return path


async def _february(bureau: Bureau) -> None:
    await bureau.give_back("again", IN_FEBRUARY)
    day = {"service_start": "2026-02-03", "service_end": "2026-02-03"}
    at = {"at": IN_FEBRUARY, "occurred_at": IN_FEBRUARY}
    for name, code in (("in February", "RA"), ("there in February", "RB")):
        await bureau.settle(name, code, bureau.sandbox.dibao(), **day, **at)


def _closes_february(bureau: Bureau, january: Path) -> Path:
    bureau.say("reconcile", "open", "--month", FEBRUARY)
    path = bureau.write_list("RA", "in February", refunded=("again",))
    found = bureau.match(FEBRUARY, "RA", path)
    assert found == {"recovery_ordered": 1}
    bureau.match(FEBRUARY, "RB", bureau.write_list("RB", "there in February"))
    (named,) = bureau.differences(FEBRUARY)
    assert named["settlement_id"] == bureau.id_of("late again")
    bureau.say("reconcile", "resolve", named["id"], "--note", "三月冲正", "--by", "li")
    bureau.close(FEBRUARY)
    package = bureau.package(FEBRUARY)
    stated = _stated(package, "RA")
    assert stated["carried_in"] == []
    assert [each["settlement_id"] for each in stated["differences"]] == [
        bureau.id_of("late again")
    ]
    assert stated["ledger"]["net"]["aid_fen"] == 0
    told = bureau.verify(package, "--previous", str(january))
    assert bureau.id_of("late again") in told
    assert bureau.id_of("again") not in told
    return package
