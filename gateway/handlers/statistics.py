"""What was paid, for how many, month by month."""

from __future__ import annotations

from aiohttp import web

from gateway.access import ANY_ROLE
from gateway.answers import answer
from gateway.edge import Edge, json_body
from gateway.wire import parse_statistics


async def statistics(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Of a stretch of months; a facility its own alone."""
    caller = await edge.caller(request, ANY_ROLE)
    query = parse_statistics(await json_body(request))
    return answer(await edge.gateway.statistics(caller, query))
