"""The gateway that ours is measured against does the same work, and proves it."""

import ast
import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import asyncpg
import orjson
import pytest

from crypto.receipt import verify_receipt
from gateway.installation import load_trust
from settlement.store.embedded import EmbeddedPostgres
from tests.bench import beside_fastapi, bodies
from tests.bench.beside_fastapi import Ground, NotStoredError, Running, check_stored
from tests.bench.cpu_time import cpu_s_of
from tests.bench.ground import roster_rows
from tests.support.sources import PROJECT

needs_peer = pytest.mark.skipif(
    not beside_fastapi.is_installed(), reason=beside_fastapi.NOT_INSTALLED
)
_PERSONS = 200
_ROSTER = roster_rows(_PERSONS, ("特困人员", "低保"))
_CARD, _ID_NUMBER, _CATEGORY, _UNTIL = 1, 2, 5, 8
_AID_FEN = 7_200


@dataclass(frozen=True)
class Pair:
    """Both gateways, each on its own copy of one database."""

    runner: asyncio.Runner
    ground: Ground
    ours: Running
    theirs: Running

    def bill(self, number: str, visit: str, **changes: Any) -> bytes:
        """An ordinary bill of a card, and what is to be otherwise."""
        bill = orjson.loads(bodies.bill_body(number, visit, self.ground.bench.day))
        return orjson.dumps(bill | changes)

    def post(self, gateway: Running, key: str, bill: bytes) -> tuple[int, Any]:
        """The answer of one of the two, read."""
        status, body = self.post_raw(gateway, key, bill)
        return status, orjson.loads(body)

    def post_raw(self, gateway: Running, key: str, bill: bytes) -> tuple[int, bytes]:
        """The answer of one of the two, its exact bytes."""
        return self.runner.run(
            beside_fastapi.post(gateway, self.ground.token, key, bill)
        )

    def at_once(self, *bills: tuple[str, bytes]) -> list[tuple[int, bytes]]:
        """The other gateway's answers to bills that all come together."""

        async def all_of_them() -> list[tuple[int, bytes]]:
            token = self.ground.token
            return await asyncio.gather(
                *(beside_fastapi.post(self.theirs, token, *each) for each in bills)
            )

        return self.runner.run(all_of_them())

    def query(self, statement: str, *values: object) -> Any:
        """What the other gateway's database says."""

        async def ask() -> Any:
            connection = await asyncpg.connect(self.theirs.dsn)
            try:
                return await connection.fetchval(statement, *values)
            finally:
                await connection.close()

        return self.runner.run(ask())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both, running."""
    folder = tmp_path_factory.mktemp("beside")

    async def entered(stack: contextlib.AsyncExitStack) -> tuple[Any, ...]:
        prepared = beside_fastapi.prepared(folder, _ROSTER)
        ground = await stack.enter_async_context(prepared)
        ours = beside_fastapi.our_gateway(ground, "ours")
        theirs = beside_fastapi.other_gateway(ground, "theirs")
        return (
            ground,
            await stack.enter_async_context(ours),
            await stack.enter_async_context(theirs),
        )

    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        try:
            yield Pair(runner, *runner.run(entered(stack)))
        finally:
            runner.run(stack.aclose())
            EmbeddedPostgres(folder).erase()


@pytest.fixture(scope="module")
def lone(pair: Pair) -> Iterator[Running]:
    """The other gateway on a database of its own, with one bill settled."""
    open_gateway = beside_fastapi.other_gateway(pair.ground, "lone")
    gateway = pair.runner.run(open_gateway.__aenter__())
    bill = pair.bill(pair.ground.bench.cards[0], "lone")
    token = pair.ground.token
    pair.runner.run(beside_fastapi.post(gateway, token, "lone", bill))
    yield gateway
    pair.runner.run(open_gateway.__aexit__(None, None, None))


def _comparable(answer: Any) -> Any:
    """An answer without what differs from one settlement to the next."""
    own = {"settlement_id", "settled_at", "receipt", "errors", "fields"}
    answer = {name: value for name, value in answer.items() if name not in own}
    if answer.get("roster"):
        answer["roster"] = answer["roster"] | {"age_s": 0}
    if answer.get("duplicate_of"):
        answer["duplicate_of"] = _comparable(answer["duplicate_of"])
    return answer


def _row_of(category: str, nth: int, *, ended: bool = False) -> list[str]:
    """A person of the roster who is in it today, or is no more."""
    eligible = {row[_CARD] for row in _ROSTER if not row[_UNTIL] and row[7] < "2026"}
    rows = [
        row
        for row in _ROSTER
        if row[_CATEGORY] == category
        and (row[_CARD] not in eligible if ended else row[_CARD] in eligible)
    ]
    return rows[nth]


_POOR, _LOW = "特困人员", "低保"
_HOSPITAL_BILL = {
    "care_type": "inpatient", "total_fen": 9_001_800, "in_policy_fen": 9_000_000,
    "basic_insurance_fen": 5_000_000, "serious_illness_fen": 1_000_000,
}  # fmt: skip


@needs_peer
@pytest.mark.parametrize(
    ("category", "changes"),
    [
        (_POOR, {}),
        (_LOW, {}),
        (_LOW, {"care_type": "emergency", "personal_account_fen": 9_000}),
        (_LOW, {"care_type": "outpatient_special", "bill_no": None}),
        (_LOW, _HOSPITAL_BILL),
        (_LOW, _HOSPITAL_BILL | {"referred": False, "commercial_fen": 100_000}),
        (_LOW, {"medical_aid_fen": 100, "basic_insurance_fen": 15_900}),
        (_LOW, {"expected_aid_fen": 1}),
        (_LOW, {"basic_insurance_fen": 24_200}),
        (_LOW, {"prescription_days": 30, "diagnoses": [], "med_type": "11"}),
    ],
    ids=str,
)
def test_it_decides_as_ours_does(
    pair: Pair, category: str, changes: dict[str, Any]
) -> None:
    """The same bill gets the same answer, to the fen and to the word."""
    visit = f"V{crc32(str((category, changes)).encode())}"
    card = _row_of(category, 0)[_CARD]
    bill = pair.bill(card, visit, **changes)

    ours = pair.post(pair.ours, visit, bill)
    theirs = pair.post(pair.theirs, visit, bill)

    assert theirs[0] == ours[0] == 201
    assert _comparable(theirs[1]) == _comparable(ours[1])


@needs_peer
def test_it_keeps_running_totals_to_the_cap(pair: Pair) -> None:
    """Bill after bill of one person until the year's cap is used up, as with ours."""
    card = _row_of(_LOW, 3)[_CARD]
    aid = []
    for number in range(6):
        bill = pair.bill(card, f"cap-{number}", **_HOSPITAL_BILL)
        ours = pair.post(pair.ours, f"cap-{number}", bill)[1]
        theirs = pair.post(pair.theirs, f"cap-{number}", bill)[1]
        assert _comparable(theirs) == _comparable(ours)
        aid.append(theirs["aid_fen"])

    assert aid[0] > aid[-1], "the cap was never reached"


