"""Those who wait for PostgreSQL are told in time, whatever holds it."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import orjson
import pytest

from gateway.in_time import in_time
from settlement.domain.errors import RequestRefused
from settlement.service import eligibility
from settlement.service.eligibility import QuotaReader
from settlement.store import known_keys, pool
from settlement.store.database import Database
from settlement.store.errors import StoreBusyError, StoreUnavailableError
from tests.gateway import bodies
from tests.gateway.bodies import CARD
from tests.gateway.desk import RunningEdge, register
from tests.limits.test_shares import house, serving
from tests.settlement.house import House, bill, new_key

__all__ = ["house"]

SHORT_S = 1.0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short bounds, so that the tests are; no shorter than a busy machine pauses."""
    monkeypatch.setattr(pool, "WAIT_S", SHORT_S)
    monkeypatch.setattr(pool, "MOST_WAITING", 5)
    monkeypatch.setattr(eligibility, "_QUOTA_WITHIN_S", SHORT_S)
    monkeypatch.setattr(known_keys, "_KNOWN_WITHIN_S", SHORT_S)
    soon = functools.partial(in_time, within_s=1.5 * SHORT_S)
    monkeypatch.setattr("gateway.app.in_time", soon)
    monkeypatch.setattr("gateway.access.in_time", soon)


@asynccontextmanager
async def all_taken(database: Database) -> AsyncIterator[None]:
    """Hold every connection of the pool."""
    async with AsyncExitStack() as stack:
        for _ in range(database.pool_state().limit):
            await stack.enter_async_context(database.pool.acquire())
        yield


@asynccontextmanager
async def locked(dsn: str, *tables: str) -> AsyncIterator[None]:
    """Let nobody read these tables."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            for table in tables:
                await connection.execute(f"LOCK {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def _all_free(database: Database) -> None:
    """Wait until whoever was given up has let its connection go."""
    async with asyncio.timeout(20):
        while database.pool_state().in_use:  # noqa: ASYNC110  # a server's work
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("impatient")
async def test_waiting_for_a_connection_ends(database: Database) -> None:
    """So many wait, so long each; whoever comes then is told at once."""
    loop = asyncio.get_running_loop()
    async with all_taken(database):
        began = loop.time()
        waiting = [asyncio.create_task(database.pool.fetchval("SELECT 1"))
                   for _ in range(5)]  # fmt: skip
        await asyncio.sleep(0)
        assert database.pool_state().waiting == 5
        with pytest.raises(StoreBusyError, match="too many"):
            await database.pool.fetchval("SELECT 1")
        # At once: none of those who may wait was told before.
        assert not any(each.done() for each in waiting)
        told = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(each) for each in told] == [StoreBusyError] * 5
        assert loop.time() - began >= SHORT_S
    assert database.pool_state().waiting == 0
    assert await database.pool.fetchval("SELECT 1") == 1


async def test_connection_that_comes_free_is_had(database: Database) -> None:
    """A short queue is no refusal."""
    held = AsyncExitStack()
    await held.enter_async_context(all_taken(database))
    waiting = [
        asyncio.create_task(database.pool.fetchval("SELECT 1")) for _ in range(5)
    ]
    await asyncio.sleep(0)
    assert database.pool_state().waiting == 5
    await held.aclose()

    assert await asyncio.gather(*waiting) == [1] * 5


async def test_quota_is_advice_and_waits_for_nothing(
    database: Database, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While totals cannot be read: an end for those who wait, at once for too many."""
    monkeypatch.setattr(eligibility, "_QUOTA_WITHIN_S", 2.0)
    monkeypatch.setattr(eligibility, "_MOST_WAITING", 10)
    quotas = QuotaReader(database)
    async with locked(database_dsn, "accumulator"):
        asking = [asyncio.create_task(quotas.used([(b"p", 2026, "outpatient")]))
                  for _ in range(10)]  # fmt: skip
        await asyncio.sleep(0)
        while quotas.waiting:  # noqa: ASYNC110  # their query begins
            await asyncio.sleep(0)
        more = [asyncio.create_task(quotas.used([])) for _ in range(10)]
        while quotas.waiting < 10:  # noqa: ASYNC110  # another task's work
            await asyncio.sleep(0)
        with pytest.raises(StoreUnavailableError, match="too many"):
            await quotas.used([])
        told = await asyncio.gather(*asking, *more, return_exceptions=True)

    assert {str(each) for each in told} == {"no quota in time"}
    assert await quotas.used([(b"p", 2026, "outpatient")]) == {}


@pytest.fixture
async def edge(house: House) -> AsyncIterator[RunningEdge]:  # a fixture's name
    """A real gateway over HTTP."""
    async with serving(house) as edge:
        yield edge


