"""Open streams of alerts: whose, how many, and when each of them ends.

Five times a second all of them are looked at together: whoever has hung up, whose
session has ended, and everybody once the gateway drains, is ended; whoever has heard
nothing for a while is sent a comment. Nothing runs while no stream is open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from settlement.domain.errors import RequestRefused
from settlement.service.watch.delivery import TooSlowError

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.edge import Edge
    from settlement.service.access import Admission
    from settlement.service.watch.delivery import Reader

#: A session that was revoked ends within a second, its streams included.
LOOK_EVERY_S = 0.2
#: Proxies and clients give up connections that say nothing.
COMMENT_EVERY_S = 15.0
#: How long a reader may leave what it was sent unread.
SLOW_S = 10.0
#: Streams of one worker: each holds a connection and some kilobytes.
MOST_STREAMS = 1_024
#: What was ended is cut after this, read or not.
_CUT_AFTER_S = 0.5
#: Where the database does not tell what becomes of a reader that has to catch up.
_TRY_AGAIN_S = 1.0
_TOO_MANY_AT_ONCE = "MA-3106"
_BUSY = "MA-5101"
_NO_SESSION = "MA-3101"
_COMMENT = b":\n\n"
#: Why a stream ends, as its last comment.
HUNG_UP = b""
DRAINING = b": draining; come back\n\n"
ENDED = b": the session has ended\n\n"
TOO_SLOW = b": too slow; resume by the last id\n\n"


class Stream:
    """One open stream: its reader, whose session it is, and whether it must end."""

    def __init__(
        self, request: web.BaseRequest, admission: Admission, hashed: bytes
    ) -> None:
        """It has not been answered yet."""
        self.request = request
        self.admission = admission
        self.hashed = hashed
        self.ending: bytes | None = None
        """Its last comment, once it has to end."""
        self.wake = asyncio.Event()
        self.was_slow = False
        self._loop = asyncio.get_running_loop()
        self._spoke_at = self._loop.time()
        self._ended_at = 0.0

    def end(self, last: bytes) -> None:
        """Let it end; the first reason counts."""
        if self.ending is None:
            self.ending = last
            self._ended_at = self._loop.time()
        self.wake.set()

    @property
    def is_open(self) -> bool:
        """Whether the other side is still there."""
        transport = self.request.transport
        return transport is not None and not transport.is_closing()

    def look(self, now: float) -> None:
        """Wake it where it has something to say; cut it where it does not end."""
        if self.ending is None:
            if self._is_silent(now):
                self.wake.set()
        elif now - self._ended_at > _CUT_AFTER_S:
            self.cut()

    def cut(self) -> None:
        """Hang up."""
        if self.request.transport is not None:
            self.request.transport.abort()

    def _is_silent(self, now: float) -> bool:
        return now - self._spoke_at >= COMMENT_EVERY_S

    async def tell(self, response: web.StreamResponse, reader: Reader) -> None:
        """Give the reader's events until the stream ends; raises `ConnectionError`."""
        reader.news = self.wake
        while self.ending is None:
            self.wake.clear()
            try:
                told = await reader.take()
            except TooSlowError:
                self.was_slow = True
                self.end(TOO_SLOW)
            except RequestRefused:
                await asyncio.sleep(_TRY_AGAIN_S)
                self.wake.set()
            else:
                if told:
                    self.wake.set()
                    await self._write(response, b"".join(told))
                elif self._is_silent(self._loop.time()):
                    await self._write(response, _COMMENT)
                else:
                    await self.wake.wait()
        if self.ending:
            await self._write(response, self.ending)

    async def _write(self, response: web.StreamResponse, piece: bytes) -> None:
        """Send it; a reader who leaves it unread is told so, and ended."""
        self._spoke_at = self._loop.time()
        # Never cancelled: aiohttp does not get over a wait that was.
        writing = {asyncio.ensure_future(response.write(piece))}
        done, _ = await asyncio.wait(writing, timeout=SLOW_S)
        if not done:
            self.was_slow = True
            self.end(HUNG_UP)
            writing.add(asyncio.ensure_future(response.write(TOO_SLOW)))
            await asyncio.wait(writing, timeout=_CUT_AFTER_S)
            self.cut()
        for each in writing:
            await each


class Streams:
    """All open streams of one worker."""

    def __init__(self, most: int = MOST_STREAMS) -> None:
        """None is open."""
        self._most = most
        self._open: set[Stream] = set()
        self._looking: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self.too_slow = 0
        """Streams ended because they were not read, for metrics."""

    def __len__(self) -> int:
        """Streams open now."""
        return len(self._open)

    @contextlib.contextmanager
    def opened(
        self, edge: Edge, request: web.BaseRequest, admission: Admission, hashed: bytes
    ) -> Iterator[Stream]:
        """A stream as long as the block; raises MA-3106, and MA-5101 at the end."""
        if edge.draining:
            raise RequestRefused(_BUSY, retry_after_s=1)
        if len(self._open) >= self._most:
            raise RequestRefused(_TOO_MANY_AT_ONCE, retry_after_s=1)
        stream = Stream(request, admission, hashed)
        self._open.add(stream)
        if self._looking is None:
            self._look_later(edge)
        try:
            yield stream
        finally:
            self._open.discard(stream)
            if stream.was_slow:
                self.too_slow += 1

    def _look_later(self, edge: Edge) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(LOOK_EVERY_S, self._look, edge)

    def _look(self, edge: Edge) -> None:
        self._looking = None
        now = asyncio.get_running_loop().time()
        unknown: dict[bytes, Admission] = {}
        for stream in list(self._open):
            if edge.draining:
                stream.end(DRAINING)
            elif not stream.is_open:
                stream.end(HUNG_UP)
            elif edge.door.remembers(stream.hashed) is None:
                unknown[stream.hashed] = stream.admission
            stream.look(now)
        if unknown and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(edge, unknown))
        if self._open:
            self._look_later(edge)

    async def _ask(self, edge: Edge, unknown: dict[bytes, Admission]) -> None:
        """Look sessions up that the worker has forgotten; end those that are over.

        Of a database that is away nothing is learned: it can revoke nothing either,
        and a session's own end is known without it.
        """
        for hashed, admission in unknown.items():
            is_over = admission.expires_at <= edge.gateway.now()
            if not is_over:
                try:
                    await edge.door.look_up(hashed)
                except RequestRefused as refused:
                    is_over = refused.reason == _NO_SESSION
            if is_over:
                for stream in list(self._open):
                    if stream.hashed == hashed:
                        stream.end(ENDED)