@needs_peer
def test_detectors_speak_at_its_desk(pair: Pair) -> None:
    """A visit claimed again under another number is told to the cashier by both."""
    card = _row_of(_POOR, 4)[_CARD]
    told = []
    for number in range(3):
        bill = pair.bill(card, f"again-{number}")
        ours = pair.post(pair.ours, f"again-{number}", bill)[1]
        theirs = pair.post(pair.theirs, f"again-{number}", bill)[1]
        assert _comparable(theirs) == _comparable(ours)
        told += theirs["alerts"]

    assert told


@needs_peer
@pytest.mark.parametrize("kind", ["unknown", "ended", "resident_id"])
def test_the_roster_decides_who_is_eligible(pair: Pair, kind: str) -> None:
    """An unknown card and one whose window has ended are declined, and kept so."""
    row = _row_of(_LOW, 0, ended=kind == "ended")
    card = {"kind": "social_security_card", "number": row[_CARD]}
    if kind == "unknown":
        card["number"] = "ZZZ123456"
    if kind == "resident_id":
        card = {"kind": kind, "number": row[_ID_NUMBER]}
    bill = pair.bill("", f"who-{kind}", card=card)

    _, ours = pair.post(pair.ours, f"who-{kind}", bill)
    _, theirs = pair.post(pair.theirs, f"who-{kind}", bill)

    assert _comparable(theirs) == _comparable(ours)
    expected = {"unknown": "MA-2101", "ended": "MA-2102", "resident_id": "MA-2000"}
    assert theirs["reason"]["code"] == expected[kind]
    state = pair.query("SELECT state FROM settlement WHERE key = $1", f"who-{kind}")
    assert state == (b"s" if kind == "resident_id" else b"d")