@pytest.mark.usefixtures("impatient")
async def test_look_ups_without_a_connection_are_503_soon(
    edge: RunningEdge, database: Database
) -> None:
    """MA-5101 with Retry-After; then all is well."""
    bearer = await edge.bearer(await register(database, "H001"))
    visit = "/v1/settlements?visit_no=V1"
    assert (await edge.ask("GET", visit, Authorization=bearer))[0] == 200
    async with all_taken(database):
        # A change of parties just now: even its session has to be looked up.
        edge.edge.door._sessions.forget()
        told = await asyncio.gather(
            *(edge.ask("GET", visit, Authorization=bearer) for _ in range(20)),
            edge.ask("GET", "/v1/log/checkpoint"),
        )

    assert {(status, problem["code"]) for status, problem, _ in told} == {
        (503, "MA-5101")
    }
    assert {headers["Retry-After"] for _, _, headers in told} == {"1"}
    assert (await edge.ask("GET", visit, Authorization=bearer))[0] == 200


@pytest.mark.usefixtures("impatient")
async def test_eligibility_goes_on_without_a_quota(
    edge: RunningEdge, database: Database
) -> None:
    """From the cache, while no connection is to be had."""
    bearer = await edge.bearer(await register(database, "H001"))
    body = orjson.dumps({"card": CARD, "service_date": "2026-01-05"})
    await edge.ask("POST", "/v1/eligibility", body, Authorization=bearer)
    async with all_taken(database):
        status, document, _ = await edge.ask(
            "POST", "/v1/eligibility", body, Authorization=bearer
        )

    assert (status, document["status"], document["quota"]) == (200, "eligible", None)


@pytest.mark.usefixtures("impatient")
async def test_look_up_that_hangs_is_given_up(
    edge: RunningEdge, database: Database, database_dsn: str
) -> None:
    """With its connection, on a lock: 503, and the connection is free again."""
    bearer = await edge.bearer(await register(database, "H001"))
    visit = "/v1/settlements?visit_no=V1"
    await edge.ask("GET", visit, Authorization=bearer)
    async with locked(database_dsn, "settlement"):
        status, problem, _ = await edge.ask("GET", visit, Authorization=bearer)
        assert (status, problem["code"]) == (503, "MA-5101")
    await _all_free(database)
    assert (await edge.ask("GET", visit, Authorization=bearer))[0] == 200


@pytest.mark.usefixtures("impatient")
async def test_unknown_token_while_sessions_cannot_be_read(
    edge: RunningEdge, database: Database, database_dsn: str
) -> None:
    """A new session's first settle is told to come again; it is not called unknown."""
    bearer = await edge.bearer(await register(database, "H001"))
    async with locked(database_dsn, "session"):
        status, problem, _ = await edge.ask(
            "GET", "/v1/settlements?visit_no=V1", Authorization=bearer
        )

    assert (status, problem["code"]) == (503, "MA-5101")


@pytest.mark.usefixtures("impatient")
async def test_sign_in_without_a_connection_is_busy(
    edge: RunningEdge, database: Database
) -> None:
    """The database is there: whoever is told otherwise rings the wrong people."""
    key = await register(database, "H001")
    async with all_taken(database):
        status, problem = await edge.sign_in(key)

    assert (status, problem["code"]) == (503, "MA-5101")
    assert (await edge.sign_in(key))[0] == 201


@pytest.mark.parametrize("table", ["party_key", "nonce"])
@pytest.mark.usefixtures("impatient")
async def test_signature_that_cannot_be_checked_holds_no_place(
    edge: RunningEdge, database: Database, database_dsn: str, table: str
) -> None:
    """Nothing is begun; signed anew, the same intent is settled."""
    key = await register(database, "H001", must_sign=True)
    bearer = await edge.bearer(key)
    path = "/v1/settlements"
    await edge.ask("GET", path + "?visit_no=V", Authorization=bearer)

    async def settle() -> tuple[int, str]:
        signed = edge.signed(key, path, bodies.bill(), idempotency_key="k")
        status, document, _ = await asyncio.wait_for(
            edge.ask("POST", path, bodies.bill(), Authorization=bearer, **signed), 5
        )
        return status, document.get("code", "")

    async with locked(database_dsn, table):
        assert await settle() == (503, "MA-5101")
    assert await settle() == (201, "")


@pytest.mark.usefixtures("impatient")
async def test_known_key_is_not_waited_for_without_end(
    house: House, database_dsn: str
) -> None:
    """Nothing can be told: 503 soon. The look-up is left to end by itself."""
    with pytest.raises(RequestRefused, match="MA-2104"):
        await house.settle(bill(), new_key())
    async with locked(database_dsn, "settle_key"):
        with pytest.raises(RequestRefused, match="MA-5105"):
            await asyncio.wait_for(house.settle(bill(), new_key()), 5)
        assert house.database.pool_state().in_use == 1
    await _all_free(house.database)
