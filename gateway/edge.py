"""What handlers need besides the use cases: the door, the clock, the headers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.wire import parse_instant_header, parse_key_header
from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.service.ports import Answer, When

if TYPE_CHECKING:
    from gateway.access import Door
    from gateway.metrics import Metrics
    from gateway.wiring import Gateway

DEFAULT_DEADLINE_MS = 10_000
MAX_DEADLINE_MS = 600_000
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
    _settling: set[asyncio.Task[Answer]] = field(default_factory=set)

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
            raise RequestRefused("MA-1108")
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
    """The body of a call that takes JSON; raises MA-1105 and MA-1106."""
    content_type = request.headers.get("Content-Type")
    if content_type != _JSON and not _is_json(content_type):
        raise RequestRefused("MA-1106")
    content = request.content
    if content.is_eof():
        # All of it came with the head, as small bodies do: nothing to wait for.
        body = content.read_nowait()
        if len(body) > request.client_max_size:
            raise RequestRefused("MA-1105")
        return body
    if "Expect" in request.headers:
        _continue(request)
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise RequestRefused("MA-1105") from None


def _continue(request: web.BaseRequest) -> None:
    """Let a client that asks first send its body (RFC 9110, section 10.1.1)."""
    is_continue = request.headers["Expect"].lower() == "100-continue"
    if is_continue and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _is_json(content_type: str | None) -> bool:
    if content_type is None:
        return False
    media_type, _, parameters = content_type.partition(";")
    if media_type.strip().lower() != _JSON:
        return False
    charset = parameters.strip().lower().replace('"', "")
    return charset in ("", "charset=utf-8")


def idempotency_key(request: web.BaseRequest) -> str:
    """The caller's key for this intent; raises MA-1103."""
    return parse_key_header(request.headers.get("Idempotency-Key"))


def _deadline_ms(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DEADLINE_MS)):
        value = int(text)
        if 1 <= value <= MAX_DEADLINE_MS:
            return value
    raise RequestRefused("MA-1107", faults=(BillFault(_DEADLINE_HEADER, "MA-1130"),))