@needs_peer
def test_a_repeated_key_answers_the_same(pair: Pair) -> None:
    """To the byte, also to many at once; it settles once."""
    bill = pair.bill(_row_of(_POOR, 5)[_CARD], "repeat")

    answers = set(pair.at_once(*[("repeat", bill)] * 12))
    answers.add(pair.post_raw(pair.theirs, "repeat", bill))

    assert len(answers) == 1
    assert next(iter(answers))[0] == 201
    count = pair.query("SELECT count(*) FROM settlement WHERE key = 'repeat'")
    assert count == 1


@needs_peer
def test_a_key_with_other_content_is_refused(pair: Pair) -> None:
    """Nothing is settled, and the field is named, as with ours."""
    card = _row_of(_POOR, 6)[_CARD]
    pair.post(pair.theirs, "other", pair.bill(card, "other"))

    status, problem = pair.post(
        pair.theirs, "other", pair.bill(card, "other", diagnoses=["J45"])
    )

    assert (status, problem["code"]) == (422, "MA-4103")
    assert [error["path"] for error in problem["errors"]] == ["diagnoses"]


@needs_peer
def test_a_visit_is_settled_once(pair: Pair) -> None:
    """Another key for the same visit is declined with the first one's receipt."""
    card = _row_of(_POOR, 7)[_CARD]
    bill = pair.bill(card, "twice")
    both = []
    for gateway in (pair.ours, pair.theirs):
        _, first = pair.post(gateway, "twice-1", bill)
        _, same = pair.post(gateway, "twice-2", bill)
        changed = pair.bill(card, "twice", personal_account_fen=100)
        _, other = pair.post(gateway, "twice-3", changed)
        assert same["duplicate_of"]["receipt"] == first["receipt"]
        assert same["duplicate_of"]["settlement_id"] == first["settlement_id"]
        further = pair.bill(card, "twice", repeat_reason="second_bill")
        _, allowed = pair.post(gateway, "twice-4", further)
        both.append([_comparable(each) for each in (first, same, other, allowed)])

    assert both[1] == both[0]
    codes = [answer["reason"]["code"] for answer in both[1]]
    assert codes == ["MA-2000", "MA-2202", "MA-2203", "MA-2000"]


@needs_peer
def test_one_person_at_many_desks_at_once(pair: Pair) -> None:
    """No total is lost, and one visit among them wins its number once."""
    row = _row_of(_POOR, 8)
    bills = [(f"hot-{n}", pair.bill(row[_CARD], f"hot-{n // 2}")) for n in range(24)]

    answers = [orjson.loads(body) for _, body in pair.at_once(*bills)]

    codes = sorted(answer["reason"]["code"] for answer in answers)
    assert codes == ["MA-2000"] * 12 + ["MA-2202"] * 12
    used = pair.query(
        "SELECT used_fen FROM accumulator WHERE pot = 'outpatient' AND person ="
        " (SELECT person FROM settlement WHERE key = 'hot-0')"
    )
    assert used == 12 * _AID_FEN


@needs_peer
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"total_fen": "25000"}, "MA-1102"),
        ({"total_fen": 25_001}, "MA-1113"),
        ({"surprise": 1}, "MA-1102"),
        ({"service_end": "2999-01-01"}, "MA-1112"),
        ({"visit_no": "11010519491231002X"}, "MA-1104"),
    ],
    ids=str,
)
def test_what_is_no_bill_is_refused(
    pair: Pair, change: dict[str, Any], code: str
) -> None:
    """With ours' code, and nothing is kept."""
    bill = pair.bill(_row_of(_POOR, 9)[_CARD], "refused", **change)

    ours = pair.post(pair.ours, "refused", bill)
    theirs = pair.post(pair.theirs, "refused", bill)

    assert (theirs[0], theirs[1]["code"]) == (ours[0], ours[1]["code"]) == (422, code)
    assert pair.query("SELECT count(*) FROM settle_key WHERE key = 'refused'") == 0


@needs_peer
def test_nobody_settles_without_a_session(pair: Pair) -> None:
    """A token that nobody was given is refused."""
    bill = pair.bill(_row_of(_POOR, 9)[_CARD], "nobody")

    status, _ = pair.runner.run(
        beside_fastapi.post(pair.theirs, "x" * 43, "nobody", bill)
    )

    assert status == 401


