"""The interface described: for programs and for people."""

from __future__ import annotations

from functools import cache

from aiohttp import web

from gateway.answers import public
from gateway.docs_page import docs_page
from gateway.edge import Edge
from gateway.openapi import openapi_document

_JSON_TYPE = "application/json"
_HTML_TYPE = "text/html; charset=utf-8"


async def openapi(
    _edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """OpenAPI 3.1."""
    return public(_openapi(), _JSON_TYPE)


async def docs(
    _edge: Edge, _request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """The same as one page that needs nothing from elsewhere."""
    body, policy = docs_page()
    response = public(body, _HTML_TYPE)
    response.headers["Content-Security-Policy"] = policy
    return response


@cache
def _openapi() -> bytes:
    return openapi_document()
