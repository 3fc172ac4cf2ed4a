"""Looking settlements up. What a caller may not see is not found."""

from __future__ import annotations

from aiohttp import web

from gateway.access import ANY_ROLE
from gateway.answers import answer, private
from gateway.edge import Edge, json_body
from gateway.wire import parse_lookup, parse_search

_RECORD_TYPE = "application/jose"
_PROOF_TYPE = "text/plain; charset=utf-8"


async def by_query(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """By `idempotency_key`, or by `visit_no` as `items`, newest first."""
    caller = await edge.caller(request, ANY_ROLE)
    name, value = parse_lookup(request.query)
    if name == "idempotency_key":
        return answer(await edge.gateway.settlement_by_key(caller, value))
    return answer(await edge.gateway.settlements_by_visit(caller, value))


async def by_id(
    edge: Edge, request: web.BaseRequest, settlement_id: str
) -> web.StreamResponse:
    """One settlement with its state."""
    caller = await edge.caller(request, ANY_ROLE)
    return answer(await edge.gateway.settlement_by_id(caller, settlement_id))


async def search(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Settlements that match a body, because a URL is no place for a card."""
    caller = await edge.caller(request, ANY_ROLE)
    query = parse_search(await json_body(request))
    return answer(await edge.gateway.search(caller, query))


async def record(
    edge: Edge, request: web.BaseRequest, settlement_id: str
) -> web.StreamResponse:
    """The exact bytes of the signed, sealed record."""
    caller = await edge.caller(request, ANY_ROLE)
    body = await edge.gateway.record(caller, settlement_id)
    return private(body, _RECORD_TYPE)


async def proof(
    edge: Edge, request: web.BaseRequest, settlement_id: str
) -> web.StreamResponse:
    """Inclusion of the record against the latest checkpoint."""
    caller = await edge.caller(request, ANY_ROLE)
    text = await edge.gateway.proof(caller, settlement_id)
    return private(text.encode(), _PROOF_TYPE)
