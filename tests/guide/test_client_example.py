"""The guide's client: one settlement, whatever happens between it and the gateway."""

from __future__ import annotations

import ast
import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.acceptance.gateway_process import PROJECT, wait_for
from tests.acceptance.hand_made import call
from tests.guide import page
from tests.guide.conftest import Reader
from tests.guide.proxy import FORWARD, LOSE_ANSWER, LOSE_REQUEST, lossy

EXAMPLES = PROJECT / "docs" / "examples"
SETTLE = "POST /v1/settlements HTTP/1.1"
#: Of a person of the README's roster: dibao, aid 80 %.
CARD = {"kind": "social_security_card", "number": "F000000095"}
_numbers = itertools.count(1)


def bill_file(folder: Path, **changes: Any) -> Path:
    """A bill of a new visit, as the insurers left it: aid 57.60, patient 32.40."""
    bill = {
        "card": CARD,
        "visit_no": f"MZ20260105-C{next(_numbers):03}",
        "bill_no": "1",
        "care_type": "outpatient",
        "service_start": "2026-01-05",
        "service_end": "2026-01-05",
        "referred": True,
        "total_fen": 25_000,
        "self_funded_fen": 1_000,
        "over_limit_fen": 0,
        "pre_selfpay_fen": 800,
        "in_policy_fen": 23_200,
        "basic_insurance_fen": 16_000,
        "serious_illness_fen": 0,
        "other_funds_fen": 0,
        "personal_account_fen": 0,
    }
    path = folder / "bill.json"
    path.write_text(json.dumps(bill | changes), encoding="utf-8")
    return path


