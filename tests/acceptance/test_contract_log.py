"""Records, proofs, the log, keys, health and the description of the interface."""

from __future__ import annotations

import asyncio
import json
import re
from html.parser import HTMLParser
from typing import Any

from crypto.checkpoint import Checkpoint, verify_checkpoint
from crypto.merkle import RightEdge, leaf_hash, node_hash
from crypto.proof import parse_proof, verify_proof
from crypto.receipt import parse_receipt
from crypto.record import check_sealed_copies, open_record, record_hash, verify_record
from crypto.tiles import TILE_WIDTH, parse_entry_bundle, parse_tile
from tests.acceptance.conftest import Running
from tests.acceptance.desk import Answer, Desk, bill, bill_of, new_name
from tests.acceptance.sandbox import Sandbox
from tests.acceptance.shapes import KEYS, assert_fits

#: The contract's table: method and path of every call.
CALLS = {
    ("POST", "/v1/roster/files"),
    ("GET", "/v1/roster/files/{version}"),
    ("GET", "/v1/roster/files/{version}/refused"),
    ("POST", "/v1/sessions"),
    ("POST", "/v1/eligibility"),
    ("POST", "/v1/quotes"),
    ("POST", "/v1/settlements"),
    ("GET", "/v1/settlements"),
    ("GET", "/v1/settlements/{id}"),
    ("POST", "/v1/settlements/search"),
    ("POST", "/v1/reversals"),
    ("POST", "/v1/statistics"),
    ("POST", "/v1/reconciliation/totals"),
    ("POST", "/v1/reconciliation/{period}/list"),
    ("GET", "/v1/reconciliation/{period}"),
    ("GET", "/v1/reconciliation/{period}/differences"),
    ("GET", "/v1/reconciliation/{period}/statement"),
    ("GET", "/v1/alerts"),
    ("GET", "/v1/alerts/stream"),
    ("GET", "/v1/alerts/{alert}"),
    ("GET", "/v1/alert-cases"),
    ("GET", "/v1/alert-cases/{case}"),
    ("POST", "/v1/alert-cases/{case}/assign"),
    ("POST", "/v1/alert-cases/{case}/confirm"),
    ("POST", "/v1/alert-cases/{case}/dismiss"),
    ("GET", "/v1/settlements/{id}/record"),
    ("GET", "/v1/settlements/{id}/proof"),
    ("GET", "/v1/log/checkpoint"),
    ("GET", "/v1/log/tile/{path}"),
    ("GET", "/v1/keys"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
}


async def latest(desk: Desk, sandbox: Sandbox) -> Checkpoint:
    """The checkpoint that is shown now, verified."""
    answer = await desk.raw("GET", "/v1/log/checkpoint")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return verify_checkpoint(answer.body.decode(), sandbox.trust)


async def tile(desk: Desk, path: str) -> Answer:
    """A tile as anybody may fetch it: without a token."""
    return await desk.raw("GET", f"/v1/log/tile/{path}")


async def test_record_of_a_settlement(desk: Desk, sandbox: Sandbox) -> None:
    """The exact bytes of the receipt; the bureau opens what nobody else can read."""
    sent = bill(sandbox.dibao())
    document = (await desk.settle(new_name(), sent)).json()

    answer = await desk.get(f"/v1/settlements/{document['settlement_id']}/record")

    assert answer.status == 200
    assert answer.body == document["receipt"]["record"].encode()
    verified = verify_record(answer.body, sandbox.trust)
    assert verified.claims["sid"] == document["settlement_id"]
    content = open_record(verified, sandbox.opening_key)
    check_sealed_copies(verified, content)
    opened = json.loads(content)
    # What a verifier needs to compute it again (API.md, "Record").
    assert opened["bill"]["total_fen"] == 25_000
    card_number = sent["card"]["number"].encode()
    assert card_number in content
    assert card_number not in answer.body
    assert b"win-01" in content
    assert b"demo-district" in content


async def test_record_of_a_reversal(desk: Desk, sandbox: Sandbox) -> None:
    """A reversal has a record and a proof of its own, under its own id."""
    document = (await desk.settle(new_name(), bill(sandbox.dibao()))).json()
    order = {"settlement_id": document["settlement_id"], "reason": "refund"}
    undone = (await desk.reverse(new_name(), order)).json()
    path = f"/v1/settlements/{undone['reversal_id']}"

    record = await desk.get(f"{path}/record")
    proof = await desk.get(f"{path}/proof")

    assert record.body == undone["receipt"]["record"].encode()
    verify_proof(
        parse_proof(proof.body.decode()), record_hash(record.body), sandbox.trust
    )


async def test_proof_against_the_latest_checkpoint(
    desk: Desk, sandbox: Sandbox
) -> None:
    """A C2SP proof, made for the tree of now, verifies with the trust file alone."""
    document = (await desk.settle(new_name(), bill(sandbox.dibao()))).json()
    for _ in range(3):
        await desk.settle(new_name(), bill(sandbox.tekun()))

    answer = await desk.get(f"/v1/settlements/{document['settlement_id']}/proof")

    assert answer.status == 200
    proof = parse_proof(answer.body.decode())
    entry = record_hash(document["receipt"]["record"].encode())
    checkpoint = verify_proof(proof, entry, sandbox.trust)
    assert proof.index == document["receipt"]["index"]
    assert checkpoint == await latest(desk, sandbox)
    assert checkpoint.size >= document["receipt"]["tree_size"] + 3


async def test_receipts_share_one_growing_log(desk: Desk, sandbox: Sandbox) -> None:
    """Indexes follow each other, and no checkpoint is smaller than one before."""
    person = sandbox.tekun()
    before = await latest(desk, sandbox)

    answers = [await desk.settle(new_name(), bill(person)) for _ in range(5)]

    receipts = [parse_receipt(answer.json()["receipt"]) for answer in answers]
    start = before.size
    assert [receipt.index for receipt in receipts] == list(range(start, start + 5))
    assert (await latest(desk, sandbox)).size == start + 5
    assert {receipt.origin for receipt in receipts} == {sandbox.trust.origin}


async def test_root_is_computed_again_from_the_tiles(
    desk: Desk, sandbox: Sandbox
) -> None:
    """Anybody can check the whole log: entries give leaves, leaves give the root."""
    person = sandbox.tekun()
    while (await latest(desk, sandbox)).size <= TILE_WIDTH:
        bills = [bill_of(person, 10_000) for _ in range(64)]
        await asyncio.gather(*(desk.settle(new_name(), sent) for sent in bills))
    checkpoint = await latest(desk, sandbox)

    full, rest = divmod(checkpoint.size, TILE_WIDTH)
    names = [f"{number:03}" for number in range(full)]
    names += [f"{full:03}.p/{rest}"] if rest else []
    tiles = [await tile(desk, f"0/{name}") for name in names]
    bundles = [await tile(desk, f"entries/{name}") for name in names]
    above = await tile(desk, f"1/000.p/{full}")

    assert {answer.status for answer in (*tiles, *bundles, above)} == {200}
    leaves = [leaf for answer in tiles for leaf in parse_tile(answer.body)]
    entries = [e for answer in bundles for e in parse_entry_bundle(answer.body)]
    assert [leaf_hash(entry) for entry in entries] == leaves
    assert RightEdge().extend(entries).root == checkpoint.root
    roots = [_root_of(list(parse_tile(answer.body))) for answer in tiles[:full]]
    assert list(parse_tile(above.body)) == roots


def _root_of(level: list[bytes]) -> bytes:
    """Root of a complete subtree, as RFC 6962 has it."""
    while len(level) > 1:
        level = [node_hash(*level[n : n + 2]) for n in range(0, len(level), 2)]
    return level[0]


async def test_tiles_that_are_not_there(desk: Desk, sandbox: Sandbox) -> None:
    """Beyond the tree, and in any other spelling, there is nothing."""
    size = (await latest(desk, sandbox)).size

    for path in (
        "0/999",
        f"0/000.p/{min(size + 1, 255)}",
        "0/0",
        "64/000",
        "x",
        "-1/000",
    ):
        answer = await tile(desk, path)
        if path.startswith("0/000.p/") and size >= 255:
            assert answer.status == 200
        else:
            assert (answer.status, answer.code) == (404, "MA-4101")


def test_log_begins_empty(running: Running) -> None:
    """Before the first settlement there is a signed checkpoint of nothing."""
    note = running.before_roster["checkpoint"].body.decode()

    checkpoint = verify_checkpoint(note, running.sandbox.trust)

    assert (checkpoint.size, checkpoint.root) == (0, RightEdge().root)
    assert running.before_roster["tile"].status == 404


async def test_keys(desk: Desk, sandbox: Sandbox) -> None:
    """The public keys, which are those of the trust file and no others."""
    answer = await desk.raw("GET", "/v1/keys")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert_fits(answer.json(), KEYS)
    trusted = json.loads((sandbox.data_dir / "trust.json").read_bytes())
    assert answer.json() == trusted
    roles = {key["role"] for key in answer.json()["keys"]}
    assert {"record-sign", "checkpoint-sign", "bureau-seal"} <= roles


async def test_alive_and_ready(desk: Desk) -> None:
    """Both without a token."""
    healthz = await desk.raw("GET", "/healthz")
    readyz = await desk.raw("GET", "/readyz")

    assert (healthz.status, readyz.status) == (200, 200)
    assert readyz.json()["reasons"] == []


def test_not_ready_without_a_roster(running: Running) -> None:
    """503 with every reason, in words."""
    answer = running.before_roster["readyz"]

    assert answer.status == 503
    assert answer.json()["reasons"] == ["no roster has been imported"]


async def test_metrics(desk: Desk, sandbox: Sandbox) -> None:
    """Prometheus text of all workers; in a sandbox on the main listener."""
    sent = bill(sandbox.dibao())
    settled = (await desk.settle(new_name(), sent)).json()

    answer = await desk.raw("GET", "/metrics")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    count = (
        r'medaid_http_request_duration_seconds_count\{call="settle",status="201"\} (.+)'
    )
    found = re.search(count, text)
    assert found is not None
    assert float(found[1]) >= 1
    for secret in (sent["card"]["number"], sent["visit_no"], settled["settlement_id"]):
        assert secret not in text


async def test_openapi_has_every_call(desk: Desk) -> None:
    """Each call of the contract is described, and resolves its own references."""
    answer = await desk.raw("GET", "/openapi.json")

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    document = answer.json()
    described = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == CALLS
    assert document["openapi"].startswith("3.1")
    for reference in set(re.findall(r'"\$ref":"#([^"]+)"', answer.body.decode())):
        assert _resolve(document, reference) is not None


def _resolve(document: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        document = document[step.replace("~1", "/").replace("~0", "~")]
    return document


class _Links(HTMLParser):
    """Everything that a page would fetch or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"base", "iframe", "object"}
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        self.found += [values[n] or "" for n in ("src", "href") if n in values]


async def test_docs_need_nothing_from_outside(desk: Desk) -> None:
    """One page, complete in itself: no resource, style or script from elsewhere."""
    answer = await desk.raw("GET", "/docs")

    page = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    links = _Links()
    links.feed(page)
    local = [link for link in links.found if link.startswith("#")]
    others = {link for link in links.found if not link.startswith("#")}
    assert {link[1:] for link in local} <= links.ids
    assert others <= {"/openapi.json", "data:,"}
    assert "@import" not in page
    assert "url(" not in page
    # The page shows what this describes; that it does is a browser's test.
    assert "/openapi.json" in others
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_sandbox_time_makes_the_month_of_record(
    desk: Desk, sandbox: Sandbox
) -> None:
    """The instant of settling is the header's, and its Shanghai day the record's."""
    sent = bill(sandbox.dibao(), occurred_at="2026-01-31T15:59:00Z")

    at = "2026-01-31T16:00:00Z"
    answer = await desk.settle(new_name(), sent, Medaid_Sandbox_Time=at)

    document = answer.json()
    assert answer.status == 201
    assert document["settled_at"].startswith("2026-01-31T16:00:00")
    record = document["receipt"]["record"].encode()
    claims = verify_record(record, sandbox.trust).claims
    assert claims["day"] == "2026-02-01"
