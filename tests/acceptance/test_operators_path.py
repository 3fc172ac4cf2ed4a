"""The operator's path by commands alone, from an empty folder to clean books."""

from __future__ import annotations

import asyncio
import csv
import json
import runpy
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.wiring import wall_clock
from settlement.domain.calendar import shanghai_day
from settlement.store.embedded import EmbeddedPostgres
from tests.acceptance.desk import AT, bill
from tests.acceptance.gateway_process import (
    PROJECT,
    CommandResult,
    GatewayProcess,
    medaid,
    must,
)
from tests.acceptance.hand_made import HandMade, Reply, call
from tests.roster import bureau

pytestmark = pytest.mark.timeout(240)


@contextmanager
def serving(data_dir: Path, *options: str) -> Iterator[GatewayProcess]:
    """Run `medaid serve`; SIGTERM at the end must drain it with status 0."""
    gateway = GatewayProcess(data_dir, workers=1, options=options)
    gateway.start()
    try:
        yield gateway
    except BaseException:
        gateway.stop()
        raise
    assert gateway.stop() == 0


class Operator:
    """Somebody with a shell in a folder, and the program."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.folder = data_dir.parent

    def run(self, *arguments: str) -> CommandResult:
        """Run a command on the data folder; it has to succeed."""
        return must(*arguments, "--data-dir", str(self.data_dir), cwd=self.folder)

    def json(self, *arguments: str) -> Any:
        """Run it with `--json` and parse what it prints."""
        return json.loads(self.run(*arguments, "--json").raw)

    def fail(self, *arguments: str) -> str:
        """Run what has to fail; the one sentence that says why."""
        there = ("--data-dir", str(self.data_dir))
        result = medaid(*arguments, *there, cwd=self.folder)
        return one_sentence(result)


def one_sentence(result: CommandResult) -> str:
    """The one sentence of a command that has to fail."""
    assert result.status != 0
    assert "Traceback" not in result.err
    before, _, sentence = result.err.rpartition("Error: ")
    assert sentence.strip(), result.err
    assert "Error: " not in before
    return sentence.strip()


def test_operators_path(data_dir: Path) -> None:
    """Everything a newcomer does with a sandbox, in order, with commands alone."""
    operator = Operator(data_dir)
    _make_ready(operator)
    with serving(data_dir) as gateway:
        _register_facility(operator)
        cards = _take_in_roster(operator)
        answer = _settle_by_hand(operator, gateway, cards)
        _export_month(operator)
        _verify(operator, answer)
        _show_keys(operator)
    books = operator.json("check-books")
    assert (books["ok"], books["settlements"], books["leaves"]) == (True, 3, 4)
    assert "every invariant holds" in operator.run("check-books").out
    _tampered_books_are_found(operator)


def _make_ready(operator: Operator) -> None:
    first = operator.run("init", "--sandbox").out
    trust = (operator.data_dir / "trust.json").read_bytes()
    second = operator.run("init", "--sandbox").out

    assert "sandbox ready" in first
    assert "none, all stand" in second
    assert (operator.data_dir / "trust.json").read_bytes() == trust
    for path in (operator.data_dir / "bureau").iterdir():
        assert path.stat().st_mode & 0o077 == 0, "only its owner may read it"


def _register_facility(operator: Operator) -> None:
    add = ("facility", "add", "H001", "--level", "2", "--subdistrict", "990101001")
    said = operator.run(*add, "--key-out", "H001.key.json").out
    sentence = operator.fail(*add, "--key-out", "H001.key.json")
    parties = {party["code"]: party for party in operator.json("party", "list")}

    key_file = operator.folder / "H001.key.json"
    key = json.loads(key_file.read_bytes())
    assert key.keys() == {"key_id", "alg", "secret"}
    assert key["alg"] == "hmac-sha256"
    assert key["key_id"] in said
    assert key["secret"] not in said
    assert key_file.stat().st_mode & 0o077 == 0
    assert "never overwritten" in sentence
    assert (parties["H001"]["role"], parties["H001"]["level"]) == ("facility", 2)
    assert [k["key_id"] for k in parties["H001"]["keys"]] == [key["key_id"]]
    assert "H001" in operator.run("party", "list").out


def _take_in_roster(operator: Operator) -> list[str]:
    """Generate, sign, import and look at it; cards of persons with open windows."""
    generate = ("roster", "generate", "--persons", "200", "--seed", "7", "--out")
    must(*generate, "drill", cwd=operator.folder)
    must(*generate, "again", cwd=operator.folder)
    data = operator.folder / "drill" / "roster.csv"
    again = operator.folder / "again" / "roster.csv"
    assert data.read_bytes() == again.read_bytes()
    key = str(operator.data_dir / "bureau" / "roster-key.json")
    sign = ("roster", "sign", "drill/roster.csv", "--kind", "full", "--version", "1")
    must(*sign, "--key", key, "--out", "drill/manifest.json", cwd=operator.folder)

    assert "no roster" in operator.run("roster", "status").out
    manifest = str(operator.folder / "drill" / "manifest.json")
    taken = operator.json("roster", "import", manifest)
    assert "MA-6110" in operator.fail("roster", "import", manifest)
    status = operator.json("roster", "status")

    assert (taken["version"], taken["refused"]) == (1, 0)
    assert status["roster"]["persons"] == 200
    assert status["roster"]["version"] == 1
    with data.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert taken["rows"] == len(rows)
    return [row["card_number"] for row in rows if row["category"].endswith("低保")]


def _settle_by_hand(
    operator: Operator, gateway: GatewayProcess, cards: list[str]
) -> Reply:
    """Sign in, ask, settle, settle again, and take one back."""
    desk = HandMade(gateway.url, operator.folder / "H001.key.json")
    card = next(card for card in cards if _is_eligible(desk, card))
    sent = bill(1, card={"kind": "social_security_card", "number": card})

    answer = desk.post(
        "/v1/settlements", sent, Idempotency_Key="first", Medaid_Sandbox_Time=AT
    )
    again = desk.post(
        "/v1/settlements", sent, Idempotency_Key="first", Medaid_Sandbox_Time=AT
    )
    document = json.loads(answer.body)
    assert (answer.status, document["decision"]) == (201, "approved")
    assert again.body == answer.body
    assert again.headers["Idempotent-Replayed"] == "true"
    for number, day in enumerate(("2026-01-05", "2026-02-03")):
        later = sent | {"visit_no": f"MZ-{number}", "service_start": day}
        reply = desk.post(
            "/v1/settlements",
            later | {"service_end": day},
            Idempotency_Key=f"later-{number}",
            Medaid_Sandbox_Time=f"{day}T03:00:00Z",
        )
        assert reply.status == 201
    order = {"settlement_id": document["settlement_id"], "reason": "refund"}
    undone = desk.post(
        "/v1/reversals", order, Idempotency_Key="back", Medaid_Sandbox_Time=AT
    )
    assert undone.status == 201
    return answer


def _is_eligible(desk: HandMade, card: str) -> bool:
    body = {
        "card": {"kind": "social_security_card", "number": card},
        "service_date": "2026-01-05",
    }
    for _ in range(100):
        reply = desk.post("/v1/eligibility", body, Medaid_Sandbox_Time=AT)
        assert reply.status == 200, reply.body
        status = json.loads(reply.body)["status"]
        if status != "unknown":
            return bool(status == "eligible")
    raise AssertionError("the gateway did not follow the roster")


def _export_month(operator: Operator) -> None:
    export = ("settlements", "export", "--month", "2026-01", "--out")
    exported = operator.json(*export, str(operator.folder / "january"))
    one = operator.json(*export, str(operator.folder / "of-H001"), "--facility", "H001")
    february = operator.json(
        *("settlements", "export", "--month", "2026-02"),
        *("--out", str(operator.folder / "february")),
    )

    # Two settlements and a reversal, by the month of settling.
    assert (exported["count"], one["count"], february["count"]) == (3, 3, 1)
    records = sorted(path.name for path in (operator.folder / "january").rglob("*"))
    proofs = [name for name in records if name.endswith(".tlog-proof")]
    assert len(proofs) == 3
    assert "not empty" in operator.fail(*export, str(operator.folder / "january"))
    nobody = (*export, str(operator.folder / "nobody"), "--facility", "H999")
    assert "no facility H999" in operator.fail(*nobody)


def _verify(operator: Operator, answer: Reply) -> None:
    """Offline, with nothing but the folder and the trust file."""
    month = operator.folder / "january"
    trust = str(operator.folder / "trust.json")
    shutil.copy(operator.data_dir / "trust.json", trust)
    key = operator.data_dir / "bureau" / "bureau-key.json"
    plain = ("--trust", trust, "--json")

    without_key = json.loads(must("verify", str(month), *plain).raw)
    with_key = json.loads(
        must("verify", str(month), *plain, "--bureau-key", str(key)).raw
    )
    assert (without_key["ok"], without_key["checked"]) == (True, 3)
    assert (without_key["settlements"], without_key["reversals"]) == (2, 1)
    assert (without_key["opened"], with_key["opened"]) == (0, 3)
    aid_fen = json.loads(answer.body)["aid_fen"]
    assert without_key["aid_fen"] == with_key["aid_fen"] == aid_fen

    saved = operator.folder / "answer.json"
    saved.write_bytes(answer.body)
    alone = json.loads(must("verify", str(saved), *plain).raw)
    assert (alone["ok"], alone["in_log"]) == (True, True)
    opened = operator.run("verify", str(saved), "--bureau-key", str(key)).out
    assert '"bill"' in opened

    _flipped_bytes_are_found(month, trust)
    _other_faults_are_found(month, trust)


def _flipped_bytes_are_found(month: Path, trust: str) -> None:
    """One byte in a record, in a proof, and in the checkpoint."""
    for path in (
        next((month / "records").iterdir()),
        next((month / "proofs").iterdir()),
        month / "checkpoint",
    ):
        whole = path.read_bytes()
        middle = len(whole) // 2
        flipped = bytes([whole[middle] ^ 1])
        path.write_bytes(whole[:middle] + flipped + whole[middle + 1 :])
        result = medaid("verify", str(month), "--trust", trust, "--json")
        path.write_bytes(whole)

        found = json.loads(result.raw)
        assert result.status != 0
        assert found["ok"] is False
        assert found["findings"], path.name
        if path.parent != month:
            assert path.stem in found["findings"][0]["where"]
        assert found["findings"][0]["code"].startswith("MA-8")


def _other_faults_are_found(month: Path, trust: str) -> None:
    """A record taken out, and a trust file that lacks the signer."""
    record = next((month / "records").iterdir())
    aside = record.rename(month.parent / record.name)
    missing = medaid("verify", str(month), "--trust", trust)
    aside.rename(record)
    document = json.loads(Path(trust).read_bytes())
    document["keys"] = [k for k in document["keys"] if k["role"] != "record-sign"]
    poor = month.parent / "poor-trust.json"
    poor.write_text(json.dumps(document), encoding="utf-8")
    unknown = medaid("verify", str(month), "--trust", str(poor))

    for result in (missing, unknown):
        assert result.status != 0
        assert "NOT verified" in result.err
        assert "Traceback" not in result.err
    assert record.stem in missing.err
    assert medaid("verify", str(month), "--trust", trust).status == 0


def _show_keys(operator: Operator) -> None:
    trust = (operator.data_dir / "trust.json").read_bytes()
    listed = operator.run("keys", "list", "--json").raw
    exported = operator.run("keys", "export-trust").raw
    out = operator.folder / "exported.json"
    operator.run("keys", "export-trust", "--out", str(out))

    assert listed == exported == out.read_bytes() == trust
    table = operator.run("keys", "list").out
    for key in json.loads(trust)["keys"]:
        assert key["kid"] in table
    private = (operator.data_dir / "keys" / "record-sign.json").read_text("utf-8")
    secret = json.loads(private)
    assert not any(str(v) in table for k, v in secret.items() if "private" in k)


def _tampered_books_are_found(operator: Operator) -> None:
    """Somebody with the database's password gives a person aid back."""
    with EmbeddedPostgres(operator.data_dir) as server:
        asyncio.run(
            _execute(server.dsn, "UPDATE accumulator SET used_fen = used_fen + 1")
        )
        result = medaid("check-books", "--data-dir", str(operator.data_dir), "--json")

    books = json.loads(result.raw)
    assert result.status != 0
    assert books["ok"] is False
    assert books["violations"]


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def test_quote_from_file_and_standard_input(tmp_path: Path) -> None:
    """What a bill would get, without roster, database or data folder."""
    sent = json.dumps(bill(1)).encode()
    (tmp_path / "bill.json").write_bytes(sent)
    quote = ("quote", "--policy", "demo-district", "--category", "低保", "--bill")

    from_file = must(*quote, "bill.json", cwd=tmp_path)
    from_stdin = must(*quote, "-", stdin=sent, cwd=tmp_path)
    nearly_used = must(*quote, "-", "--used", "outpatient=599000", stdin=sent)
    both = ("quote", "--policy", "demo-district@2000.1", "--category", "低保,特困")
    best = must(*both, "--bill", "-", stdin=sent)

    assert json.loads(from_file.raw) == json.loads(from_stdin.raw)
    document = json.loads(from_file.raw)
    assert (document["aid_fen"], document["patient_pays_fen"]) == (5_760, 3_240)
    assert (document["settlement_id"], document["receipt"]) == (None, None)
    assert json.loads(nearly_used.raw)["aid_fen"] == 1_000
    assert json.loads(best.raw)["aid_fen"] == 7_200
    assert [path.name for path in tmp_path.iterdir()] == ["bill.json"]


