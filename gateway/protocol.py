"""One connection. What is no HTTP is answered like every other fault.

aiohttp's own answer quotes the bytes that it could not read, and they may be a
token or a card number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from gateway.answers import refusal
from gateway.problems import INTERNAL
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader

    Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_MALFORMED = "MA-1107"


class Protocol(RequestHandler):
    """aiohttp's protocol with our words for what cannot be read."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002  # it quotes what was sent
        message: str | None = None,  # noqa: ARG002  # as above
    ) -> web.StreamResponse:
        """Answer a request that is malformed as HTTP, and close the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer has been sent already")
        is_malformed = status == web.HTTPBadRequest.status_code
        response = refusal(
            request, RequestRefused(_MALFORMED if is_malformed else INTERNAL)
        )
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
        keepalive_s: float,
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
        self._protocol_loop = loop
        self._protocol_logger = logger
        self._keepalive_s = keepalive_s

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return Protocol(
            self,
            loop=self._protocol_loop,
            logger=self._protocol_logger,
            access_log=None,  # type: ignore[arg-type]  # None is its way to log none
            auto_decompress=False,
            keepalive_timeout=self._keepalive_s,
        )
