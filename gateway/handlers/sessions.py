"""`POST /v1/sessions`: a signed request opens a session."""

from __future__ import annotations

import orjson
from aiohttp import web

from gateway.answers import json_bytes
from gateway.edge import Edge, json_body
from gateway.wire import parse_session
from settlement.domain.calendar import rfc3339, shanghai_day


async def open_session(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """201 with the token, which is shown this once."""
    body = await json_body(request)
    operator = parse_session(body, today=shanghai_day(edge.gateway.now()))
    session = await edge.door.sign_in(request, body, operator)
    document = {
        "token": session.token,
        "party": session.party,
        "expires_at": rfc3339(session.expires_at),
    }
    return json_bytes(orjson.dumps(document), status=201)
