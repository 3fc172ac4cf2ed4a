"""Renewing is done whole or not at all, alone, and with the right keys."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import asyncpg
import pytest

from crypto.keys import OpeningKey
from gateway.keyfiles import load_keys, read_private_key
from settlement.domain.errors import FatalError
from settlement.store.database import Database, UnfitServerError
from settlement.store.retokening import TOKEN_COLUMNS, NotAloneError
from tests.gateway.test_commands import Operator
from tests.retokening.books import (
    CARD,
    Keys,
    columns,
    everything,
    fetched,
    opened,
    renew,
    with_epoch,
)
from tests.settlement.house import assert_books_clean, bill, body, make_keys

_WITHIN_S = 60.0
_CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
_WRITING = f"{_CONNECTED} AND query LIKE 'UPDATE roster%'"
#: So that there is time to kill: nobody whom anybody knows.
_MANY_PERSONS = """
    INSERT INTO roster_window
    SELECT substring(sha256(n::text::bytea) FOR 16), 'dibao', '2020-01-01', NULL,
           '990101001', '', 1
    FROM generate_series(1, 100000) AS n RETURNING 1
"""
#: Bytes that are no tokens, nor made of any, by table.
_OTHER_BYTES = {
    "aid_recovery": {"settlement_id", "case_id"},
    "alert": {"id", "latest", "case_id"},
    "alert_case": {"id"},
    "alert_case_event": {"case_id"},
    "alert_claim": {"alert_id", "settlement_id"},
    "alert_event": {"alert_id"},
    "alert_rules": {"document"},
    "alert_webhook": {"sealed_secret"},
    "answer": {"id", "head", "tail", "digest"},
    "clinical.alert_facts": {"alert_id"},
    "clinical.diagnosis": {"settlement_id"},
    "log_head": {"root", "edge"},
    "log_leaf": {"entry", "id"},
    "log_node": {"hash"},
    "party_key": {"sealed_secret", "public_key"},
    "closed_month": {"statement"},
    "difference": {"id", "settlement_id", "reversal_id"},
    "difference_event": {"difference_id"},
    "his_client": {"sealed_secret", "public_key"},
    "his_file": {"digest", "sealed"},
    "hospital_line": {"id"},
    "month_package": {"statement"},
    "policy_approval": {"signature"},
    "policy_pack": {"document"},
    "statement_signature": {"signature"},
    "reversal": {"id", "settlement_id"},
    "reversal_key": {"id"},
    "roster_delivery": {"attempt", "outcome", "refused"},
    "roster_head": {"key_check"},
    "roster_version": {"sha256"},
    "sealed_record": {"record"},
    "session": {"token_hash"},
    "settle_key": {"id", "late_id"},
    "settlement": {"id"},
    "visit": {"id"},
    "watch_skipped": {"settlement_id"},
    "watched_decline": {"id"},
}
#: What is made of tokens, and renewed in its own way.
_MADE_OF_TOKENS = {
    "settlement": {"visit_identity"},
    "visit": {"identity"},
    "answer": {"request"},
    "alert": {"subject"},
    "alert_case": {"subject"},
    "alert_mute": {"subject"},
}


async def test_every_column_is_known(database_dsn: str) -> None:
    """Whoever adds a column of bytes says here whether it is a token."""
    unknown = []
    for place, name, kind in await columns(database_dsn):
        table = place.removeprefix("public.")
        known = (
            set(TOKEN_COLUMNS.get(table, ()))
            | _OTHER_BYTES.get(table, set())
            | _MADE_OF_TOKENS.get(table, set())
        )
        if kind in {"bytea", "bytea[]"} and name not in known:
            unknown.append(f"{table}.{name}")

    assert unknown == []


async def settled(dsn: str, folder: Path, keys: Keys) -> None:
    """One settlement of one person."""
    async with opened(dsn, folder, keys) as house:
        await house.enrol(CARD)
        # Of no party: `init` has registered the first.
        await house.settle(bill(CARD), facility=9)


async def test_whoever_else_is_connected_is_in_its_way(
    database_dsn: str, tmp_path: Path
) -> None:
    """A gateway that runs would go on under tokens that are no more."""
    keys = with_epoch(make_keys(), 2)
    async with opened(database_dsn, tmp_path / "worker", keys) as house:
        await house.enrol(CARD)

        with pytest.raises(NotAloneError, match="connected to the database"):
            await renew(database_dsn, keys, 2)

        assert body(await house.settle(bill(CARD)))["decision"] == "approved"
    assert (await fetched(database_dsn, "SELECT token_epoch FROM roster_head"))[0][
        "token_epoch"
    ] == 1


async def test_an_import_under_way_is_in_its_way(
    database_dsn: str, tmp_path: Path
) -> None:
    """It holds the roster; nobody waits for ever."""
    keys = with_epoch(make_keys(), 2)
    await settled(database_dsn, tmp_path / "worker", keys)
    importing = await Database.open(database_dsn, max_size=1)
    try:
        async with importing.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM roster_head FOR UPDATE")

            with pytest.raises(NotAloneError, match="works on the roster"):
                await renew(database_dsn, keys, 2)
    finally:
        await importing.close()


async def test_a_process_of_the_former_epoch_gets_no_further_connection(
    database_dsn: str, tmp_path: Path
) -> None:
    """One that was cut off meanwhile would look for, and write, what is no token."""
    keys = with_epoch(make_keys(), 2)
    await settled(database_dsn, tmp_path / "worker", keys)
    database = await Database.open(database_dsn, min_size=0, max_size=1)
    try:
        assert await database.hold_to_token_epoch() == 1
        await fetched(
            database_dsn,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        await renew(database_dsn, keys, 2)

        with pytest.raises(UnfitServerError, match=r"epoch 2, .* began with epoch 1"):
            await database.pool.fetchval("SELECT 1")
        with pytest.raises(UnfitServerError, match="start it again"):
            await database.connect()
    finally:
        await database.close()


async def test_without_the_epoch_s_key_nothing_starts(
    database_dsn: str, tmp_path: Path
) -> None:
    """A machine to which the key was not copied says so, and which file it wants."""
    keys = make_keys()
    await settled(database_dsn, tmp_path / "worker", keys)
    await renew(database_dsn, with_epoch(keys, 2), 2)

    with pytest.raises(FatalError, match=r"token-epoch-2\.key is not here"):
        async with opened(database_dsn, tmp_path / "worker", keys):
            pass


async def test_another_token_key_renews_nothing(
    database_dsn: str, tmp_path: Path
) -> None:
    """Nor is an epoch begun twice, nor one left out."""
    keys = with_epoch(with_epoch(make_keys(), 2), 3)
    await settled(database_dsn, tmp_path / "worker", keys)
    before = await everything(database_dsn)
    other = replace(keys[0], token_key=os.urandom(32)), keys[1]

    with pytest.raises(FatalError, match="not the one that wrote the roster"):
        await renew(database_dsn, other, 2)
    with pytest.raises(FatalError, match="of epoch 1 by now"):
        await renew(database_dsn, keys, 3)

    assert await everything(database_dsn) == before


async def test_books_that_disagree_are_not_renewed(
    database_dsn: str, tmp_path: Path
) -> None:
    """What was altered in a visit would look as though it had always been so."""
    keys = with_epoch(make_keys(), 2)
    await settled(database_dsn, tmp_path / "worker", keys)
    await fetched(
        database_dsn,
        "UPDATE settlement SET visit_identity = sha256(visit_identity) RETURNING id",
    )
    before = await everything(database_dsn)

    with pytest.raises(FatalError, match="check-books"):
        await renew(database_dsn, keys, 2)

    assert await everything(database_dsn) == before


async def test_killed_at_any_point_it_leaves_one_epoch_whole(
    database_dsn: str, data_dir: Path, tmp_path: Path
) -> None:
    """Kill -9 within its transaction; afterwards the first epoch is whole."""
    operator = Operator(data_dir, database_dsn)
    await asyncio.to_thread(operator.ok, "init", "--sandbox")
    opening = read_private_key(data_dir / "bureau" / "bureau-key.json")
    assert isinstance(opening, OpeningKey)
    await settled(database_dsn, tmp_path / "worker", (load_keys(data_dir), opening))
    await fetched(database_dsn, _MANY_PERSONS)
    await asyncio.to_thread(operator.ok, "roster", "retoken", "--make-key")
    before, random, cut = await everything(database_dsn), Random(20261124), 0
    place = ["--data-dir", str(data_dir), "--dsn", database_dsn]

    while cut < 5 and await _killed(database_dsn, place, random.uniform(0, 0.4)):
        cut += 1
        assert await everything(database_dsn) == before
    printed = await asyncio.to_thread(operator.ok, "roster", "retoken", "--by", "li")

    assert cut == 5
    assert "epoch 2 has begun" in printed
    keys = (load_keys(data_dir), opening)
    async with opened(database_dsn, tmp_path / "worker", keys) as house:
        await assert_books_clean(house)
    noted = await fetched(database_dsn, "SELECT epoch, begun_by FROM token_epoch")
    assert [tuple(row) for row in noted] == [(2, "li")]


async def _killed(dsn: str, place: list[str], after_s: float) -> bool:
    """Kill the command so long after it began to write; whether it had not ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", "roster", "retoken"),
        *("--by", "li", *place),
        stdout=asyncio.subprocess.DEVNULL,
    )
    # It must find itself alone in its database: we look from another one.
    database = urlsplit(dsn).path.removeprefix("/")
    looker = await asyncpg.connect(dsn, database="postgres")
    try:
        async with asyncio.timeout(_WITHIN_S):
            while not await looker.fetchval(_WRITING, database):  # noqa: ASYNC110  # another process's work
                await asyncio.sleep(0.002)
            await asyncio.sleep(after_s)
            is_killed = process.returncode is None
            if is_killed:
                process.kill()
            await process.wait()
            # Its transaction ends with it, as soon as the server notices.
            while await looker.fetchval(_CONNECTED, database):  # noqa: ASYNC110  # the server's
                await asyncio.sleep(0.01)
    finally:
        await looker.close()
    return is_killed


