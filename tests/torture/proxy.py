"""A small TCP proxy that behaves badly on demand: towards clients or PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)
_GONE = (OSError, asyncio.IncompleteReadError)
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
#: A statement that fails and so aborts the block which the COMMIT was to end.
_SPOILER = b"Q\x00\x00\x00\x0fSELECT 1/0\x00"
_READY = ord("Z")


@dataclass(slots=True)
class Toxics:
    """What is done to what passes; may be changed while connections live."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    black_hole: bool = False
    """Takes everything and passes nothing on."""
    slice_bytes: int = 0
    """Pieces of this size, one after another."""
    cut_request_after: int | None = None
    """Bytes of a connection towards the server, then a reset."""
    cut_answer_after: int | None = None
    """Bytes of a connection towards the client, then a reset."""
    cut_gently: bool = False
    """End a cut connection in good order, so that every byte up to there arrives."""
    slow_close_s: float = 0.0
    garbage: bool = False
    """Noise in place of the server's next bytes."""
    refuse: bool = False
    """New connections are reset at once."""
    spoil_commits: int = 0
    """How many COMMITs of PostgreSQL are to find their block aborted."""


@dataclass(slots=True, eq=False)
class _Link:
    """One client's connection with its way to the server."""

    client: Streams
    server: Streams
    swallowing: bool = False
    """Whether the server's answer is to our own statement."""
    passed: dict[str, int] = field(default_factory=lambda: {"up": 0, "down": 0})

    def reset(self) -> None:
        """End both sides without a word."""
        for _, writer in (self.client, self.server):
            link = writer.get_extra_info("socket")
            if link is not None and link.family == socket.AF_INET:
                with contextlib.suppress(OSError):
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Proxy:
    """Listens on loopback and passes on what it is let."""

    def __init__(
        self, connect: Callable[[], Awaitable[Streams]], rng: random.Random
    ) -> None:
        """`connect` opens a way to the server; it may be replaced at any time."""
        self.connect = connect
        self.toxics = Toxics()
        self._rng = rng
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a port that the system chooses."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=_CHUNK
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End the listener and every connection."""
        if self._server is not None:
            self._server.close()
        self.reset_all()
        while self._links:  # noqa: ASYNC110  # a matter of a turn or two
            await asyncio.sleep(0)

    def reset_all(self) -> None:
        """Reset every connection that there is."""
        for link in [*self._links]:
            link.reset()

    def heal(self) -> None:
        """Behave well from now on; connections that were mistreated are reset."""
        was_hole = self.toxics.black_hole
        self.toxics = Toxics()
        if was_hole:
            # What the hole took is gone: no connection can go on without it.
            self.reset_all()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.toxics.refuse:
            writer.transport.abort()
            return
        try:
            server = await self.connect()
        except OSError:
            writer.transport.abort()
            return
        link = _Link((reader, writer), server)
        self._links.add(link)
        try:
            await self._relay(link)
        except asyncio.CancelledError:
            # The loop ends; asyncio would report that its own task was cancelled.
            return
        finally:
            self._links.discard(link)
            link.reset()

    async def _relay(self, link: _Link) -> None:
        """Both ways until either side has ended."""
        up = asyncio.create_task(self._up(link))
        down = asyncio.create_task(self._down(link))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(self.toxics.slow_close_s)
            if self.toxics.cut_gently:
                link.client[1].close()
                with contextlib.suppress(*_GONE):
                    await link.client[1].wait_closed()
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _up(self, link: _Link) -> None:
        reader, writer = link.client[0], link.server[1]
        with contextlib.suppress(*_GONE):
            while data := await reader.read(_CHUNK):
                if self.toxics.spoil_commits and _COMMIT in data:
                    self.toxics.spoil_commits -= 1
                    link.swallowing = True
                    writer.write(_SPOILER)
                limit = self.toxics.cut_request_after
                if not await self._pass(link, "up", data, writer, limit):
                    return

    async def _down(self, link: _Link) -> None:
        reader, writer = link.server[0], link.client[1]
        with contextlib.suppress(*_GONE):
            while True:
                if link.swallowing:
                    await _swallow(reader)
                    link.swallowing = False
                data = await reader.read(_CHUNK)
                if not data:
                    return
                if link.swallowing:
                    data = await _rest_of(data, reader)
                    link.swallowing = False
                if self.toxics.garbage:
                    data = self._rng.randbytes(len(data))
                limit = self.toxics.cut_answer_after
                if not await self._pass(link, "down", data, writer, limit):
                    return

    async def _pass(
        self,
        link: _Link,
        way: str,
        data: bytes,
        writer: asyncio.StreamWriter,
        limit: int | None,
    ) -> bool:
        """Pass on what is let through; whether the connection goes on."""
        toxics = self.toxics
        if toxics.black_hole:
            return True
        if toxics.latency_s or toxics.jitter_s:
            await asyncio.sleep(toxics.latency_s + self._rng.random() * toxics.jitter_s)
        whole = len(data)
        if limit is not None:
            data = data[: max(0, limit - link.passed[way])]
        link.passed[way] += len(data)
        step = toxics.slice_bytes or max(1, len(data))
        for start in range(0, len(data), step):
            writer.write(data[start : start + step])
            await writer.drain()
            if toxics.slice_bytes:
                await asyncio.sleep(0)
        return limit is None or (len(data) == whole and link.passed[way] < limit)


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Read the answer to our own statement, up to ReadyForQuery."""
    kind = 0
    while kind != _READY:
        head = await reader.readexactly(5)
        kind = head[0]
        await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


async def _rest_of(data: bytes, reader: asyncio.StreamReader) -> bytes:
    """What follows the answer to our own statement, of which `data` has begun."""
    position = 0
    while True:
        while len(data) < position + 5:
            data += await _more(reader)
        end = position + 1 + int.from_bytes(data[position + 1 : position + 5], "big")
        while len(data) < end:
            data += await _more(reader)
        if data[position] == _READY:
            return data[end:] or await _more(reader)
        position = end


async def _more(reader: asyncio.StreamReader) -> bytes:
    """Further bytes; raises `ConnectionResetError` where none will come."""
    data = await reader.read(_CHUNK)
    if not data:
        raise ConnectionResetError
    return data


def to_port(port: int) -> Callable[[], Awaitable[Streams]]:
    """A way to a port on loopback."""
    return lambda: asyncio.open_connection("127.0.0.1", port, limit=_CHUNK)


def to_socket(path: str) -> Callable[[], Awaitable[Streams]]:
    """A way to a unix socket."""
    return lambda: asyncio.open_unix_connection(path, limit=_CHUNK)
