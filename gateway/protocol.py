"""One connection. What is no HTTP is answered like every other fault.

aiohttp's own answer quotes the bytes that it could not read, and they may be a
token or a card number. And it waits for ever for a caller who reads no answer, or
whose body has become unreadable; here such callers are cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from gateway.answers import last_words, refusal
from gateway.connections import ConnectionLimits, Connections
from gateway.problems import INTERNAL
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.streams import StreamReader

    Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

#: A request line: the longest call has an id of 64 characters and a query.
MAX_LINE_BYTES = 2_048
#: One header, name and value; a `Signature-Input` is below 512.
MAX_HEADER_BYTES = 4_096
MAX_HEADERS = 64
#: All of a head that does not come in one piece.
MAX_HEAD_BYTES = 32 * 1024
#: What is read ahead of a body that nobody asks for yet.
_READ_AHEAD_BYTES = 32 * 1024
#: How long the rest of a refused body is read, so that the refusal is.
_LINGER_S = 5.0
_TOO_MANY_HEADERS = "Too many headers received"
_MALFORMED = "MA-1107"
_HEAD_TOO_LARGE = "MA-1109"
_TOO_SLOW = "MA-1140"
_FULL = "MA-5101"


def parser_is_compiled() -> bool:
    """Whether aiohttp reads HTTP by llhttp; its other parser is lenient and slow."""
    return HttpRequestParser.__module__ == "aiohttp._http_parser"


class Protocol(RequestHandler):
    """aiohttp's protocol with our limits, and our words for what cannot be read."""

    __slots__ = (
        "_body",
        "_connections",
        "_head_began",
        "_head_bytes",
        "_is_deaf",
        "_is_last",
        "_link",
        "_unread_since",
    )

    _link: asyncio.Transport

    def __init__(
        self,
        server: HttpServer,
        connections: Connections,
        *,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
    ) -> None:
        """A connection that is not open yet."""
        super().__init__(
            server,
            loop=loop,
            logger=logger,
            access_log=None,  # type: ignore[arg-type]  # None is its way to log none
            auto_decompress=False,
            keepalive_timeout=connections.limits.idle_s,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            read_bufsize=_READ_AHEAD_BYTES,
            lingering_time=_LINGER_S,
        )
        self._connections = connections
        #: The body of the newest request.
        self._body: StreamReader | None = None
        #: When a head began that is not complete, on the loop's clock.
        self._head_began: float | None = None
        self._head_bytes = 0
        #: Since when something of our answers waits to be read.
        self._unread_since: float | None = None
        self._is_deaf = False
        #: Nothing behind the newest request is ours to read.
        self._is_last = False

    @property
    def limits(self) -> ConnectionLimits:
        """What holds for this connection."""
        return self._connections.limits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or say at once that there are too many."""
        self._link = transport  # type: ignore[assignment]  # a server's is a Transport
        if self._connections.opened(self, transport.get_extra_info("peername")):
            super().connection_made(transport)
            return
        self._is_deaf = True
        self._manager = None
        self._link.write(last_words(_FULL))
        self._link.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and note how far the request is."""
        if self._is_deaf:
            return
        seen = self._request_count
        # Asked before: what ends a body is no part of the next head.
        awaits_head = self._body is None or self._body.is_eof()
        super().data_received(data)
        if self._request_count != seen:
            self._head_began = None
            self._note_newest()
        elif data and awaits_head:
            self._note_part_of_head(len(data))
        if self._is_last and self._body is not None and self._body.is_eof():
            self._message_tail = b""
            self._is_deaf = True

    def _note_newest(self) -> None:
        message, body = self._messages[-1]
        if isinstance(message, RawRequestMessage):
            self._body = body
            if message.upgrade:
                # What follows may be another protocol; we speak this one alone. Its
                # own body, which may still be under way, is read and answered.
                last = message._replace(should_close=True, upgrade=False)
                self._messages[-1] = (last, body)
                self._is_last = True
            return
        self._is_deaf = True
        if self._body is not None and not self._body.is_eof():
            # The fault is that request's: it is told, and nobody else. A second
            # answer would be taken for that of whatever is asked next.
            self._messages.pop()
            self._body.set_exception(web.RequestPayloadError())
            self._body.feed_eof()
            self.close()

    def _note_part_of_head(self, size: int) -> None:
        if self._head_began is None:
            self._head_began = self._loop.time()
            self._head_bytes = 0
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._cut(_HEAD_TOO_LARGE)

    def look(self, now: float) -> None:
        """Cut whoever sends a head or reads an answer too slowly."""
        head_began = self._head_began
        if head_began is not None and now - head_began > self.limits.head_s:
            self._connections.cut["head"] += 1
            self._cut(_TOO_SLOW)
        if not self._link.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > self.limits.write_s:
            self._connections.cut["write"] += 1
            self._link.abort()

    def _cut(self, reason: str) -> None:
        """Close; with a reason where no answer is due before it."""
        self._is_deaf = True
        self._head_began = None
        if not self._request_in_progress and not self._messages:
            self._link.write(last_words(reason))
            self.force_close()
        else:
            self.close()

    async def drained(self) -> None:
        """Wait while the caller does not read; raises `ConnectionError` at its end."""
        await self._drain_helper()

    async def finish_response(
        self,
        request: web.BaseRequest,
        resp: web.StreamResponse,
        start_time: float | None,
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; the last one where nobody knows whether a body follows.

        Who asks before sending it (`Expect`) and gets an answer instead may keep it
        back, and the next request would be read in its place.
        """
        if not request.content.is_eof() and "Expect" in request.headers:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is malformed as HTTP, and close the connection.

        Neither `exc` nor `message` is shown: they quote what was sent.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer has been sent already")
        reason = INTERNAL
        if isinstance(exc, LineTooLong) or message == _TOO_MANY_HEADERS:
            reason = _HEAD_TOO_LARGE
        elif status == web.HTTPBadRequest.status_code:
            reason = _MALFORMED
        response = refusal(request, RequestRefused(reason))
        response.force_close()
        return response


class HttpServer(web.Server):
    """Makes a `Protocol` for each connection."""

    def __init__(
        self,
        serve: Serve,
        *,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
        max_body_bytes: int,
        limits: ConnectionLimits,
    ) -> None:
        """`serve` answers every request and never raises."""

        def request_of(
            message: RawRequestMessage,
            payload: StreamReader,
            protocol: RequestHandler,
            writer: AbstractStreamWriter,
            task: asyncio.Task[None],
        ) -> web.BaseRequest:
            return web.BaseRequest(
                message,
                payload,
                protocol,
                writer,
                task,
                loop,
                client_max_size=max_body_bytes,
            )

        # A client that hangs up does not take a commit under way with it.
        super().__init__(
            serve, request_factory=request_of, handler_cancellation=False, loop=loop
        )
        self.open = Connections(limits, loop)
        self._protocol_loop = loop
        self._protocol_logger = logger

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return Protocol(
            self, self.open, loop=self._protocol_loop, logger=self._protocol_logger
        )
