"""What handlers need besides the use cases: the door, the clock, the headers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from gateway.alert_streams import Streams
from gateway.limits import TURN, Limits, no_limits
from gateway.wire import parse_instant_header, parse_key_header
from gateway.wire_faults import WHOLE_BODY
from gateway.wire_models import MAX_DEADLINE_MS
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Answer, When

if TYPE_CHECKING:
    from gateway.access import Door
    from gateway.connections import Connections
    from gateway.his.desk import HisDesk
    from gateway.metrics import Metrics
    from gateway.protocol import Protocol
    from gateway.wiring import Gateway
    from settlement.service.access import Admission
    from settlement.service.ports import Caller

#: When a request that is answered for hours was answered, on `perf_counter`'s clock.
ANSWERED_AT = web.RequestKey("answered_at", float)
DEFAULT_DEADLINE_MS = 10_000
_MS = 0.001
_JSON = "application/json"
_DEADLINE_HEADER = "Medaid-Deadline-Ms"
_SANDBOX_HEADER = "Medaid-Sandbox-Time"


@dataclass(slots=True, kw_only=True)
class Edge:
    """One worker's edge. The same object serves every request."""

    gateway: Gateway
    door: Door
    metrics: Metrics
    draining: bool = False
    """Set at SIGTERM, so that load balancers look elsewhere."""
    access_log: bool = False
    """Whether each answer is logged."""
    limits: Limits = field(default_factory=no_limits)
    """What each caller may ask."""
    connections: Connections | None = None
    """Of the listener, once there is one; for metrics."""
    his: HisDesk | None = None
    """The national envelope; `None` where nobody has opened it."""
    streams: Streams = field(default_factory=Streams)
    """Streams of alerts that are open."""
    _settling: set[asyncio.Task[Answer]] = field(default_factory=set)

    async def caller(self, request: web.BaseRequest, roles: frozenset[str]) -> Caller:
        """Who calls, let in; raises as `Door.admission` and `Limits.admit`."""
        return (await self.admission(request, roles)).caller

    async def admission(
        self, request: web.BaseRequest, roles: frozenset[str]
    ) -> Admission:
        """As `caller`, and whether settlements and reversals must be signed."""
        admission = await self.door.admission(request, roles)
        self.limits.admit(request[TURN], admission.caller)
        return admission

    def when(self, request: web.BaseRequest) -> When:
        """The instants of one request; raises MA-1107 and MA-1108 for bad headers."""
        deadline_ms = DEFAULT_DEADLINE_MS
        text = request.headers.get(_DEADLINE_HEADER)
        if text is not None:
            deadline_ms = _deadline_ms(text)
        return When(
            settled_at=self._settled_at(request),
            sandbox=self.gateway.sandbox,
            deadline=asyncio.get_running_loop().time() + deadline_ms * _MS,
        )

    def _settled_at(self, request: web.BaseRequest) -> datetime:
        text = request.headers.get(_SANDBOX_HEADER)
        if text is None:
            return self.gateway.now()
        if not self.gateway.sandbox:
            raise refused_at("MA-1108", _SANDBOX_HEADER)
        return parse_instant_header(_SANDBOX_HEADER, text)

    async def finish(self, settling: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a settlement or reversal to its end, whatever becomes of the caller.

        A client that hangs up cancels its handler; what may have begun to commit
        must still be completed and stored, so that the retry finds it.
        """
        task = asyncio.create_task(settling)
        self._settling.add(task)
        task.add_done_callback(self._settled)
        return await asyncio.shield(task)

    def _settled(self, task: asyncio.Task[Answer]) -> None:
        self._settling.discard(task)
        if not task.cancelled():
            # Taken here, so that an outcome whose caller has gone is not reported
            # as never retrieved.
            task.exception()

    @property
    def settling(self) -> int:
        """Settlements and reversals under way."""
        return len(self._settling)

    async def settled(self) -> None:
        """Wait until no settlement or reversal is under way."""
        while self._settling:
            await asyncio.wait(self._settling)


async def json_body(request: web.BaseRequest) -> bytes:
    """The body of a call that takes JSON.

    Raises MA-1105 and MA-1106, MA-1107 for one that is no HTTP, and MA-1140 for one
    that does not arrive in time.
    """
    content_type = request.headers.get("Content-Type")
    if content_type != _JSON and not _is_json(content_type):
        raise refused_at("MA-1106", "Content-Type")
    if "Content-Encoding" in request.headers and not is_plain(request):
        # A body that is not what it says it is would be read otherwise elsewhere.
        raise refused_at("MA-1106", "Content-Type")
    return await whole_body(request, request.client_max_size)


async def whole_body(request: web.BaseRequest, most: int) -> bytes:
    """A body of at most so many bytes; raises MA-1105, MA-1107 and MA-1140."""
    content = request.content
    try:
        if not content.is_eof():
            return await arriving(request, most)
        # All of it came with the head, as small bodies do: nothing to wait for.
        body = content.read_nowait()
    except web.RequestPayloadError:
        raise RequestRefused("MA-1107") from None
    if len(body) > most:
        raise refused_at("MA-1105", WHOLE_BODY)
    return body


async def arriving(request: web.BaseRequest, most: int) -> bytes:
    """A body of at most so many bytes, once all of it is there.

    Raises MA-1105, MA-1107 and MA-1140 as `json_body` does.
    """
    declared = request.content_length
    if declared is not None and declared > most:
        raise refused_at("MA-1105", WHOLE_BODY)
    let_continue(request)
    body = bytearray()
    try:
        async with asyncio.timeout(cast("Protocol", request.protocol).limits.body_s):
            while piece := await request.content.readany():
                body += piece
                if len(body) > most:
                    raise refused_at("MA-1105", WHOLE_BODY)
    except web.RequestPayloadError:
        raise RequestRefused("MA-1107") from None
    except (TimeoutError, ConnectionError):
        raise RequestRefused("MA-1140") from None
    return bytes(body)


def let_continue(request: web.BaseRequest) -> None:
    """Let a client that asks first send its body (RFC 9110, section 10.1.1)."""
    expected = request.headers.get("Expect")
    if expected is None or request.version < HttpVersion11:
        return
    if expected.lower() != "100-continue":
        raise RequestRefused("MA-1107", faults=(BillFault("Expect", "MA-1123"),))
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _is_json(content_type: str | None) -> bool:
    if content_type is None:
        return False
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != _JSON:
        return False
    charset = parameters.strip().lower().replace('"', "")
    return charset in ("", "charset=utf-8", "charset=utf8")


def is_plain(request: web.BaseRequest) -> bool:
    """Whether the coding that is named is none."""
    codings = request.headers.getall("Content-Encoding")
    return [coding.lower() for coding in codings] == ["identity"]


def idempotency_key(request: web.BaseRequest) -> str:
    """The caller's key for this intent; raises MA-1103, also where there are two."""
    given = request.headers.getall("Idempotency-Key", ())
    return parse_key_header(given[0] if len(given) == 1 else None)


def refused_at(reason: str, path: str) -> RequestRefused:
    """Every malformed request is told where, by the header or the body's path."""
    return RequestRefused(reason, faults=(BillFault(path, reason),))


def _deadline_ms(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DEADLINE_MS)):
        value = int(text)
        if 1 <= value <= MAX_DEADLINE_MS:
            return value
    raise RequestRefused("MA-1107", faults=(BillFault(_DEADLINE_HEADER, "MA-1130"),))
