"""The public side of the log: checkpoint, tiles, keys."""

from __future__ import annotations

import orjson
from aiohttp import web

from gateway.answers import json_bytes, public
from gateway.edge import Edge
from settlement.domain.errors import RequestRefused

_NOTE_TYPE = "text/plain; charset=utf-8"
_TILE_TYPE = "application/octet-stream"
#: A tile never changes (C2SP tlog-tiles): a year, the longest that caches honour.
_TILE_MAX_AGE_S = 31_536_000


async def checkpoint(
    edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """The latest checkpoint, a C2SP signed note."""
    return public(await edge.gateway.checkpoint(), _NOTE_TYPE)


async def tile(edge: Edge, _request: web.BaseRequest, path: str) -> web.StreamResponse:
    """One tile of the log."""
    body = await edge.gateway.tile(path)
    if body is None:
        raise RequestRefused("MA-4101")
    return public(body, _TILE_TYPE, max_age_s=_TILE_MAX_AGE_S)


async def keys(
    edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Public keys with their roles; a verifier believes its trust file instead."""
    return json_bytes(orjson.dumps(edge.gateway.keys()))
