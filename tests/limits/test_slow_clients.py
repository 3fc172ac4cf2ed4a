"""Whoever holds a connection without using it is cut; others do not notice.

Real sockets. The bounds are short here, so that the tests are.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from gateway.connections import ConnectionLimits
from gateway.protocol import MAX_HEAD_BYTES
from settlement.service.ports import Answer
from settlement.store.database import Database
from tests.gateway.bodies import bill
from tests.gateway.desk import ControlledUseCases, RunningEdge, register, running_edge
from tests.limits.raw import connected, request

#: The listener looks once a second: whatever is late is cut within two.
SHORT = ConnectionLimits(
    connections=1_100, head_s=1.0, body_s=1.0, idle_s=2.0, write_s=1.0
)
CUT_WITHIN_S = 6.0
SETTLE = request(
    "/v1/settlements", "POST", bill(), Idempotency_Key="k-1", Authorization="BEARER"
)


@pytest.fixture
async def edge(database: Database) -> AsyncIterator[RunningEdge]:
    """A worker's edge that waits for nobody."""
    async with running_edge(database, ControlledUseCases(), limits=SHORT) as edge:
        yield edge


async def assert_answers(edge: RunningEdge, within_s: float = 5.0) -> None:
    """A good client on a new connection is served, and soon."""
    async with asyncio.timeout(within_s), connected(edge.authority) as raw:
        await raw.send(request())
        answer = await raw.answer()
    assert answer is not None
    assert answer.status == 200


async def test_a_thousand_who_never_finish_keep_nobody_out(edge: RunningEdge) -> None:
    """Slowloris: every drip is a byte of a head that does not end."""
    async with AsyncExitStack() as stack:
        slow = [
            await stack.enter_async_context(connected(edge.authority))
            for _ in range(1_000)
        ]
        for raw in slow:
            raw.writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
        began = time.monotonic()
        while time.monotonic() - began < 0.8:
            for raw in slow:
                raw.writer.write(b"a")
            await assert_answers(edge)
        closed = await asyncio.gather(*(raw.is_closed(CUT_WITHIN_S) for raw in slow))

        assert all(closed)
    await assert_answers(edge)


async def test_slow_head_is_told_why(edge: RunningEdge) -> None:
    """408 with what to do, then the end; the bytes that came are not quoted."""
    async with connected(edge.authority) as raw:
        await raw.send(b"GET /healthz HTTP/1.1\r\nX: A12345678")
        answer = await raw.answer()

        assert answer is not None
        assert (answer.status, answer.code) == (408, "MA-1140")
        assert answer.headers["connection"] == "close"
        assert b"A12345678" not in answer.body
        assert await raw.is_closed()


async def test_head_without_end_is_cut_by_its_size(edge: RunningEdge) -> None:
    """Small headers for ever: never more than so many bytes of one head."""
    async with connected(edge.authority) as raw:
        await raw.send(b"GET /healthz HTTP/1.1\r\nHost: desk\r\nX: ")
        closing = asyncio.create_task(raw.is_closed())
        sent = 0
        while sent < 4 * MAX_HEAD_BYTES and not closing.done():
            await raw.send(b"\r\nX-%d: " % sent + b"a" * 900)
            sent += 900
            await asyncio.sleep(0.005)

        assert await closing
        # Sooner than by the number of headers.
        assert sent < MAX_HEAD_BYTES + 16 * 1024


@pytest.fixture
async def settle(edge: RunningEdge, database: Database) -> bytes:
    """A settle request of a facility that has signed in."""
    bearer = await edge.bearer(await register(database, "H001"))
    return SETTLE.replace(b"BEARER", bearer.encode())


@pytest.mark.parametrize(
    "endless", [b"", b"a", b"1;" + b"a" * 50, b"0\r\nX: "], ids=repr
)
async def test_body_that_does_not_arrive_is_given_up(
    edge: RunningEdge, settle: bytes, endless: bytes
) -> None:
    """Silence, a drip, a chunk extension without end, a trailer without end."""
    head, _, _ = settle.partition(b"\r\n\r\n")
    if endless[:1] in (b"0", b"1"):
        length = head.index(b"Content-Length")
        head = head[:length] + b"Transfer-Encoding: chunked"
    async with connected(edge.authority) as raw:
        await raw.send(head + b"\r\n\r\n" + endless)
        answering = asyncio.create_task(raw.answer())
        while not answering.done():
            await raw.send(b"a" if endless else b"")
            await asyncio.sleep(0.05)
        answer = await answering

    assert answer is not None
    assert (answer.status, answer.code) == (408, "MA-1140")
    assert answer.json()["retry"] == {"allowed": True, "after_s": 1, "same_key": True}
    assert edge.use_cases.seen == []
    await assert_answers(edge)


async def test_idle_connection_is_closed(edge: RunningEdge) -> None:
    """Before the first request and after one; a busy one is not idle."""
    async with connected(edge.authority) as fresh, connected(edge.authority) as used:
        await used.send(request())
        assert await used.answer() is not None
        began = time.monotonic()

        assert await fresh.is_closed(CUT_WITHIN_S)
        assert await used.is_closed(CUT_WITHIN_S)
        assert time.monotonic() - began > SHORT.idle_s / 2


async def test_who_reads_no_answer_is_cut_and_costs_no_memory(
    edge: RunningEdge, settle: bytes
) -> None:
    """Pipelining without reading: requests stop being taken, then the line ends."""
    edge.use_cases.act = lambda: asyncio.sleep(0, Answer(201, b"x" * 100_000))
    async with connected(edge.authority) as raw:
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's
        # More than the system holds for a connection.
        sending = asyncio.create_task(raw.send(settle * 50_000))
        await asyncio.sleep(1.0)
        taken = len(edge.use_cases.seen)
        await asyncio.wait_for(sending, CUT_WITHIN_S)

        assert taken < 200
        assert len(edge.use_cases.seen) == taken
    await assert_answers(edge)


async def test_settlement_of_a_client_that_was_cut_is_finished(
    edge: RunningEdge, settle: bytes
) -> None:
    """What has begun is completed, so that the retry finds it."""
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def slowly() -> Answer:
        await may_end.wait()
        ended.set()
        return Answer(201, b"{}")

    edge.use_cases.act = slowly
    async with connected(edge.authority) as raw:
        await raw.send(settle + b"GET /half-a-head")
        await asyncio.sleep(0.1)
        await raw.send(b"-that-drips")
        await asyncio.sleep(2.5)
    may_end.set()

    await asyncio.wait_for(ended.wait(), 5)
    assert len(edge.use_cases.seen) == 1


async def test_one_too_many_is_told_at_once(database: Database) -> None:
    """503 with Retry-After for the listener, and for an address; then room again."""
    few = ConnectionLimits(connections=20, per_address=5)
    async with running_edge(database, ControlledUseCases(), limits=few) as edge:
        async with AsyncExitStack() as stack:
            for _ in range(5):
                raw = await stack.enter_async_context(connected(edge.authority))
                await raw.send(request())
                assert await raw.answer() is not None
            async with connected(edge.authority) as extra:
                answer = await extra.answer()
                assert await extra.is_closed(1.0)
        await asyncio.sleep(0.1)

        assert answer is not None
        assert (answer.status, answer.code) == (503, "MA-5101")
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["retry"]["same_key"] is True
        await assert_answers(edge)
