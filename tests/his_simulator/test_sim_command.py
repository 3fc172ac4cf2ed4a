"""`medaid his simulate` where one side alone is wanted, and where it cannot begin."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from gateway.cli.his import his
from gateway.demo.sandbox import ROSTER_COLUMNS
from gateway.his_simulator.clients import Client, ClientsFault, read_clients
from gateway.his_simulator.line import tif_headers
from gateway.his_simulator.messages import NoEnvelope
from gateway.his_simulator.people import make_people
from gateway.his_simulator.statement import (
    Row,
    Sums,
    compared,
    read_differences,
    rows_file,
)
from tests.support.sources import PROJECT


async def test_platform_alone_answers_a_vendor() -> None:
    """It says where it is and whom to try, and ends on SIGTERM with status 0."""
    command = [sys.executable, "-m", "gateway.cli.main", "his", "simulate"]
    process = await asyncio.create_subprocess_exec(
        *command, "--platform-only", "--gateway", "http://127.0.0.1:9",
        stdout=subprocess.PIPE, cwd=PROJECT,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(5)]
    url, card = lines[0].removeprefix("ready ").strip(), lines[1].split()[1]
    assert lines[4].startswith("bad line to the gateway at http://127.0.0.1:")
    body = {
        "infno": "1101",
        "input": {"data": {"mdtrt_cert_type": "03", "mdtrt_cert_no": card}},
    }
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/fsi/api/fsiPsnInfoService/queryPsnInfo", json=body) as came,
    ):
        told = json.loads(await came.read())
    assert told["infcode"] == 0
    assert told["output"]["baseinfo"]["psn_no"] == make_people(7, 1)[0].psn_no
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--his-only"], "--his-only needs"),
        (["--gateway", "http://127.0.0.1:9"], "--gateway needs --clients"),
        (["--faults", "rain"], "answer-lost"),
        (["--hospitals", "0"], "0"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: list[str], sentence: str) -> None:
    """Before anything is started."""
    told = CliRunner().invoke(his, ["simulate", *arguments])
    assert told.exit_code == 2
    assert sentence in told.output


def test_roster_of_the_invented_persons_is_written(tmp_path: Path) -> None:
    """For a gateway that is somebody else's: the same persons for the same seed."""
    path = tmp_path / "roster.csv"
    arguments = ["--write-roster", str(path), "--seed", "3", "--persons", "50"]
    assert CliRunner().invoke(his, ["simulate", *arguments]).exit_code == 0
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    listed = [person for person in make_people(3, 50) if person.category]
    assert rows[0] == list(ROSTER_COLUMNS)
    assert [row[1] for row in rows[1:]] == [person.card for person in listed]
    assert 0 < len(listed) < 50


def test_clients_are_read(tmp_path: Path) -> None:
    """And shown without their secrets."""
    path = tmp_path / "clients.json"
    path.write_text('[{"fixmedins_code": "H1", "paasid": "P", "secret": "hush"}]')
    assert read_clients(path) == (Client("H1", "H1", "P", "hush"),)
    assert "hush" not in repr(read_clients(path))


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"secret": "hush"}]'])
def test_other_files_are_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    """Nobody reads a traceback."""
    path = tmp_path / "clients.json"
    path.write_text(text)
    with pytest.raises(ClientsFault, match=r"clients\.json"):
        read_clients(path)
    arguments = ["--gateway", "http://127.0.0.1:9", "--clients", str(path)]
    told = CliRunner().invoke(his, ["simulate", *arguments])
    assert told.exit_code == 1
    assert "Traceback" not in told.output


def test_headers_are_signed_by_the_rule() -> None:
    """The vector of the interface's description (his-interface.md, 2.1)."""
    client = Client("H1", "", "account", "demo-secret-not-real")
    assert tif_headers(client, 1_700_000_000, "123456789012") == {
        "x-tif-paasid": "account",
        "x-tif-timestamp": "1700000000",
        "x-tif-nonce": "123456789012",
        "x-tif-signature": (
            "9b0f71bab282c2a356fe66915312517c3ef26d16a967f294651a1ec5fd2cfe69"
        ),
    }


def test_file_of_rows_has_its_exact_layout() -> None:
    """TAB, no header, `null` for what is empty; the same rows are the same bytes."""
    rows = [
        Row("S1", "V1", "P1", 25_000, 16_000, 0, "0"),
        Row("S1", "V1", "P1", -25_000, -16_000, 5, "1"),
        Row("", "V2", "P2", 1, 0, 0, "0"),
    ]
    packed = rows_file("day", rows)
    assert packed == rows_file("day", rows)
    lines = _only_text(packed).split("\n")
    assert lines == [
        "S1\tV1\tP1\t250.00\t160.00\t0.00\t0",
        "S1\tV1\tP1\t-250.00\t-160.00\t0.05\t1",
        "null\tV2\tP2\t0.01\t0.00\t0.00\t0",
        "",
    ]


def _only_text(packed: bytes) -> str:

    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == ["day.txt"]
        return archive.read("day.txt").decode()


def test_file_of_differences_is_read_or_refused() -> None:
    """Another layout is a finding, not a guess."""
    row = Row("V1", "P1", "S1", 1, 0, 0, "0")
    found = read_differences(rows_file("day", [row]))
    assert (found[0].psn_no, found[0].mdtrt_id) == ("V1", "P1")
    for damaged in (b"", b"PK", rows_file("day", [row])[:-30]):
        with pytest.raises(NoEnvelope):
            read_differences(damaged)


@pytest.mark.parametrize(
    ("hospital", "result"),
    [
        (Sums(100, 50, 0, 2), "000000"),
        (Sums(100, 50, 0, 1), "000101"),
        (Sums(100, 50, 0, 3), "000102"),
        (Sums(100, 51, 0, 2), "000103"),
    ],
)
def test_sums_are_compared(hospital: Sums, result: str) -> None:
    """The four results of 3201."""
    assert compared(Sums(100, 50, 0, 2), hospital) == result
