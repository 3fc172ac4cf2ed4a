"""Who asks too much is told when to come back; who does not ask notices nothing."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.attempts import Attempts
from gateway.limits import Allowance, Allowances, CallClass, Limits, Rate
from settlement.service.ports import Answer
from settlement.store.database import Database
from tests.gateway.bodies import CARD, bill
from tests.gateway.desk import (
    ControlledUseCases,
    RunningEdge,
    register,
    running_edge,
)

S = 1_000_000_000
FEW = Allowances(
    usual={
        CallClass.MONEY: Allowance(Rate(2, 3), at_once=100),
        CallClass.DESK: Allowance(Rate(0, 1), at_once=2),
    },
    of_party={"H009": {CallClass.MONEY: Allowance(Rate(0, 1), at_once=1)}},
    of_address={CallClass.PUBLIC: Rate(1, 5), CallClass.PROBE: Rate(1, 2)},
)


@dataclass
class Nanoseconds:
    """A clock that the test moves."""

    now: int = S

    def __call__(self) -> int:
        """The instant that the test has set."""
        return self.now


@pytest.fixture
def clock() -> Nanoseconds:
    """Time of the limits."""
    return Nanoseconds()


@pytest.fixture
async def edge(database: Database, clock: Nanoseconds) -> AsyncIterator[RunningEdge]:
    """An edge on which little is allowed."""
    async with running_edge(
        database, ControlledUseCases(), follows_parties=False
    ) as edge:
        edge.edge.limits = Limits(FEW, clock=clock)
        edge.edge.door._attempts = Attempts(
            failed=Rate(1, 3), sessions=Rate(1, 4), clock=clock
        )
        yield edge


async def settle(
    edge: RunningEdge, bearer: str, key: str = "k"
) -> tuple[int, str, str]:
    """Status, code and Retry-After of a settle request."""
    status, document, headers = await edge.ask(
        "POST", "/v1/settlements", bill(), Authorization=bearer, Idempotency_Key=key
    )
    return status, document.get("code", ""), headers.get("Retry-After", "")


async def test_runaway_loop_is_told_when_and_others_are_served(
    edge: RunningEdge, database: Database, clock: Nanoseconds
) -> None:
    """The burst, then 429 with the bucket's own time; the cashier next door settles."""
    loop = await edge.bearer(await register(database, "H001"))
    cashier = await edge.bearer(await register(database, "H002"))

    answers = [await settle(edge, loop, f"k-{n}") for n in range(20)]

    assert answers[:3] == [(200, "", "")] * 3
    assert answers[3:] == [(429, "MA-3105", "1")] * 17
    assert await settle(edge, cashier) == (200, "", "")
    assert len(edge.use_cases.seen) == 4
    clock.now += S // 2
    assert await settle(edge, loop, "k-3") == (200, "", "")
    assert await settle(edge, loop, "k-4") == (429, "MA-3105", "1")


async def test_429_is_a_problem_in_both_languages(
    edge: RunningEdge, database: Database
) -> None:
    """Code, next step and retry advice; the same key; nothing was passed on."""
    bearer = await edge.bearer(await register(database, "H001"))
    for _ in range(3):
        await settle(edge, bearer)
    seen = len(edge.use_cases.seen)

    for language, word in (("zh-CN", "重试"), ("en", "Retry")):
        status, problem, headers = await edge.ask(
            "POST", "/v1/settlements", bill(), Authorization=bearer,
            Idempotency_Key="k", Accept_Language=language,
        )  # fmt: skip
        assert status == problem["status"] == 429
        assert problem["retry"] == {"allowed": True, "after_s": 1, "same_key": True}
        assert headers["Retry-After"] == "1"
        assert word in problem["next_step"]
    assert len(edge.use_cases.seen) == seen


async def test_too_many_at_once_of_one_party_alone(
    edge: RunningEdge, database: Database
) -> None:
    """Two are under way, the third is told; a place that comes free is had at once."""
    crowd = await edge.bearer(await register(database, "H001"))
    cashier = await edge.bearer(await register(database, "H002"))
    may_end = asyncio.Event()

    async def slowly() -> Answer:
        await may_end.wait()
        return Answer(200, b"{}")

    async def quote(bearer: str) -> tuple[int, str]:
        status, document, _ = await edge.ask(
            "POST", "/v1/quotes", bill(), Authorization=bearer
        )
        return status, document.get("code", "")

    edge.use_cases.act = slowly
    under_way = [asyncio.create_task(quote(crowd)) for _ in range(2)]
    while len(edge.use_cases.seen) < 2:  # noqa: ASYNC110  # another task's work
        await asyncio.sleep(0.01)
    assert await quote(crowd) == (429, "MA-3106")
    other = asyncio.create_task(quote(cashier))
    await asyncio.sleep(0.1)
    assert edge.edge.limits.under_way()[CallClass.DESK] == 3
    may_end.set()

    assert await asyncio.gather(*under_way, other) == [(200, "")] * 3
    assert await quote(crowd) == (200, "")
    assert edge.edge.limits.under_way()[CallClass.DESK] == 0