def test_the_command_leads_through_its_steps(data_dir: Path, database_dsn: str) -> None:
    """A key first, which is never made twice; the next epoch wants one of its own."""
    operator = Operator(data_dir, database_dsn)
    operator.ok("init", "--sandbox")

    neither = operator.run("roster", "retoken")
    early = operator.refused("roster", "retoken", "--by", "li")
    made = operator.ok("roster", "retoken", "--make-key")
    path = data_dir / "keys" / "token-epoch-2.key"
    key, mode = path.read_bytes(), path.stat().st_mode & 0o777
    again = operator.ok("roster", "retoken", "--make-key")
    first = json.loads(operator.ok("roster", "retoken", "--by", "li", "--json"))
    twice = operator.refused("roster", "retoken", "--by", "li")
    path.unlink()
    lost = operator.refused("roster", "retoken", "--make-key")

    assert neither.exit_code == 2
    assert "epoch 1, and the next one has no key yet" in early
    assert str(path) in made
    assert mode == 0o600
    assert "left as it is" in again
    assert first == {"epoch": 2, "tokens": 0, "answers": 0}
    assert "epoch 2, and the next one has no key yet" in twice
    assert "token-epoch-2.key is not here" in lost
    assert len(base64.b64decode(key)) == 32


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("token-epoch-2.key", b"c2hvcnQ=", "is not 32 bytes in base64"),
        ("token-epoch-1.key", bytes(44), "names no epoch of tokens"),
        ("token-epoch-02.key", bytes(44), "names no epoch of tokens"),
        ("token-epoch-two.key", bytes(44), "names no epoch of tokens"),
    ],
)
def test_key_files_that_are_none_are_named(
    data_dir: Path, database_dsn: str, name: str, content: bytes, part: str
) -> None:
    """Better no start than tokens by a key that somebody has mistyped."""
    operator = Operator(data_dir, database_dsn)
    operator.ok("init", "--sandbox")
    path = data_dir / "keys" / name
    path.touch(0o600)
    path.write_bytes(content)

    assert part in operator.refused("roster", "verify")
