"""The witness as a server: `POST /add-checkpoint` of c2sp.org/tlog-witness.

Nobody signs in: the log's signature below the checkpoint is what counts. Answers are
plain text and repeat nothing of what was sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from http import HTTPStatus

from aiohttp import web

from crypto.add_checkpoint import BODY_BYTES_MAX, parse_add_checkpoint
from crypto.errors import CryptoError
from crypto.histories import TwoHistories
from gateway.connections import ConnectionLimits
from gateway.framing import check_framing, target_of
from gateway.listening import Site, bound_socket, port_of, url_of
from gateway.protocol import HttpServer
from gateway.witness.folder import WitnessFolderFault
from gateway.witness.rules import Cosigned, Refused, Witness
from gateway.witness.submission import SIZE_TYPE
from settlement.domain.errors import RequestRefused

ADDRESS = "/add-checkpoint"
#: Each waits for the one before it: a flush to disk, a few signatures.
_WAITING_MAX = 64
_DRAIN_S = 20.0
_LIMITS = ConnectionLimits(connections=512)

_log = logging.getLogger(__name__)


@asynccontextmanager
async def serving(witness: Witness, host: str, port: int) -> AsyncIterator[str]:
    """Answer at this address while the block runs; the address.

    Raises `AddressFault` where it cannot be had.
    """
    bound = bound_socket(host, port, shared=False)
    # One thread: requests are judged one after the other, and the loop never blocks.
    with ThreadPoolExecutor(1, "witness") as bench:
        runner = web.ServerRunner(
            HttpServer(
                _Door(witness, bench).serve,
                loop=asyncio.get_running_loop(),
                logger=_log,
                max_body_bytes=BODY_BYTES_MAX,
                limits=_LIMITS,
            ),
            shutdown_timeout=_DRAIN_S,
        )
        await runner.setup()
        try:
            await Site(runner, bound, handshake_s=_LIMITS.head_s).start()
            yield url_of("http", host, port_of(bound))
        finally:
            await runner.cleanup()


class _Door:
    """Every request passes here; no exception leaves."""

    def __init__(self, witness: Witness, bench: ThreadPoolExecutor) -> None:
        self._witness = witness
        self._bench = bench
        self._waiting = 0

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            check_framing(request)
            path = target_of(request)
        except RequestRefused:
            return _closing(_text(HTTPStatus.BAD_REQUEST, "this is no sound request"))
        if path != ADDRESS:
            return _text(HTTPStatus.NOT_FOUND, f"there is only {ADDRESS}")
        if request.method != "POST":
            response = _text(
                HTTPStatus.METHOD_NOT_ALLOWED, "the request must be a POST"
            )
            response.headers["Allow"] = "POST"
            return response
        try:
            return await self._answer(request)
        except Exception as bug:  # noqa: BLE001  # the last resort of every request
            _log.error("request.failed", extra={"call": "add_checkpoint"}, exc_info=bug)
            return _text(HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of this witness")

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if (request.content_length or 0) > BODY_BYTES_MAX:
            return _closing(_too_large())
        _let_it_come(request)
        try:
            async with asyncio.timeout(_LIMITS.body_s):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _closing(_too_large())
        except (web.RequestPayloadError, TimeoutError, ConnectionError):
            return _closing(_text(HTTPStatus.REQUEST_TIMEOUT, "the body did not come"))
        # Counted from here: who sends slowly takes nobody's place.
        if self._waiting >= _WAITING_MAX:
            return _later("too many wait")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._bench, self._judge, body)
        finally:
            self._waiting -= 1

    def _judge(self, body: bytes) -> web.Response:
        try:
            asked = parse_add_checkpoint(body)
        except CryptoError as error:
            return _text(HTTPStatus.BAD_REQUEST, f"{error.code} {error}")
        try:
            done = self._witness.add(asked)
            if isinstance(done, Refused) and done.evidence is not None:
                self._keep(done.evidence)
        except (OSError, WitnessFolderFault) as fault:
            _log.error("witness.state_failed", extra={"fault": type(fault).__name__})
            return _later("the witness's state cannot be written or read")
        return _response(done)

    def _keep(self, evidence: TwoHistories) -> None:
        path = self._witness.folder.keep_evidence(evidence)
        kept = None if path is None else path.name
        _log.critical("witness.two_histories", extra={"evidence": kept})


def _response(done: Cosigned | Refused) -> web.Response:
    match done:
        case Cosigned(line=line, checkpoint=checkpoint):
            size, origin = checkpoint.size, checkpoint.origin
            _log.info("witness.cosigned", extra={"origin": origin, "size": size})
            return _text(HTTPStatus.OK, line.removesuffix("\n"))
        case Refused(seen_size=int(size)):
            return _text(HTTPStatus.CONFLICT, str(size), SIZE_TYPE)
        case Refused(status=status, sentence=sentence):
            _log.warning("witness.refused", extra={"status": status.value})
            return _text(status, sentence)


def _text(
    status: HTTPStatus, sentence: str, content_type: str = "text/plain"
) -> web.Response:
    # The size's type is compared as it stands, so it has no parameters.
    plain = content_type == "text/plain"
    name = f"{content_type}; charset=utf-8" if plain else content_type
    headers = {"Content-Type": name, "Cache-Control": "no-store", "Server": "medaid"}
    return web.Response(status=status, body=f"{sentence}\n".encode(), headers=headers)


def _too_large() -> web.Response:
    return _text(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a request has at most {BODY_BYTES_MAX} bytes",
    )


def _later(sentence: str) -> web.Response:
    response = _text(HTTPStatus.SERVICE_UNAVAILABLE, f"{sentence}; try again")
    response.headers["Retry-After"] = "1"
    return response


def _closing(response: web.Response) -> web.Response:
    response.force_close()
    return response


def _let_it_come(request: web.BaseRequest) -> None:
    """Let a client that asks first send its body (RFC 9110, section 10.1.1)."""
    if "Expect" in request.headers and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def serve_witness(
    witness: Witness,
    host: str,
    port: int,
    say: Callable[[str], None],
    stop: asyncio.Event,
) -> None:
    """Serve until `stop`; says `ready URL` when it answers."""
    async with serving(witness, host, port) as url:
        say(f"ready {url}")
        await stop.wait()
