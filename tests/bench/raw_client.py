"""A raw asyncio HTTP/1.1 client: as little work for each request as Python allows.

Closed loop (`run_load`): each connection sends its next prepared request when the
answer to the one before is complete. Open arrival (`run_paced`): each request starts
at its scheduled time, and its latency counts from then, so that a stall shows in all
who would have come meanwhile. It understands `Content-Length` answers alone, which is
all that the servers under test send.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_STATUS = slice(9, 12)
#: Statuses from here on refuse.
_REFUSALS = b"400"


@dataclass(slots=True)
class Load:
    """What a run of the load did."""

    seconds: float = 0.0
    answers: int = 0
    by_status: dict[bytes, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    client_cpu_s: float = 0.0
    bytes_in: int = 0
    late_s: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


class _Connection(asyncio.Protocol):
    def __init__(self, load: Load, following: Callable[[], bytes | None]) -> None:
        self._load = load
        self._following = following
        self._buffer = bytearray()
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        request = self._following()
        if self._transport is None:
            return
        if request is None:
            self._transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        end = buffer.find(_HEAD_END)
        if end < 0:
            return
        head = buffer[: end + 2].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) : head.find(b"\r\n", at)])
        total = end + len(_HEAD_END) + length
        if len(buffer) < total:
            return
        load = self._load
        load.answers += 1
        load.bytes_in += total
        load.latencies_s.append(time.perf_counter() - self._sent_at)
        status = bytes(buffer[_STATUS])
        load.by_status[status] = load.by_status.get(status, 0) + 1
        if status >= _REFUSALS:
            self._note_refusal(bytes(buffer[: end + 2]))
        del buffer[:total]
        self._send()

    def _note_refusal(self, head: bytes) -> None:
        """Called for each refusal, before what follows it is sent."""

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed by the server"))


class _PacedConnection(_Connection):
    """Sends what it is given; between two requests it lies in `idle`."""

    def __init__(
        self,
        load: Load,
        idle: asyncio.LifoQueue[_PacedConnection],
        waiting: deque[tuple[float, bytes]],
    ) -> None:
        super().__init__(load, lambda: None)
        self._idle = idle
        self._waiting = waiting

    def _send(self) -> None:
        if self._waiting:
            self.send(*self._waiting.popleft())
        else:
            self._idle.put_nowait(self)

    def send(self, due: float, request: bytes) -> None:
        """Send what was due at `due` of `time.perf_counter`."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("closed by the server")
        self._sent_at = due
        self._transport.write(request)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # Whoever waits for the last answers is not left waiting.
        self._idle.put_nowait(self)


async def run_load(
    port: int, requests: Iterator[bytes], *, connections: int, seconds: float
) -> Load:
    """Send prepared requests for some seconds; answers to the last are awaited."""
    load = Load()
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    until = started + seconds

    def following() -> bytes | None:
        if time.perf_counter() >= until:
            return None
        return next(requests, None)

    made = [
        await loop.create_connection(
            lambda: _Connection(load, following), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    load.seconds = time.perf_counter() - started
    load.client_cpu_s = time.process_time() - cpu
    return load


async def run_paced(
    port: int,
    requests: Iterator[bytes],
    *,
    per_second: float,
    seconds: float,
    connections: int = 64,
) -> Load:
    """Start a request every `1 / per_second` seconds, whatever the answers do.

    `Load.late_s` is how late the worst request left for want of this client, not of
    the server: a run in which it is large says nothing. Raises `ConnectionError` where
    the server closes a connection.
    """
    load = Load()
    loop = asyncio.get_running_loop()
    idle: asyncio.LifoQueue[_PacedConnection] = asyncio.LifoQueue()
    waiting: deque[tuple[float, bytes]] = deque()
    made = [
        await loop.create_connection(
            lambda: _PacedConnection(load, idle, waiting), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    started, cpu = time.perf_counter(), time.process_time()
    for number in range(int(per_second * seconds)):
        due = started + number / per_second
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        load.late_s = max(load.late_s, time.perf_counter() - due)
        if not idle.empty():
            idle.get_nowait().send(due, next(requests))
        else:
            waiting.append((due, next(requests)))
    for _ in range(connections):
        await idle.get()
    load.seconds = time.perf_counter() - started
    load.client_cpu_s = time.process_time() - cpu
    for transport, protocol in made:
        if protocol.done.done():
            protocol.done.result()
        protocol.done.set_result(None)
        transport.close()
    return load


def request(
    method: str, path: str, body: bytes, headers: dict[str, str] | None = None
) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode("ascii") + _HEAD_END + body
