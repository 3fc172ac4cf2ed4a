"""The HTTP side of one worker: routes each request, answers every fault, counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from random import getrandbits
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from gateway.answers import public, refusal
from gateway.calls import CALLS, HIS_CALLS, METRICS_CALL, Call
from gateway.connections import ConnectionLimits
from gateway.direct import name_request
from gateway.edge import ANSWERED_AT, Edge
from gateway.framing import FramingRefused, check_framing, target_of
from gateway.handlers import (
    alerts,
    alerts_stream,
    description,
    desk,
    health,
    his,
    log,
    lookups,
    reconciliation,
    roster,
    sessions,
    statistics,
)
from gateway.in_time import in_time
from gateway.limits import TURN, Turn
from gateway.logs import REQUEST_ID
from gateway.metrics import CONTENT_TYPE as METRICS_TYPE
from gateway.problems import INTERNAL
from gateway.protocol import HttpServer
from gateway.routing import MethodRefused, Router
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from gateway.protocol import Protocol

    Handler = Callable[
        [Edge, web.BaseRequest, str], Coroutine[Any, Any, web.StreamResponse]
    ]

#: Who answers each call, by its name.
HANDLERS: dict[str, Handler] = {
    "open_session": sessions.open_session,
    "eligibility": desk.eligibility,
    "quote": desk.quote,
    "settle": desk.settle,
    "find_settlements": lookups.by_query,
    "search": lookups.search,
    "settlement": lookups.by_id,
    "record": lookups.record,
    "proof": lookups.proof,
    "reverse": desk.reverse,
    "statistics": statistics.statistics,
    "reconcile_totals": reconciliation.totals,
    "reconcile_list": reconciliation.match_list,
    "reconcile_month": reconciliation.month,
    "reconcile_differences": reconciliation.differences,
    "reconcile_statement": reconciliation.statement,
    "take_roster_file": roster.take,
    "roster_file": roster.find,
    "roster_refused": roster.refused,
    "alerts": alerts.alerts,
    "alert_stream": alerts_stream.stream,
    "alert": alerts.alert,
    "alert_cases": alerts.cases,
    "alert_case": alerts.case,
    "assign_case": alerts.assign,
    "confirm_case": alerts.confirm,
    "dismiss_case": alerts.dismiss,
    "his": his.his,
    "his_path": his.his,
    "his_service": his.his,
    "his_platform": his.his,
    "checkpoint": log.checkpoint,
    "tile": log.tile,
    "keys": log.keys,
    "healthz": health.healthz,
    "readyz": health.readyz,
    "openapi": description.openapi,
    "docs": description.docs,
    "metrics": health.metrics,
}
MAX_BODY_BYTES = 64 * 1024
_UNROUTED = "unknown"
#: Calls that may be given up: they wait for the database, and of a session that was
#: opened all the same nobody knows. What eligibility and lists wait for has its own
#: end, and a stream has none.
_READS = frozenset(HANDLERS) - {
    "settle",
    "reverse",
    "eligibility",
    "reconcile_list",
    "take_roster_file",
    "alert_stream",
    "healthz",
    # A numbered transaction may settle.
    "his",
    "his_path",
    "his_service",
    "his_platform",
}
_NO_TURN = Turn()

_log = logging.getLogger(__name__)


def build_server(
    edge: Edge,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    limits: ConnectionLimits | None = None,
) -> HttpServer:
    """The server of one worker's main listener; needs a running loop.

    Exceptions never leave it: what no handler expected is answered as MA-5107.
    """
    calls: tuple[Call, ...] = (*CALLS, *HIS_CALLS)
    if edge.gateway.sandbox:
        calls += (METRICS_CALL,)
    server = HttpServer(
        guarded(edge, Router(calls)),
        loop=asyncio.get_running_loop(),
        logger=_log,
        max_body_bytes=max_body_bytes,
        limits=limits or ConnectionLimits(),
    )
    edge.connections = server.open
    return server


def build_metrics_server(exposition: Callable[[], bytes]) -> web.Server:
    """The server of the loopback listener: `/metrics` and nothing else."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if (request.method, request.path) != (METRICS_CALL.method, METRICS_CALL.path):
            return web.Response(status=404)
        return public(exposition(), METRICS_TYPE)

    return HttpServer(
        serve,
        loop=asyncio.get_running_loop(),
        logger=_log,
        max_body_bytes=MAX_BODY_BYTES,
        limits=ConnectionLimits(),
    )


def guarded(
    edge: Edge, router: Router
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The one function that every request passes through."""
    observe = edge.metrics.observe_call

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        started = perf_counter()
        name = _UNROUTED
        request_id = f"{getrandbits(64):016x}"
        REQUEST_ID.set(request_id)
        response: web.StreamResponse
        protocol = cast("Protocol", request.protocol)
        if protocol.writing_paused:
            # Whoever does not read what was answered is not asked for more.
            await protocol.drained()
        turn = _NO_TURN
        try:
            check_framing(request)
            call, parameter = router.resolve(request.method, target_of(request))
            name = call.name
            turn = request[TURN] = edge.limits.turn(name, request)
            answering = HANDLERS[name](edge, request, parameter)
            is_read = name in _READS
            response = await (in_time(answering) if is_read else answering)
        except RequestRefused as refused:
            response = _refuse(edge, request, name, refused)
        except Exception as bug:  # noqa: BLE001  # the last resort of every request
            # Without its message, which might quote what was sent.
            _log.error("request.failed", extra={"call": name}, exc_info=bug)
            response = _refuse(edge, request, name, RequestRefused(INTERNAL))
        finally:
            turn.leave()
        name_request(response, request_id)
        seconds = request.get(ANSWERED_AT, perf_counter()) - started
        observe(name, response.status, seconds)
        if edge.access_log:
            _log_answer(name, response.status, seconds)
        return response

    return serve


def _log_answer(call: str, status: int, seconds: float) -> None:
    ms = round(seconds * 1_000, 3)
    _log.info("request.answered", extra={"call": call, "status": status, "ms": ms})


def _refuse(
    edge: Edge, request: web.BaseRequest, name: str, refused: RequestRefused
) -> web.Response:
    edge.metrics.refused(name, refused.reason)
    response = refusal(request, refused)
    if isinstance(refused, MethodRefused):
        response.headers["Allow"] = refused.allowed
    if isinstance(refused, FramingRefused):
        response.force_close()
    return response