def test_policy_commands(tmp_path: Path) -> None:
    """The packs that come with the program, listed, shown and checked."""
    packs = json.loads(must("policy", "list", "--json").raw)["packs"]
    checked = json.loads(must("policy", "check", "--json").raw)
    source = PROJECT / "settlement" / "policies" / "demo-district.yaml"
    broken = tmp_path / "broken.yaml"
    text = source.read_text(encoding="utf-8")
    broken.write_text(text.replace("dibao", "dibo", 1), encoding="utf-8")

    assert {"demo-district", "beijing"} <= {pack["id"] for pack in packs}
    assert checked["ok"] is True
    for pack in checked["packs"]:
        assert pack["cases_passed"] == pack["cases"] > 0
    for pack in packs:
        shown = must("policy", "show", f"{pack['id']}@{pack['version']}").out
        assert pack["title"]["zh"] in shown
    assert "sound" in must("policy", "check", str(source)).out
    result = medaid("policy", "check", str(broken), "--json")
    assert result.status != 0
    faults = json.loads(result.raw)["packs"][0]["faults"]
    assert faults
    assert all(fault["line"] > 0 and fault["code"] for fault in faults)


def test_real_gateway(data_dir: Path, tmp_path: Path) -> None:
    """Not a sandbox: the bureau's own keys, the sourced pack, the clock on the wall."""
    operator, today = Operator(data_dir), shanghai_day(wall_clock())
    keys = data_dir.parent / "bureau-keys"
    keys.mkdir(mode=0o700)
    example = runpy.run_path(str(PROJECT / "docs" / "examples" / "bureau_keys.py"))
    example["make_keys"]("B1", keys)
    public = str(keys / "bureau-key.public.json")
    pack = str(PROJECT / "settlement" / "policies" / "beijing-2023.yaml")
    operator.run("init", "--bureau-public-key", public)
    _bring_into_use(operator, pack)

    with serving(data_dir, "--metrics-port", "0") as gateway:
        roster_key = str(keys / "roster-key.public.json")
        operator.run(
            *("party", "add", "B1", "--role", "bureau", "--name", "区民政局"),
            *("--public-key", roster_key),
        )
        operator.run("facility", "add", "H1", "--key-out", "H1.key.json")
        _import_small_roster(operator, keys / "roster-key.json", tmp_path)
        desk = HandMade(gateway.url, data_dir.parent / "H1.key.json")
        sent = bill(
            1,
            service_start=today.isoformat(),
            service_end=today.isoformat(),
            occurred_at=None,
        )
        refused = desk.post(
            "/v1/settlements", sent, Idempotency_Key="k", Medaid_Sandbox_Time=AT
        )
        answer = _settle_when_followed(desk, sent)
        main, own = call(f"{gateway.url}/metrics"), call(gateway.said("metrics "))

    document = json.loads(answer.body)
    assert (refused.status, refused.code) == (400, "MA-1108")
    assert (answer.status, document["decision"]) == (201, "approved")
    assert document["policy"]["id"] == "beijing"
    settled_at = datetime.fromisoformat(document["settled_at"])
    assert abs(settled_at - wall_clock()) < timedelta(hours=1)
    assert (main.status, own.status) == (404, 200)
    saved = data_dir.parent / "answer.json"
    saved.write_bytes(answer.body)
    verified = operator.json("verify", str(saved))
    assert (verified["ok"], verified["sandbox"]) == (True, 0)
    assert not (data_dir / "bureau").exists()
    assert "cannot become a sandbox" in operator.fail("init", "--sandbox")


