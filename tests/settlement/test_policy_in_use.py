"""A running gateway takes over what is activated, and nothing that is not approved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from settlement.domain.errors import FatalError, RequestRefused
from settlement.service import policy_shelf
from settlement.service.policy_shelf import PolicyShelf
from settlement.store.database import Database
from settlement.store.errors import BatchRefusedError
from settlement.store.policies import install, read_packs
from tests.settlement.house import DEMO_PACK, NOW, bill, body, caller, open_house


def _next_version() -> bytes:
    """The demo pack again, as a later version of the same rules."""
    text = DEMO_PACK.read_text(encoding="utf-8")
    return text.replace("version: '2000.1'", "version: '2000.2'").encode()


async def _until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await is_so():  # noqa: ASYNC110  # the gateway looks once a second
            await asyncio.sleep(0.1)


async def test_an_activated_pack_decides_without_a_restart(
    database: Database, data_dir: Path
) -> None:
    """From its instant on; what is settled for an earlier instant keeps the former."""
    async with open_house(database, data_dir) as house:
        await house.enrol("C1")
        before = body(await house.settle(bill("C1")))
        async with database.pool.acquire() as connection:
            await install(connection, _next_version(), NOW + timedelta(hours=1))

        async def has_taken_over() -> bool:
            at = NOW + timedelta(hours=2)
            later = body(await house.settle(bill("C1"), settled_at=at))
            return bool(later["policy"]["version"] == "2000.2")

        await _until(has_taken_over)
        earlier = body(await house.settle(bill("C1")))

    assert before["policy"]["version"] == "2000.1"
    assert earlier["policy"]["version"] == "2000.1"


async def test_an_active_pack_without_approvals_is_refused(database: Database) -> None:
    """Whoever sets a row active does not make a pack count."""
    async with database.pool.acquire() as connection:
        await install(connection, DEMO_PACK.read_bytes())
    rows = await read_packs(database)

    PolicyShelf(rows, sandbox=True)
    with pytest.raises(FatalError, match="fictional"):
        PolicyShelf(rows, sandbox=False)


async def test_a_refused_pack_leaves_the_former_in_use(
    database: Database, data_dir: Path
) -> None:
    """The gateway goes on with what it had, and says so."""
    async with open_house(database, data_dir) as house:
        await house.enrol("C1")
        real = (DEMO_PACK.parent / "beijing-2023.yaml").read_bytes()
        async with database.pool.acquire() as connection:
            await install(connection, real)

        async def is_refused() -> bool:
            findings = await house.gateway.findings()
            return "pack_refused" in {finding.code for finding in findings}

        await _until(is_refused)
        settled = body(await house.settle(bill("C1")))
        reasons = await house.gateway.not_ready()

    assert settled["policy"]["id"] == "demo-district"
    assert reasons == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE policy_pack SET document = document || 'x'",
        "UPDATE policy_pack SET known_since = known_since - interval '1 day'",
        "UPDATE policy_pack SET active = false",
        "DELETE FROM policy_pack",
    ],
)
async def test_a_pack_in_use_never_changes(database: Database, statement: str) -> None:
    """Neither its text nor its dates, nor that it was used."""
    async with database.pool.acquire() as connection:
        await install(connection, DEMO_PACK.read_bytes())
        with pytest.raises(asyncpg.RaiseError, match="never changes"):
            await connection.execute(statement)


async def test_a_worker_that_may_have_missed_an_activation_settles_no_more(
    database: Database, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has looked again: 503 with the same key; what is known is answered."""
    async with open_house(database, data_dir) as house:
        await house.enrol("C1")
        known = bill("C1")
        first = await house.settle(known, key="known")

        async def refused(_: object) -> tuple[int, int]:
            raise BatchRefusedError("InsufficientPrivilegeError")

        with monkeypatch.context() as broken:
            broken.setattr(policy_shelf, "packs_state", refused)
            broken.setattr(policy_shelf, "STALE_AFTER_S", 0.0)

            async def is_stale() -> bool:
                try:
                    await house.settle(bill("C1"))
                except RequestRefused as no:
                    return no.reason == "MA-5105"
                return False

            await _until(is_stale)
            again = await house.settle(known, key="known")
            quoted = await house.gateway.quote(caller(), bill("C1"), house.when())

        async def settles() -> bool:
            return not await is_stale()

        await _until(settles)

    assert (again.replayed, again.body) == (True, first.body)
    assert quoted.status == 200
