"""The paced client counts from the time at which a request should have left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import repeat

import pytest

from tests.bench.raw_client import request, run_paced

_BILL = request("POST", "/v1/settlements", b"{}")
_SETTLED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
_STALL_S = 0.25
_PER_SECOND = 200.0


@asynccontextmanager
async def _server(*, closes_at: int = -1) -> AsyncIterator[int]:
    """Keeps the first caller waiting once; then answers at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        try:
            while True:
                await reader.readexactly(len(_BILL))
                if number == 0:
                    await asyncio.sleep(_STALL_S)
                if number == closes_at:
                    return
                writer.write(_SETTLED)
                number += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_stall_shows_in_all_who_would_have_come_meanwhile() -> None:
    """Counted from sending, one request alone would have been slow."""
    async with _server() as port:
        load = await run_paced(
            port,
            repeat(_BILL),
            per_second=_PER_SECOND,
            seconds=_STALL_S,
            connections=1,
        )

    assert load.by_status == {b"201": int(_PER_SECOND * _STALL_S)}
    # A lower bound for each, which holds on the slowest machine: it was due so long
    # before the stall ended.
    for number, latency_s in enumerate(load.latencies_s):
        assert latency_s >= _STALL_S - number / _PER_SECOND


async def test_a_server_that_hangs_up_ends_the_run() -> None:
    """It is told, and nobody waits for answers that will not come."""
    async with _server(closes_at=3) as port:
        with pytest.raises(ConnectionError):
            await run_paced(
                port,
                repeat(_BILL),
                per_second=_PER_SECOND,
                seconds=_STALL_S,
                connections=1,
            )
