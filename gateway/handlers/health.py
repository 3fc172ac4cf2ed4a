"""Alive, ready, measured."""

from __future__ import annotations

import orjson
from aiohttp import web

from gateway.answers import json_bytes, public
from gateway.edge import Edge
from gateway.metrics import CONTENT_TYPE
from settlement.service.findings import Finding

_ALIVE = orjson.dumps({"status": "alive"})
_DRAINING = Finding("draining")


async def healthz(
    _edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """The process answers; says nothing about settling."""
    return json_bytes(_ALIVE)


async def readyz(
    edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """200 when the gateway can settle, else 503 with every reason.

    `details` has what only warns as well, each finding with its stable code.
    """
    findings = [_DRAINING] if edge.draining else []
    findings += await edge.gateway.findings()
    reasons = [found.text.en for found in findings if found.stops]
    document = {
        "ready": not reasons,
        "reasons": reasons,
        "details": [_detail(found) for found in findings],
    }
    return json_bytes(orjson.dumps(document), status=503 if reasons else 200)


def _detail(found: Finding) -> dict[str, object]:
    text = {"zh": found.text.zh, "en": found.text.en}
    return {"code": found.code, "stops": found.stops, "text": text}


async def metrics(
    edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Prometheus text of all workers."""
    return public(edge.metrics.exposition(), CONTENT_TYPE)
