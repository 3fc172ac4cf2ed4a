"""Callers who never finish a TLS handshake are connections like others."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import uvloop
from aiohttp import web

from gateway.connections import ConnectionLimits, Connections
from gateway.listening import Site, bound_socket, port_of
from gateway.protocol import HttpServer
from tests.limits.raw import connected, request
from tests.operations.certificates import write_certificate

_HANDSHAKE_S = 2.0
#: Beyond the limit so many may shake hands, to be told that they are too many.
_TOLD = 64
_FEW = ConnectionLimits(connections=4)


@dataclass
class _Served:
    port: int
    connections: Connections
    trusting: ssl.SSLContext

    async def status(self) -> bytes:
        """The first line that a sound TLS caller is answered."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.trusting
        )
        try:
            writer.write(request())
            return await reader.readline()
        finally:
            writer.close()


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[_Served]:
    async def serve(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="well")

    write_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    trusting = ssl.create_default_context(cafile=str(folder / "chain.pem"))
    trusting.check_hostname = False
    server = HttpServer(
        serve,
        loop=asyncio.get_running_loop(),
        logger=logging.getLogger(__name__),
        max_body_bytes=1,
        limits=_FEW,
    )
    bound = bound_socket("127.0.0.1", 0, shared=False)
    port = port_of(bound)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await Site(
        runner, bound, context, handshake_s=_HANDSHAKE_S, connections=server.open
    ).start()
    try:
        yield _Served(port, server.open, trusting)
    finally:
        await runner.cleanup()


async def _until(connections: Connections, number: int) -> None:
    async with asyncio.timeout(10):
        while len(connections) != number:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.02)


async def _silent_callers_are_counted_and_end(tmp_path: Path) -> None:
    """Before, each of them held a file, and no limit knew of any."""
    most = _FEW.connections + _TOLD
    async with _serving(tmp_path) as served, AsyncExitStack() as silent:
        for _ in range(most + 30):
            await silent.enter_async_context(connected(f"127.0.0.1:{served.port}"))
        async with asyncio.timeout(5):
            while served.connections.refused < 30:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.02)
        held = len(served.connections)
        await _until(served.connections, 0)
        answered = await served.status()

    assert held == most
    assert answered.startswith(b"HTTP/1.1 200")


async def _caller_who_is_too_many_is_told_within_tls(tmp_path: Path) -> None:
    """Who finishes the handshake gets the words that every caller gets."""
    async with _serving(tmp_path) as served:
        writers = []
        for _ in range(_FEW.connections):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", served.port, ssl=served.trusting
            )
            writer.write(request())
            await reader.readline()
            writers.append(writer)
        refused = await served.status()
        for writer in writers:
            writer.close()
        await _until(served.connections, 0)
        answered = await served.status()

    assert refused.startswith(b"HTTP/1.1 503")
    assert answered.startswith(b"HTTP/1.1 200")


async def _caller_who_speaks_no_tls_is_let_go(tmp_path: Path) -> None:
    """Its connection is closed and counts no more; nothing is logged of it."""
    async with _serving(tmp_path) as served:
        async with connected(f"127.0.0.1:{served.port}") as plain:
            await plain.send(request())
            await plain.is_closed(3.0)
        await _until(served.connections, 0)
        assert (await served.status()).startswith(b"HTTP/1.1 200")


async def _end_of_the_listener_ends_handshakes(tmp_path: Path) -> None:
    """A drain does not wait for callers who have asked nothing."""
    async with _serving(tmp_path) as served, connected(f"127.0.0.1:{served.port}"):
        await _until(served.connections, 1)
        connections = served.connections
    await _until(connections, 0)


@pytest.mark.parametrize(
    "case",
    [
        _silent_callers_are_counted_and_end,
        _caller_who_is_too_many_is_told_within_tls,
        _caller_who_speaks_no_tls_is_let_go,
        _end_of_the_listener_ends_handshakes,
    ],
)
@pytest.mark.parametrize("loop", [asyncio, uvloop])
def test_tls(
    case: Callable[[Path], Coroutine[None, None, None]],
    loop: ModuleType,
    tmp_path: Path,
) -> None:
    """Each on both loops: the gateway runs on uvloop, whose sockets are its own."""
    loop.run(case(tmp_path))
