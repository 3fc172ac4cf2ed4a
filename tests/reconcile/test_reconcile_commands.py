"""`medaid reconcile` as a bureau uses it: one month from opening to the package."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import random
import re
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.desk import Desk, bill, new_name
from tests.acceptance.gateway_process import (
    PROJECT,
    GatewayProcess,
    command_line,
    environment,
    medaid,
    must,
)
from tests.acceptance.sandbox import Sandbox, open_sandbox
from tests.support import postgres

MONTH = "2026-01"
HOSPITALS = ("CA", "CB")


@dataclass
class Scene:
    """A sandbox with a settled January."""

    sandbox: Sandbox
    folder: Path
    settled: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def ask(self, *arguments: str, status: int = 0) -> str:
        """Run `medaid reconcile ARGUMENTS`; what it printed."""
        where: tuple[str, ...] = ("--data-dir", str(self.sandbox.data_dir))
        if arguments[0] == "sign":
            where = ()
        done = medaid("reconcile", *arguments, *where)
        assert done.status == status, done.err
        return done.out if status == 0 else done.err

    def key(self, officer: str) -> str:
        """An officer's key file."""
        return str(self.folder / f"{officer}.key.json")

    def write_list(self, code: str, *, without: int = 0) -> Path:
        """The hospital's file as 3202 has it, in a zip."""
        text = io.StringIO()
        for each in self.settled[code][without:]:
            values = [
                each["settlement_id"], each["visit_no"], "null",
                f"{each['total_fen'] / 100:.2f}", f"{each['aid_fen'] / 100:.2f}",
                "0.00", "0", "null",
            ]  # fmt: skip
            text.write("\t".join(values) + "\n")
        path = self.folder / f"{code}-{without}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("list.txt", text.getvalue())
        return path


@dataclass
class _Folder:
    """A folder that the embedded server's account can reach, until closed."""

    path: Path

    def close(self) -> None:
        """Remove it."""
        postgres.remove_folder(self.path)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """Make a sandbox with two hospitals and officers, and settle a few bills."""
    folder = postgres.make_folder()
    with contextlib.closing(_Folder(folder)), open_sandbox(folder / "var") as made:
        officer = ("--role", "officer", "--name", "Officer", "--alg", "ed25519")
        made.add_parties(
            *(
                (code, "--level", "1", "--subdistrict", "990101001")
                for code in HOSPITALS
            ),
            ("li", *officer),
            ("wang", *officer),
        )
        made.import_roster()
        scene = Scene(made, folder)
        gateway = GatewayProcess(made.data_dir, workers=1)
        gateway.launch()
        gateway.wait_ready()
        try:
            asyncio.run(_settle(scene, gateway.url))
        finally:
            gateway.stop()
        yield scene


async def _settle(scene: Scene, url: str) -> None:
    async with aiohttp.ClientSession() as http:
        for code in HOSPITALS:
            desk = Desk(http, url, scene.sandbox.keys[code])
            for _ in range(3):
                sent = bill(scene.sandbox.dibao())
                answer = (await desk.settle(new_name("rec"), sent)).json()
                assert answer["decision"] == "approved"
                scene.settled.setdefault(code, []).append(
                    answer
                    | {"visit_no": sent["visit_no"], "total_fen": sent["total_fen"]}
                )


def test_a_file_that_is_no_list_keeps_nothing(scene: Scene) -> None:
    """The refusal has a code; the month stands as before."""
    scene.ask("open", "--month", MONTH)
    path = scene.folder / "broken.zip"
    path.write_bytes(b"PK\x03\x04" + b"\0" * 40)
    before = scene.ask("status", "--month", MONTH, "--json")
    told = scene.ask(
        *("match", "--month", MONTH, "--facility", "CA", "--file", str(path)), status=1
    )
    assert "MA-63" in told
    assert scene.ask("status", "--month", MONTH, "--json") == before


def test_a_month_from_opening_to_a_package_that_verifies(scene: Scene) -> None:
    """Every step by its command, with a difference on the way."""
    assert "已开始对账" in scene.ask("open", "--month", MONTH)
    opened = json.loads(scene.ask("open", "--month", MONTH, "--json"))
    assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}[.0-9]*\+00:00", opened["opened_at"])
    matched = json.loads(
        scene.ask(
            *("match", "--month", MONTH, "--facility", "CA", "--json"),
            *("--file", str(scene.write_list("CA", without=1))),
        )
    )
    assert matched[0]["differences"] == {"missing_at_hospital": 1}
    assert matched[0]["tally"]["bureau"]["count"] == 3
    shown = scene.ask("status", "--month", MONTH, "--differences")
    assert "有差异" in shown
    _refuses_to_close_with_a_difference(scene)
    _works_it_off(scene)
    scene.ask(
        *("match", "--month", MONTH, "--facility", "CB"),
        *("--file", str(scene.write_list("CB"))),
    )
    _closes(scene)
    _packages(scene)