def run(
    url: str, reader: Reader, bill: Path, pauses: str = "0.1 0.1 0.2 0.4"
) -> subprocess.CompletedProcess[str]:
    """Run the client to its end as a program of its own."""
    return subprocess.run(
        [
            *(sys.executable, str(EXAMPLES / "settle_bill.py")),
            *(url, str(reader.key_file), "win-05", str(bill)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        env=os.environ | {"PAUSES_S": pauses},
    )


def answered(done: subprocess.CompletedProcess[str]) -> Any:
    """What a client prints that ended well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def in_force(reader: Reader, bill: Path) -> list[Any]:
    """What is settled for the bill's visit, as the gateway tells it."""
    visit = json.loads(bill.read_bytes())["visit_no"]
    found = reader.terminal().post("/v1/settlements/search", {"visit_no": visit})
    items = json.loads(found.body)["items"]
    return [item for item in items if item["state"] == "settled"]


def test_client_has_at_most_forty_lines() -> None:
    """Beside imports and settings: a page that a vendor writes again in an hour."""
    text = (EXAMPLES / "settle_bill.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    counted: set[int] = set()
    for node in tree.body:
        is_setting = (
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).isupper()
        )
        if not isinstance(node, ast.Import | ast.ImportFrom) and not is_setting:
            counted |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    for each in ast.walk(tree):
        if isinstance(each, ast.FunctionDef | ast.Module):
            text_of = each.body[0]
            counted -= set(range(text_of.lineno, (text_of.end_lineno or 0) + 1))
    lines = [line.strip() for line in text.splitlines()]
    code = [n for n in counted if lines[n - 1] and not lines[n - 1].startswith("#")]

    assert len(code) <= 40


def test_client_settles(reader: Reader, tmp_path: Path) -> None:
    """Quote and settle; run again, it shows the very same answer."""
    bill = bill_file(tmp_path)

    first = answered(run(reader.url, reader, bill))
    again = answered(run(reader.url, reader, bill))

    assert (first["decision"], first["aid_fen"]) == ("approved", 5_760)
    assert again == first
    assert len(in_force(reader, bill)) == 1


def test_client_whose_first_answer_is_lost(reader: Reader, tmp_path: Path) -> None:
    """The settlement happened; the client asks again under its key and is told."""
    bill = bill_file(tmp_path)

    def fate(line: str, count: int) -> str:
        return LOSE_ANSWER if line == SETTLE and count == 1 else FORWARD

    with lossy(reader.url, fate) as proxy:
        decision = answered(run(proxy.url, reader, bill))

    lost, shown = [a for a in proxy.answers if b'"settlement_id":"' in a]
    assert b"Idempotent-Replayed: true" not in lost
    assert b"Idempotent-Replayed: true" in shown
    assert lost.partition(b"\r\n\r\n")[2] == shown.partition(b"\r\n\r\n")[2]
    assert [item["settlement_id"] for item in in_force(reader, bill)] == [
        decision["settlement_id"]
    ]


def test_client_keeps_its_key_before_the_first_attempt(
    reader: Reader, tmp_path: Path
) -> None:
    """When the request leaves, the key already lies on disk."""
    bill = bill_file(tmp_path)
    kept: list[bool] = []

    def fate(line: str, _count: int) -> str:
        if line == SETTLE:
            kept.append((tmp_path / "bill.json.db").stat().st_size > 0)
        return FORWARD

    with lossy(reader.url, fate) as proxy:
        answered(run(proxy.url, reader, bill))

    [request] = proxy.sent_to("/v1/settlements")
    assert kept == [True]
    assert key_of(request) in (tmp_path / "bill.json.db").read_bytes()


@pytest.mark.timeout(180)
def test_client_meets_a_killed_gateway_and_an_expired_session(
    reader: Reader, tmp_path: Path
) -> None:
    """Killed after it settled and before it answered; its session is over too."""
    bill = bill_file(tmp_path)

    def fate(line: str, count: int) -> str:
        return LOSE_ANSWER if line == SETTLE and count == 1 else FORWARD

    def dies(line: str, count: int) -> str:
        if line == SETTLE and count == 2:
            reader.gateway.kill()
            asyncio.run(end_sessions(reader.sandbox.server.dsn))
            return LOSE_REQUEST
        if line == SETTLE and count == 3:
            # Nobody listens: refused by the system.
            return FORWARD
        return fate(line, count)

    with lossy(reader.url, dies) as proxy:
        client = subprocess.Popen(
            [
                *(sys.executable, str(EXAMPLES / "settle_bill.py")),
                *(proxy.url, str(reader.key_file), "win-05", str(bill)),
            ],
            stdout=subprocess.PIPE,
            env=os.environ | {"PAUSES_S": " ".join(["0.5"] * 120)},
        )
        try:
            wait_for(lambda: len(proxy.sent_to("/v1/settlements")) >= 3, within_s=40)
            reader.gateway.start()
            out, _ = client.communicate(timeout=90)
        finally:
            client.kill()
            client.wait()

    decision = json.loads(out)
    refused = [a for a in proxy.answers if b"MA-3101" in a]
    assert client.returncode == 0
    assert len(refused) == 1
    assert len(proxy.sent_to("/v1/sessions")) == 2
    keys = {key_of(request) for request in proxy.sent_to("/v1/settlements")}
    assert len(keys) == 1
    assert [item["settlement_id"] for item in in_force(reader, bill)] == [
        decision["settlement_id"]
    ]


def test_client_that_is_killed_goes_on_under_its_key(
    reader: Reader, tmp_path: Path
) -> None:
    """Killed while its request is under way; the next run asks under the same key."""
    bill = bill_file(tmp_path)
    running: list[subprocess.Popen[bytes]] = []

    def fate(line: str, count: int) -> str:
        if line == SETTLE and count == 1:
            running[0].kill()
            return LOSE_ANSWER
        return FORWARD

    with lossy(reader.url, fate) as proxy:
        arguments = [proxy.url, str(reader.key_file), "win-05", str(bill)]
        program = [sys.executable, str(EXAMPLES / "settle_bill.py"), *arguments]
        with subprocess.Popen(program) as client:
            running.append(client)
        decision = answered(run(proxy.url, reader, bill))

    assert client.returncode == -signal.SIGKILL
    first, again = proxy.sent_to("/v1/settlements")
    assert key_of(first) == key_of(again)
    assert [item["settlement_id"] for item in in_force(reader, bill)] == [
        decision["settlement_id"]
    ]


def key_of(request: bytes) -> bytes:
    """The idempotency key of a captured request."""
    return request.lower().partition(b"idempotency-key: ")[2].partition(b"\r\n")[0]


async def end_sessions(dsn: str) -> None:
    """Let every session be over, as after twelve hours."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "UPDATE session SET expires_at = opened_at + interval '1 s'"
        )
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("loss", "state"), [(LOSE_ANSWER, "reversed"), (LOSE_REQUEST, "tombstone")]
)
def test_client_that_gives_up_leaves_nothing_in_force(
    reader: Reader, tmp_path: Path, loss: str, state: str
) -> None:
    """It reverses by its key; the original that comes late is declined."""
    bill = bill_file(tmp_path)

    def fate(line: str, _count: int) -> str:
        return loss if line == SETTLE else FORWARD

    with lossy(reader.url, fate) as proxy:
        undone = answered(run(proxy.url, reader, bill))
        again = answered(run(proxy.url, reader, bill))

    assert (undone["state"], undone["already"]) == (state, False)
    assert again == undone
    assert in_force(reader, bill) == []
    late = replayed(reader, proxy.sent_to("/v1/settlements")[0])
    code = "MA-2000" if state == "reversed" else "MA-2205"
    assert late["reason"]["code"] == code
    assert in_force(reader, bill) == []


def replayed(reader: Reader, request: bytes) -> Any:
    """Send a captured settle request once more, late."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = (line.decode().partition(": ") for line in head.split(b"\r\n")[1:])
    names = {"authorization", "idempotency-key", "content-type"}
    headers = {name: value for name, _, value in lines if name.lower() in names}
    answer = call(f"{reader.url}/v1/settlements", body, headers)
    assert answer.status == 201, answer.body
    return json.loads(answer.body)


def test_client_that_still_knows_nothing_says_so(
    reader: Reader, tmp_path: Path
) -> None:
    """No answer to the reversal either: unknown, and the next run goes on."""
    bill = bill_file(tmp_path)

    def fate(line: str, _count: int) -> str:
        return LOSE_ANSWER if "settlements" in line or "reversals" in line else FORWARD

    with lossy(reader.url, fate) as proxy:
        unknown = run(proxy.url, reader, bill, "0.05 0.05")
    later = answered(run(reader.url, reader, bill))

    assert (unknown.returncode, unknown.stdout.strip()) == (4, "null")
    assert later["state"] == "reversed"
    assert in_force(reader, bill) == []


def test_client_shows_why_a_bill_is_refused(reader: Reader, tmp_path: Path) -> None:
    """An impossible bill is not repeated; the reason is shown."""
    bill = bill_file(tmp_path, total_fen=1)

    done = run(reader.url, reader, bill)

    assert done.returncode == 1
    assert json.loads(done.stderr)["fields"][0]["path"] == "total_fen"
    assert in_force(reader, bill) == []


def test_shell_version_opens_a_session(reader: Reader) -> None:
    """With curl and openssl alone."""
    done = subprocess.run(
        [
            *("sh", str(EXAMPLES / "open_session.sh")),
            *(reader.url, str(reader.key_file), "win-06"),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    answer = json.loads(done.stdout)
    assert answer["party"] == "H001"
    assert len(answer["token"]) == 43
    assert answer.keys() == page.answers()["session"][1].keys()
