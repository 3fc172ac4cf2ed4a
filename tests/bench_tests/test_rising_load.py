"""Rising load is judged for what it must be: held, told at once, nobody dropped."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import repeat
from typing import Any

import pytest

from tests.bench.crowd import Crowd, run_crowd
from tests.bench.raw_client import request
from tests.bench.rising import HOLDS, LEVELS, verdict

_BILL = request("POST", "/v1/settlements", b"{}")
_SETTLED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}"
)


def _crowd(connections: int, rate: float, **changes: Any) -> Crowd:
    """Ten seconds of a crowd at a rate of settlements."""
    crowd = Crowd(connections=connections, seconds=10.0, latencies_s=[0.4] * 100)
    crowd.by_status = {b"201": round(rate * 10)}
    for name, value in changes.items():
        setattr(crowd, name, value)
    return crowd


def _holding(**last: Any) -> list[Crowd]:
    rates = (3_000, 3_600, 3_700, 3_500)
    crowds = [_crowd(*each) for each in zip(LEVELS[:-1], rates, strict=False)]
    return [*crowds, _crowd(LEVELS[-1], rates[-1], **last)]


def test_a_rate_that_holds_behind_the_knee_keeps_the_target() -> None:
    """A little less than the best is no collapse."""
    found = verdict(_holding())

    assert found.refused == ""
    assert found.held == pytest.approx(3_500 / 3_700)
    assert found.held >= HOLDS
    assert found.at_once is None


def test_a_collapse_at_the_last_level_misses_the_target() -> None:
    """The worst level behind the knee counts, not their mean."""
    crowds = _holding()
    crowds[-1].by_status = {b"201": 9_000}

    found = verdict(crowds)

    assert found.refused == ""
    assert found.held == pytest.approx(900 / 3_700)
    assert found.held < HOLDS


def test_a_gateway_that_settles_nothing_holds_nothing() -> None:
    """Refusing everybody is no way to hold."""
    crowds = [
        _crowd(level, 0.0, by_status={b"503": 100}, refusals_s=[0.01], latencies_s=[])
        for level in LEVELS
    ]

    assert verdict(crowds).held == 0.0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"dropped": 3}, "4000 connections: 3 dropped"),
        ({"without_retry_after": 2}, "4000 connections: 2 refusals without"),
        ({"by_status": {b"201": 35_000, b"429": 1}}, "status {'429': 1}"),
        ({"by_status": {b"201": 35_000, b"500": 7}}, "status {'500': 7}"),
        ({"by_status": {b"201": 35_000, b"lost": 1}}, "status {'lost': 1}"),
    ],
)
def test_what_must_never_happen_refuses_the_figure(
    changes: dict[str, Any], why: str
) -> None:
    """However fast the rest was."""
    assert why in verdict(_holding(**changes)).refused


def test_refusals_with_retry_after_are_the_excess_told() -> None:
    """p99 of the refusals, to the median settlement beside them."""
    slow = [0.05] * 97 + [0.2] * 3
    found = verdict(_holding(by_status={b"201": 35_000, b"503": 100}, refusals_s=slow))

    assert found.refused == ""
    assert found.at_once == pytest.approx(0.2 / 0.4)


@asynccontextmanager
async def _server(
    answer: Callable[[int, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A server that answers the n-th request of all as told."""
    numbers = iter(range(1_000_000))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readexactly(len(_BILL))
                await answer(next(numbers), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_crowd_tells_settled_refused_and_dropped_apart() -> None:
    """Each caller is counted once for what became of each request."""

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        if number % 7 == 3:
            writer.write(_BUSY)
        elif number == 12:
            writer.close()
        else:
            writer.write(_SETTLED)

    async with _server(answer) as port:
        bills = iter([_BILL] * 40)
        crowd = await run_crowd(port, bills, connections=5, seconds=60.0)

    assert crowd.by_status == {b"201": 33, b"503": 6}
    assert crowd.settled == 33
    assert len(crowd.refusals_s) == 6
    assert len(crowd.latencies_s) == 33
    assert crowd.dropped == 1
    assert crowd.without_retry_after == 0


async def test_a_refusal_that_does_not_say_when_is_counted() -> None:
    """A caller who is not told when to come would come at once, and so would all."""

    async def answer(number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(_BUSY.replace(b"Retry-After: 0\r\n", b""))

    async with _server(answer) as port:
        crowd = await run_crowd(port, iter([_BILL]), connections=1, seconds=60.0)

    assert (crowd.without_retry_after, crowd.dropped) == (1, 0)


async def test_a_port_where_nobody_listens_is_a_crowd_of_dropped_callers() -> None:
    """A connection that cannot be had is dropped, not left out."""
    async with _server(lambda _number, _writer: asyncio.sleep(0)) as port:
        pass

    crowd = await run_crowd(port, repeat(_BILL), connections=3, seconds=0.01)

    assert (crowd.dropped, crowd.answers) == (3, 0)
