"""COMMIT's promises, each broken once: durable, told by its tag, never cut short."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from settlement.domain.errors import FatalError
from settlement.service.batch import Batch
from settlement.store import database as database_module
from settlement.store import ledger as ledger_module
from settlement.store import line as line_module
from settlement.store import transaction as transaction_module
from settlement.store.database import Database
from settlement.store.errors import CommitUnknownError
from settlement.store.ledger import Ledger
from tests.meta.checker import Checker
from tests.settlement.house import House, bill, make_keys, open_house
from tests.tampering.servers import Server, a_server, execute, make_schema

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="finds children in /proc"
)
_ASYNC = "ALTER ROLE medaid SET synchronous_commit = off"


@pytest.fixture
def server() -> Iterator[Server]:
    """Give a server that the test may crash."""
    with a_server() as server:
        yield server


async def test_synchronous_commit_off_is_refused_at_start(
    server: Server,
) -> None:
    """The sentence names the setting and what it must be."""
    await make_schema(server.dsn)
    await execute(server.dsn, _ASYNC)
    with pytest.raises(FatalError, match=r"synchronous_commit is 'off'.*needs on or"):
        await Database.open(server.dsn)


@pytest.mark.parametrize("is_durable", [True, False])
async def test_synchronous_commit(
    server: Server,
    checker: Checker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_durable: bool,
) -> None:
    """A crash right after the answer: with it nothing is lost, without it the answer.

    The process that would write the rest of the log in a moment is held still, so
    that the moment is long enough.
    """
    await make_schema(server.dsn)
    keys = make_keys()
    with monkeypatch.context() as patch:
        if not is_durable:
            await execute(server.dsn, _ASYNC)
            patch.setattr(database_module, "check_durable", _says_nothing)
        async with _opened(server, tmp_path / "var", keys) as house:
            await house.enrol("C1")
            await checker.settle(house, bill("C1"), "k0")
            await _hold_still(server, "walwriter")
            for number in range(1, 4):
                assert await checker.settle(house, bill("C1"), f"k{number}")
            await asyncio.to_thread(server.crash)
    await asyncio.to_thread(server.embedded.start)
    await execute(server.dsn, "ALTER ROLE medaid RESET synchronous_commit")
    async with _opened(server, tmp_path / "auditor", keys) as house:
        found = await checker.violations(house)
    if is_durable:
        assert found == []
    else:
        assert "notes: acknowledged, and not in the database" in found
        assert "past: the log has no leaf where a receipt says" in found


async def _says_nothing(_connection: object) -> None:
    """The check at start and on each new connection, switched off."""


@contextlib.asynccontextmanager
async def _opened(server: Server, data_dir: Path, keys: Any) -> AsyncIterator[House]:
    database = await Database.open(server.dsn)
    try:
        async with open_house(database, data_dir, keys) as house:
            yield house
    finally:
        database.pool.terminate()


async def _hold_still(server: Server, kind: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    try:
        pid = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = $1", kind
        )
    finally:
        await connection.close()
    os.kill(pid, signal.SIGSTOP)


@contextlib.asynccontextmanager
async def _as_the_driver_does(connection: Any) -> AsyncIterator[None]:
    """asyncpg's own transaction, which does not look at COMMIT's tag."""
    async with connection.transaction():
        yield


@pytest.mark.parametrize("demands_tag", [True, False])
async def test_tag_of_commit(
    house: House,
    checker: Checker,
    monkeypatch: pytest.MonkeyPatch,
    demands_tag: bool,
) -> None:
    """A block that was aborted unseen: COMMIT answers ROLLBACK and nothing is kept."""
    await house.enrol("C1")
    await checker.settle(house, bill("C1"), "k0")
    plain = Batch.run

    async def run(self: Batch, ledger: Ledger) -> None:
        await plain(self, ledger)
        with contextlib.suppress(asyncpg.PostgresError):
            await ledger._connection.execute("SELECT 1/0")

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "run", run)
        if not demands_tag:
            patch.setattr(ledger_module, "committed", _as_the_driver_does)
        await checker.settle(house, bill("C1"), "k1")
    found = await checker.violations(house)
    if demands_tag:
        assert checker.refused == ["MA-5107"]
        assert found == []
    else:
        assert "notes: acknowledged, and not in the database" in found


async def _impatient(connection: Any) -> None:
    """COMMIT with a time-out of the client's, which cancels the wait for a standby."""
    try:
        await connection.execute("COMMIT", timeout=0.3)
    except TimeoutError as error:
        raise CommitUnknownError("time-out") from error


@pytest.mark.parametrize(
    ("is_patient", "has_fence"), [(True, True), (False, True), (False, False)]
)
async def test_commit_is_not_cancelled(
    server: Server,
    checker: Checker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_patient: bool,
    has_fence: bool,
) -> None:
    """No standby, no answer. A COMMIT cut short leaves the row, on one machine only.

    The fence that follows an unknown outcome covers it: either alone holds.
    """
    await make_schema(server.dsn)
    async with _opened(server, tmp_path / "var", make_keys()) as house:
        await house.enrol("C1")
        await checker.settle(house, bill("C1"), "k0")
        await _require_standby(server, "'ghost'")
        with monkeypatch.context() as patch:
            patch.setattr(line_module, "RESOLVE_TIMEOUT_S", 1.0)
            if not is_patient:
                patch.setattr(transaction_module, "_commit", _impatient)
            if not has_fence:
                patch.setattr(line_module, "_FENCE", "SELECT 1")
            settling = asyncio.create_task(checker.settle(house, bill("C1"), "k1"))
            await asyncio.wait([settling], timeout=3)
            if settling.done() and settling.result():
                checker.noted.append("notes: acknowledged, and on no standby")
        await _require_standby(server, "''")
        await settling
        assert checker.refused == (["MA-5103"] if not is_patient and has_fence else [])
        assert await checker.violations(house) == (
            []
            if is_patient or has_fence
            else ["notes: acknowledged, and on no standby"]
        )


async def _require_standby(server: Server, names: str) -> None:
    await execute(
        server.dsn,
        f"ALTER SYSTEM SET synchronous_standby_names = {names}",
        "SELECT pg_reload_conf()",
    )
    await asyncio.sleep(0.3)  # the checkpointer passes it on