def _bring_into_use(operator: Operator, pack: str) -> None:
    """Two officers approve the pack; it decides from ten seconds later on."""
    for officer in ("li", "wang"):
        key = f"{officer}.key.json"
        operator.run(
            *("party", "add", officer, "--role", "officer", "--name", officer),
            *("--alg", "ed25519", "--key-out", key),
        )
        operator.run("policy", "approve", pack, "--key", key)
    operator.run("policy", "activate", "beijing@2023.1", "--accept-unconfirmed")


def _import_small_roster(operator: Operator, key: Path, folder: Path) -> None:
    rows = [bureau.row(1, valid_from="2020-01-01")]
    data = folder / "roster.csv"
    with data.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    manifest = str(folder / "manifest.json")
    sign = ("roster", "sign", str(data), "--kind", "full", "--version", "1")
    must(*sign, "--key", str(key), "--out", manifest)
    operator.run("roster", "import", manifest)


def _settle_when_followed(desk: HandMade, sent: dict[str, Any]) -> Reply:
    """A running gateway knows a new roster within a second, a pack after ten."""
    sent = {name: value for name, value in sent.items() if value is not None}
    for _ in range(300):
        reply = desk.post("/v1/settlements", sent, Idempotency_Key="k")
        if reply.status != 503:
            return reply
        assert reply.code in {"MA-2104", "MA-5106"}
        time.sleep(0.1)
    raise AssertionError("the gateway did not follow the roster or the pack")
