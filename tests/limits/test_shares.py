"""The pool of claims under a flood: nobody waits without bound, nobody takes it all.

Over HTTP, with real settling on a real database that a lock brings to a halt.
"""

import asyncio
import itertools
import resource
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from gateway.limits import NO_RATE, Allowance, Allowances, CallClass, Limits, no_limits
from settlement.service.sequencer import SequencerLimits
from settlement.store.database import Database
from tests.gateway import bodies
from tests.gateway.desk import ControlledUseCases, RunningEdge, register, running_edge
from tests.limits.raw import Raw, RawAnswer, connected, request
from tests.settlement.house import House, assert_books_clean, open_house

DEADLINE_MS = "60000"
POOL = 2_000
CARD = "A12345678"
_numbers = itertools.count(1)


def settle(bearer: str, deadline_ms: str = DEADLINE_MS) -> bytes:
    """A settle request of a bill of its own, under a key of its own."""
    number = next(_numbers)
    return request(
        "/v1/settlements",
        "POST",
        bodies.bill(
            card={"kind": "social_security_card", "number": CARD},
            visit_no=f"flood-{number}",
        ),
        Authorization=bearer,
        Idempotency_Key=f"k-{number}",
        Medaid_Deadline_Ms=deadline_ms,
    )


@asynccontextmanager
async def stopped(database: Database) -> AsyncIterator[None]:
    """Let no batch end while the block runs."""
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT * FROM log_head FOR UPDATE")
        try:
            yield
        finally:
            await transaction.rollback()


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[RunningEdge]:
    """The house's gateway over HTTP."""
    await house.enrol(CARD)
    gateway = cast("ControlledUseCases", house.gateway)
    async with running_edge(house.database, gateway, follows_parties=False) as edge:
        yield edge


async def ask(raw: Raw, sent: bytes) -> RawAnswer:
    """One request and its answer."""
    await raw.send(sent)
    answer = await raw.answer()
    assert answer is not None
    return answer


def resident_mb() -> int:
    """The process's largest memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def waiting(house: House, count: int) -> None:
    """Wait until so many claims are in the pool."""
    async with asyncio.timeout(60):
        while house.gateway.sequencer.waiting < count:  # noqa: ASYNC110  # another's work
            await asyncio.sleep(0.05)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with the pool that it has in production."""
    async with open_house(database, tmp_path / "var") as house:
        yield house


@pytest.mark.timeout(180)
async def test_full_pool_says_so_at_once_and_recovers(house: House) -> None:
    """2,000 wait; all others are told in no time, cost no memory, and may come back."""
    async with serving(house) as edge, AsyncExitStack() as stack:
        bearer = await edge.bearer(await register(house.database, "H001"))
        lines = [
            await stack.enter_async_context(connected(edge.authority))
            for _ in range(POOL + 64 + 20)
        ]
        *crowd, _, last = lines
        async with stopped(house.database):
            # A batch has begun on each line; the pool fills behind them.
            began = []
            for raw in crowd[: len(house.gateway.lines)]:
                began.append(asyncio.create_task(ask(raw, settle(bearer))))
                await asyncio.sleep(0.5)
            rest = crowd[len(began) :]
            began += [asyncio.create_task(ask(raw, settle(bearer))) for raw in rest]
            await waiting(house, POOL)
            before, loop = resident_mb(), asyncio.get_running_loop()
            slowest = 0.0
            for _ in range(2_000):
                at = loop.time()
                answer = await ask(last, settle(bearer))
                slowest = max(slowest, loop.time() - at)
                assert (answer.status, answer.code) == (503, "MA-5101")
                assert answer.headers["retry-after"] == "1"
            grown = resident_mb() - before
            assert house.gateway.sequencer.waiting == POOL

        answers = Counter(answer.status for answer in await asyncio.gather(*began))
        assert set(answers) == {201, 503}
        assert answers[201] >= POOL
        assert grown < 16
        assert slowest < 2
        assert (await ask(last, settle(bearer))).status == 201
        await assert_books_clean(house)


def share(at_once: int) -> Limits:
    """So many money calls at once for each party."""
    money = Allowance(NO_RATE, at_once)
    return Limits(Allowances(usual={CallClass.MONEY: money}), clock=lambda: 0)


@asynccontextmanager
async def flood(
    edge: RunningEdge, bearer: str, lines: int
) -> AsyncIterator[Counter[str]]:
    """One party that settles on so many connections without ever pausing."""
    codes: Counter[str] = Counter()
    stop = asyncio.Event()

    async def run() -> None:
        async with connected(edge.authority) as raw:
            while not stop.is_set():
                answer = await ask(raw, settle(bearer))
                codes[answer.code or str(answer.status)] += 1

    running = [asyncio.create_task(run()) for _ in range(lines)]
    try:
        yield codes
    finally:
        stop.set()
        await asyncio.gather(*running)


@asynccontextmanager
async def flooded(
    database: Database, data_dir: Path, limits: Limits
) -> AsyncIterator[tuple[RunningEdge, str, Counter[str]]]:
    """A small pool under one party's flood, and a session of another party."""
    pool = SequencerLimits(pool=100, batch=64)
    async with (
        open_house(database, data_dir, limits=pool) as house,
        serving(house) as edge,
    ):
        edge.edge.limits = limits
        loop = await edge.bearer(await register(database, "H001"))
        cashier = await edge.bearer(await register(database, "H002"))
        async with flood(edge, loop, 300) as codes:
            await asyncio.sleep(0.5)
            yield edge, cashier, codes
        await assert_books_clean(house)


async def test_one_partys_flood_leaves_places_to_others(
    database: Database, tmp_path: Path
) -> None:
    """While nothing moves the cashier's claim is taken; it is settled in its time."""
    async with (
        flooded(database, tmp_path / "var", share(25)) as (edge, cashier, codes),
        connected(edge.authority) as raw,
    ):
        async with stopped(database):
            await asyncio.sleep(1.0)
            taken = asyncio.create_task(ask(raw, settle(cashier, "10000")))
            await asyncio.sleep(0.5)
            assert not taken.done()
        assert (await taken).status == 201
        later = [await ask(raw, settle(cashier, "5000")) for _ in range(10)]

    assert [each.status for each in later] == [201] * 10
    assert codes["MA-3106"] > 0
    assert codes["201"] > 0
    assert codes["MA-5101"] == 0


async def test_without_the_limit_a_flood_takes_every_place(
    database: Database, tmp_path: Path
) -> None:
    """What the limit is for: the same flood without it shuts the cashier out."""
    async with (
        flooded(database, tmp_path / "var", no_limits()) as (edge, cashier, codes),
        connected(edge.authority) as raw,
        stopped(database),
    ):
        await asyncio.sleep(1.0)
        answer = await ask(raw, settle(cashier, "10000"))

    assert (answer.status, answer.code) == (503, "MA-5101")
    assert codes["MA-5101"] > 0