def _refuses_to_close_with_a_difference(scene: Scene) -> None:
    refused = scene.ask(
        *("close", "--month", MONTH, "--facility", "CA", "--key", scene.key("li")),
        status=1,
    )
    assert "MA-4206" in refused


def _works_it_off(scene: Scene) -> None:
    state = json.loads(scene.ask("status", "--month", MONTH, "--differences", "--json"))
    (difference,) = state["differences"]
    missing = scene.settled["CA"][0]
    assert difference["settlement_id"] == missing["settlement_id"]
    assert difference["amounts"]["gateway"]["aid_fen"] == missing["aid_fen"]
    assert difference["repair"]["action"] == "book_or_reverse"
    table = scene.folder / "differences.csv"
    scene.ask(
        *(
            "resolve",
            difference["id"],
            "--note",
            "the hospital books it",
            "--by",
            "zhao",
        )
    )
    scene.ask("status", "--month", MONTH, "--csv", str(table))
    (row,) = csv.DictReader(io.StringIO(table.read_text("utf-8-sig")))
    assert (row["差异编号"], row["状态"]) == (difference["id"], "已处理 resolved")


def _closes(scene: Scene) -> None:
    """One officer here, the other on a machine without a database."""
    by_li = scene.ask("close", "--month", MONTH, "--key", scene.key("li"))
    assert by_li.count("还需 1 位") == 2
    _shoot(scene, "close", "--month", MONTH, "--key", scene.key("li"))
    for code in HOSPITALS:
        statement = scene.folder / f"{code}.statement.json"
        signature = scene.folder / f"{code}.signature.json"
        about = ("--month", MONTH, "--facility", code)
        scene.ask("close", *about, "--statement", str(statement))
        signed = scene.ask(
            *("sign", str(statement), "--key", scene.key("wang")),
            *("--out", str(signature)),
        )
        assert f"{code} {MONTH}" in signed
        assert "已结账" in scene.ask("close", *about, "--signed", str(signature))
        _matches_what_is_left(scene, is_over=code == HOSPITALS[-1])
    state = json.loads(scene.ask("status", "--month", MONTH, "--json"))
    assert state["closed"] is True
    assert [each["officers"] for each in state["hospitals"]] == [["li", "wang"]] * 2


def _matches_what_is_left(scene: Scene, *, is_over: bool) -> None:
    """A hospital that has closed keeps nobody else from being matched."""
    if is_over:
        assert "MA-4204" in scene.ask("match", "--month", MONTH, status=1)
        return
    again = json.loads(scene.ask("match", "--month", MONTH, "--json"))
    assert [each["facility"] for each in again] == [HOSPITALS[-1]]


def _shoot(scene: Scene, *arguments: str) -> None:
    """Run a command three times, and kill it somewhere on its way."""
    shot = random.Random(1)
    where = ("--data-dir", str(scene.sandbox.data_dir))
    for _ in range(3):
        making = subprocess.Popen(
            command_line("reconcile", *arguments, *where),
            cwd=PROJECT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(shot.uniform(0.3, 1.0))
        making.send_signal(signal.SIGKILL)
        making.wait()


def _packages(scene: Scene) -> None:
    """The same bytes twice, also after a process that was shot in the middle."""
    one, two = scene.folder / "one.zip", scene.folder / "two.zip"
    scene.ask("package", "--month", MONTH, "--out", str(one))
    _shoot(scene, "package", "--month", MONTH, "--out", str(two))
    two.unlink(missing_ok=True)
    scene.ask("package", "--month", MONTH, "--out", str(two))
    assert one.read_bytes() == two.read_bytes()
    trust = scene.folder / "trust-out.json"
    data = str(scene.sandbox.data_dir)
    must("keys", "export-trust", "--out", str(trust), "--data-dir", data)
    key = scene.sandbox.data_dir / "bureau" / "bureau-key.json"
    flat = medaid("verify", str(two), "--trust", str(trust), "--bureau-key", str(key))
    assert (flat.status, "平 flat" in flat.out) == (0, True), flat.err
    payments = zipfile.ZipFile(two).read("payments.csv").decode("utf-8-sig")
    aid = sum(each["aid_fen"] for each in scene.settled["CA"])
    assert f"{aid // 100}.{aid % 100:02d}" in payments


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("open", "--month", "2026-13"), "YYYY-MM"),
        (("open", "--month", "2099-01"), "MA-4202"),
        (("match", "--month", "2025-12"), "MA-4201"),
        (("match", "--month", MONTH, "--facility", "NOBODY"), "MA-4209"),
        (("resolve", "0" * 32, "--note", "x"), "MA-4205"),
        (("close", "--month", MONTH), "give one of"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    scene: Scene, arguments: tuple[str, ...], sentence: str
) -> None:
    """With a code or with what to give, and nothing changed."""
    status = 1
    told = scene.ask(*arguments, status=status)
    assert sentence in told
    assert "Traceback" not in told
