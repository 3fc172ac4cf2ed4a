"""Alive, ready, measured."""

from __future__ import annotations

import orjson
from aiohttp import web

from gateway.answers import json_bytes, public
from gateway.edge import Edge
from gateway.metrics import CONTENT_TYPE

_ALIVE = orjson.dumps({"status": "alive"})
_DRAINING = "this process is shutting down"


async def healthz(
    _edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """The process answers; says nothing about settling."""
    return json_bytes(_ALIVE)


async def readyz(
    edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """200 when the gateway can settle, else 503 with every reason."""
    reasons = [_DRAINING] if edge.draining else []
    reasons += await edge.gateway.not_ready()
    document = {"ready": not reasons, "reasons": reasons}
    return json_bytes(orjson.dumps(document), status=503 if reasons else 200)


async def metrics(
    edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Prometheus text of all workers."""
    return public(edge.metrics.exposition(), CONTENT_TYPE)
