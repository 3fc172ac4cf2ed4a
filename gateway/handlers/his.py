"""The national envelope: one handler for every address that speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.edge import Edge


async def his(
    edge: Edge, request: web.BaseRequest, parameter: str
) -> web.StreamResponse:
    """Dispatched on `infno` in the body."""
    if edge.his is None:
        raise RequestRefused("MA-4105")
    return await edge.his.answer(edge, request, parameter)