@needs_peer
def test_a_revoked_key_ends_its_sessions(pair: Pair, lone: Running) -> None:
    """Also one that the gateway has seen before, within a second or so."""
    token = pair.ground.desks.tokens[1]

    async def run() -> None:
        status, _ = await beside_fastapi.post(lone, token, "revoked", b"{}")
        assert status == 422, "not let in before"
        connection = await asyncpg.connect(lone.dsn)
        await connection.execute(
            "UPDATE party_key SET revoked_at = now() FROM party p"
            " WHERE p.id = party_id AND p.code = 'BENCH01'"
        )
        await connection.close()
        async with asyncio.timeout(5):
            while status != 401:
                await asyncio.sleep(0.1)
                status, _ = await beside_fastapi.post(lone, token, "revoked", b"{}")

    pair.runner.run(run())


@needs_peer
def test_its_receipt_verifies_offline(pair: Pair) -> None:
    """With the trust file and nothing else."""
    bill = pair.bill(_row_of(_POOR, 10)[_CARD], "receipt")
    _, answer = pair.post(pair.theirs, "receipt", bill)

    verified = verify_receipt(answer["receipt"], load_trust(pair.ground.data_dir))

    assert verified.claims["aid_fen"] == answer["aid_fen"] == _AID_FEN
    assert verified.claims["sid"] == answer["settlement_id"]


@needs_peer
def test_our_own_books_check_finds_nothing_wrong(pair: Pair) -> None:
    """Money, caps, log, signatures hold; each decision follows from its record."""
    pair.post(pair.theirs, "books", pair.bill(_row_of(_LOW, 11)[_CARD], "books"))
    folder = pair.ground.data_dir

    async def check() -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.cli.main", "check-books"),
            *("--data-dir", str(folder), "--dsn", pair.theirs.dsn),
            *("--bureau-key", str(folder / "bureau" / "bureau-key.json")),
            cwd=PROJECT,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        return process.returncode, out

    status, out = pair.runner.run(check())

    assert status == 0, out.decode()
    assert b"every invariant holds" in out


@needs_peer
@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM answer",
        "DELETE FROM sealed_record",
        "DELETE FROM visit",
        "UPDATE accumulator SET used_fen = used_fen + 1 WHERE pot = 'outpatient'",
        "UPDATE log_head SET size = size + 1",
        "INSERT INTO settle_key VALUES (1, 'nobody', 'x', 202601, false)",
    ],
)
def test_a_gateway_that_lost_work_is_not_measured(
    pair: Pair, lone: Running, damage: str
) -> None:
    """The check after each round notices what is not stored as acknowledged."""

    async def run() -> None:
        connection = await asyncpg.connect(lone.dsn)
        try:
            await check_stored(connection, "lone", 1, _AID_FEN)
            await connection.execute("BEGIN")
            await connection.execute(damage)
            with pytest.raises(NotStoredError, match="stored"):
                await check_stored(connection, "lone", 1, _AID_FEN)
        finally:
            await connection.close()

    pair.runner.run(run())


def test_without_the_environment_the_figures_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And say which command makes it."""
    monkeypatch.setattr(beside_fastapi, "ENVIRONMENT", tmp_path)

    measures = asyncio.run(beside_fastapi.measure(tmp_path))

    assert [each.name for each in measures] == [
        "settle_to_fastapi",
        "settle_cpu_to_fastapi",
    ]
    assert all("make bench-peers" in each.refused for each in measures)


def test_cpu_time_counts_children_alive_and_dead() -> None:
    """What a child and its children use is all of the tree's, also after their end."""
    spin = "import time\nwhile time.process_time() < 0.4: pass\n"
    script = (
        f"import subprocess, sys\n{spin}"
        f"subprocess.run([sys.executable, '-c', {spin!r}])\n"
        "print(flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        spent_s = cpu_s_of(child.pid)
        child.communicate()

    assert 0.7 <= spent_s < 2


def test_the_peer_borrows_rules_and_cryptography_alone() -> None:
    """Of ours it uses what would be the same in any gateway; the kit uses none."""
    lent = ("settlement.domain", "crypto", "eligibility_cache", "gateway.identity")
    own = ("settlement", "gateway", "eligibility_cache", "crypto", "tests")
    borrowed, kit = set(), set()
    for path in (PROJECT / "loadtests").glob("**/*.py"):
        for name in _imports(path):
            if path.parent.name != "peers":
                kit.add(name)
            elif name.split(".")[0] in own:
                borrowed.add(name)

    assert borrowed
    assert [name for name in borrowed if not name.startswith(lent)] == []
    assert [name for name in kit if name.startswith("loadtests.peers")] == []


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
