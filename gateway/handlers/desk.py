"""What a facility's desk asks: eligibility, quotes, settlements, reversals."""

from __future__ import annotations

from aiohttp import web

from gateway.access import FACILITY
from gateway.answers import answer
from gateway.edge import Edge, idempotency_key, json_body
from gateway.wire import parse_bill, parse_eligibility, parse_reversal
from settlement.domain.calendar import shanghai_day
from settlement.service.ports import Caller


async def eligibility(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Whether the card's person may receive aid on a day."""
    caller = await edge.caller(request, FACILITY)
    card, service_date, quota = parse_eligibility(await json_body(request))
    when = edge.when(request)
    return answer(
        await edge.gateway.eligibility(
            caller, card, service_date, when, with_quota=quota
        )
    )


async def quote(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """What the bill would get; binds nobody, writes nothing."""
    caller = await edge.caller(request, FACILITY)
    body = await json_body(request)
    when = edge.when(request)
    bill = parse_bill(body, today=shanghai_day(when.settled_at))
    return answer(await edge.gateway.quote(caller, bill, when))


async def settle(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Settle the bill, exactly once for the key."""
    when = edge.when(request)
    caller, body = await _settling(request, edge)
    key = idempotency_key(request)
    today = shanghai_day(when.settled_at)
    bill = parse_bill(body, key=key, operator=caller.operator, today=today)
    return answer(await edge.finish(edge.gateway.settle(caller, key, bill, when)))


async def reverse(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Undo a settlement, exactly once for the key."""
    when = edge.when(request)
    caller, body = await _settling(request, edge)
    key = idempotency_key(request)
    today = shanghai_day(when.settled_at)
    wanted = parse_reversal(body, key=key, operator=caller.operator, today=today)
    return answer(await edge.finish(edge.gateway.reverse(caller, key, wanted, when)))


async def _settling(request: web.BaseRequest, edge: Edge) -> tuple[Caller, bytes]:
    """The facility and the body, signed where the facility is set to sign.

    Excess is refused here: reading a bill takes as long as answering others does.
    """
    admission = await edge.admission(request, FACILITY)
    body = await json_body(request)
    edge.gateway.require_room()
    if admission.must_sign:
        await edge.door.require_signature(request, body, admission.caller)
    return admission.caller, body
