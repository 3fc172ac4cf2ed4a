"""Our own gateway holds every line, by every way in, and nothing is left of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.key_files import private_key_file
from gateway.his_self_test.run import LINES
from tests.his.desk import HisRoom
from tests.his.doors import TIF_SECRET, GuardedRoom
from tests.his_self_test.runs import CARD, ID_NUMBER, SANDBOX_TIME, run, shown
from tests.his_self_test.spoilers import spoiling
from tests.settlement.house import assert_books_clean

_UNSIGNED = [
    "signature.bad", "signature.stale", "signature.replayed", "signature.missing",
]  # fmt: skip


async def test_gateway_holds_every_line(room: HisRoom) -> None:
    """Twice: a run's numbers are its own."""
    for _ in range(2):
        ran = await run(room.url)
        assert ran.failed == [], shown(ran)
        assert ran.ids("not run") == [*_UNSIGNED, "person.id"]
        assert [each["id"] for each in ran.told["lines"]] == [
            *(line.id for line in LINES), "undo.all",
        ]  # fmt: skip
        assert ran.status == 0, ran.complaint
        assert ran.told["sandbox"] is True
    await assert_books_clean(room.house)
    async with room.house.database.pool.acquire() as connection:
        used = await connection.fetchval("SELECT sum(used_fen) FROM accumulator")
    assert used == 0


async def test_every_line_says_what_went_and_came(room: HisRoom) -> None:
    """And nobody's card stands in it."""
    ran = await run(room.url)
    for line in ran.told["lines"]:
        if line["state"] == "pass":
            assert line["exchanges"], line["id"]
            assert all(each["sent"] and each["came"] for each in line["exchanges"])
        for field in ("title", "expected"):
            assert line[field]["zh"]
            assert line[field]["en"]
    assert CARD not in ran.text
    assert "C0****01" in ran.text
    (flat,) = [each for each in ran.told["lines"] if each["id"] == "files.flat"]
    for each in flat["exchanges"]:
        assert "filename=self-test" in each["sent"] or each["sent"].startswith("3202")
        assert "file_qury_no=MF" in each["came"]


async def test_by_identity_number(room: HisRoom) -> None:
    """Where a person has no card at hand."""
    ran = await run(
        room.url, "--id-number", ID_NUMBER, "--sandbox-time", SANDBOX_TIME, plain=True
    )
    assert ran.failed == [], shown(ran)
    assert ran.ids("not run") == [*_UNSIGNED, "person.card"]
    assert ID_NUMBER not in ran.text


async def test_gbk_throughout(room: HisRoom) -> None:
    """Many HIS send nothing else."""
    ran = await run(room.url, "--encoding", "gbk")
    assert (ran.failed, ran.status) == ([], 0), shown(ran)


async def test_tif_signatures_are_tried(guarded: GuardedRoom) -> None:
    """The secret comes from the environment, and is not told."""
    account = await guarded.allowed()
    ran = await run(
        guarded.url, "--paasid", account, profile="x-tif", MEDAID_HIS_SECRET=TIF_SECRET
    )
    assert ran.failed == [], shown(ran)
    assert ran.ids("not run") == ["person.id"]
    assert TIF_SECRET not in ran.text
    assert account not in ran.text


async def test_sessions_are_tried(guarded: GuardedRoom, tmp_path: Path) -> None:
    """By the key file that the hospital holds."""
    await guarded.allowed("sign-in", accepts_weak=False)
    file = tmp_path / "hospital.key"
    file.write_bytes(private_key_file(guarded.key))
    ran = await run(guarded.url, "--secret-file", str(file), profile="sign-in")
    assert ran.failed == [], shown(ran)
    assert ran.ids("not run") == ["person.id"]
    assert ran.status == 0


async def test_wrong_secret_is_one_red_line(guarded: GuardedRoom) -> None:
    """The others say why they were not run; nothing was settled."""
    account = await guarded.allowed()
    ran = await run(
        guarded.url, "--paasid", account, profile="x-tif", MEDAID_HIS_SECRET="another"
    )
    assert ran.failed == ["signature.good"]
    assert ran.ids("pass") == ["connection.answers", "connection.envelope"]
    assert ran.line("settle.repeated")["why"]["en"] == "no sound message is taken"
    assert ran.status == 1


@pytest.mark.parametrize(
    ("proof", "red"),
    [
        ("wrong", "signature.bad"),
        ("old", "signature.stale"),
        ("used", "signature.replayed"),
        ("none", "signature.missing"),
    ],
)
async def test_door_that_lets_a_bad_proof_in_is_found(
    guarded: GuardedRoom, proof: str, red: str
) -> None:
    """A middleware that signs for whoever comes."""
    account = await guarded.allowed()
    nonces: set[str] = set()

    def resign(headers: Any) -> dict[str, str] | None:
        given = {name.lower(): value for name, value in headers.items()}
        nonce = given.get("x-tif-nonce", "")
        stamp = given.get("x-tif-timestamp", "0")
        right = guarded.tif(account, timestamp=stamp, nonce=nonce)
        is_old = int(stamp) < int(guarded.later(-600)) and nonce != ""
        is_wrong = given.get("x-tif-signature") != right["x-tif-signature"]
        found = (
            "none" if not nonce
            else "old" if is_old
            else "wrong" if is_wrong
            else "used" if nonce in nonces
            else ""
        )  # fmt: skip
        nonces.add(nonce)
        return guarded.tif(account) if found == proof else None

    async with spoiling(guarded.url, guarded.http, resign=resign) as (url, _):
        ran = await run(
            url, "--paasid", account, "--only", "signature",
            profile="x-tif", MEDAID_HIS_SECRET=TIF_SECRET,
        )  # fmt: skip
    assert ran.failed == [red], shown(ran)


async def test_nothing_is_settled_where_no_sandbox_shows_itself(room: HisRoom) -> None:
    """A middleware that loses the header hides whether money is real."""
    async with spoiling(room.url, room.http, drops_time=True) as (url, passed):
        ran = await run(url, "--card", CARD, plain=True)
    assert ran.told["sandbox"] is None
    assert {"2207", "2208"} & set(passed.infnos) == set()
    assert "settle.same-fen" in ran.ids("not run")
    assert "undo.all" not in [each["id"] for each in ran.told["lines"]]
    assert "--live-writes" in ran.line("settle.same-fen")["why"]["zh"]


async def test_live_gateway_is_written_to_on_request_alone(room: HisRoom) -> None:
    """It shows itself by refusing the sandbox's header."""
    live = replace(room.edge.gateway, sandbox=False)
    room.edge.gateway = live
    async with spoiling(room.url, room.http) as (url, passed):
        ran = await run(url, "--card", CARD, plain=True)
        assert ran.told["sandbox"] is False
        assert "2207" not in passed.infnos
        await run(url, "--card", CARD, "--live-writes", "--only", "settle", plain=True)
        assert "2207" in passed.infnos