async def test_place_of_a_call_that_failed_is_given_back(
    edge: RunningEdge, database: Database
) -> None:
    """Refused, malformed, broken: no way out of a call keeps its place."""
    bearer = await edge.bearer(await register(database, "H001"))

    async def broken() -> Answer:
        raise RuntimeError("a bug")

    edge.use_cases.act = broken
    statuses = [
        (await edge.ask("POST", "/v1/quotes", body, Authorization=bearer))[0]
        for body in (bill(), b"{", bill(total_fen=-1), b"x" * 100_000) * 3
    ]

    assert statuses == [500, 400, 422, 413] * 3
    assert edge.edge.limits.under_way()[CallClass.DESK] == 0


async def test_one_party_may_have_limits_of_its_own(
    edge: RunningEdge, database: Database
) -> None:
    """By its code, in place of everybody's."""
    bearer = await edge.bearer(await register(database, "H009"))

    assert {await settle(edge, bearer, f"k-{n}") for n in range(20)} == {(200, "", "")}


async def test_strangers_are_limited_by_address_but_never_the_heartbeat(
    edge: RunningEdge,
) -> None:
    """Keys and readiness have limits; `/healthz` has none, or a proxy gives us up."""
    keys = [(await edge.ask("GET", "/v1/keys"))[0] for _ in range(8)]
    ready = [(await edge.ask("GET", "/readyz"))[0] for _ in range(4)]
    alive = [(await edge.ask("GET", "/healthz"))[0] for _ in range(20)]

    assert keys == [200] * 5 + [429] * 3
    assert ready == [200] * 2 + [429] * 2
    assert alive == [200] * 20
    assert edge.edge.limits.of_address[CallClass.PUBLIC].refused == 3


async def test_guessing_tokens_is_stopped_before_the_database(
    edge: RunningEdge, database: Database, clock: Nanoseconds
) -> None:
    """Unknown tokens cost a bounded number of queries; known ones go on."""
    bearer = await edge.bearer(await register(database, "H001"))
    body = (
        b'{"card":%b,"service_date":"2026-01-05"}'
        % str(CARD).replace("'", '"').encode()
    )

    async def ask(authorization: str) -> int:
        status, _, _ = await edge.ask(
            "POST", "/v1/eligibility", body, Authorization=authorization
        )
        return status

    assert await ask(bearer) == 200
    guesses = [await ask("Bearer " + f"{n:043d}") for n in range(10)]

    assert guesses == [401] * 3 + [429] * 7
    assert [await ask(bearer) for _ in range(10)] == [200] * 10
    clock.now += S
    assert await ask("Bearer " + "x" * 43) == 401


async def test_good_signatures_are_not_counted_as_failures(
    edge: RunningEdge, database: Database
) -> None:
    """Four sessions in a row where three failures would be too many."""
    key = await register(database, "H001")

    assert [(await edge.sign_in(key))[0] for _ in range(4)] == [201] * 4


async def test_sessions_of_one_key_are_limited_others_not(
    edge: RunningEdge, database: Database, clock: Nanoseconds
) -> None:
    """A HIS that signs in for ever fills no table."""
    greedy, other = await register(database, "H001"), await register(database, "H002")

    statuses = [(await edge.sign_in(greedy))[0] for _ in range(6)]

    assert statuses == [201] * 4 + [429] * 2
    assert (await edge.sign_in(other))[0] == 201
    clock.now += S
    assert (await edge.sign_in(greedy))[0] == 201


async def test_failing_under_a_hospitals_name_does_not_lock_it_out(
    edge: RunningEdge, database: Database, clock: Nanoseconds
) -> None:
    """A stranger's bad signatures count for the stranger's address, not for the key."""
    key = await register(database, "H001")
    body = b'{"operator":"win-03"}'
    for _ in range(20):
        headers = edge.signed(key, "/v1/sessions", body)
        await edge.ask("POST", "/v1/sessions", b'{"operator":"win-04"}', **headers)
    assert edge.edge.door._attempts.failed.refused == 17

    # From another address, which is what an empty bucket of another name is.
    edge.edge.door._attempts.failed._by_name.clear()

    assert (await edge.sign_in(key))[0] == 201


async def test_flood_of_refusals_leaves_others_time(
    edge: RunningEdge, database: Database
) -> None:
    """Sixty-four connections that never pause: the cashier settles within a second."""
    loop = await edge.bearer(await register(database, "H001"))
    cashier = await edge.bearer(await register(database, "H009"))
    stop = asyncio.Event()

    async def flood() -> None:
        while not stop.is_set():
            await settle(edge, loop)

    flooding = [asyncio.create_task(flood()) for _ in range(64)]
    await asyncio.sleep(0.5)
    began = asyncio.get_running_loop().time()
    for number in range(5):
        assert await settle(edge, cashier, f"k-{number}") == (200, "", "")
    # The flood runs in this very process, and is slower to send than to be refused.
    assert asyncio.get_running_loop().time() - began < 5
    stop.set()
    await asyncio.gather(*flooding)
