"""Responses: bytes out with the right headers; nothing is rendered twice."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.direct import Head, direct
from gateway.problems import CONTENT_TYPE as PROBLEM_TYPE
from gateway.problems import prefers_english, problem
from settlement.domain.errors import RequestRefused

if TYPE_CHECKING:
    from settlement.service.ports import Answer

_SERVER = "medaid"
JSON_HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "Server": _SERVER,
}
_STATUSES = (200, 201, 503)
_HEADS = {status: Head(status, JSON_HEADERS) for status in _STATUSES}
_REPLAYED_HEADS = {
    status: Head(status, JSON_HEADERS | {"Idempotent-Replayed": "true"})
    for status in _STATUSES
}
_PROBLEM_HEADERS = JSON_HEADERS | {"Content-Type": PROBLEM_TYPE}


def answer(made: Answer) -> web.StreamResponse:
    """A use case's answer as it is."""
    heads = _REPLAYED_HEADS if made.replayed else _HEADS
    return direct(heads[made.status], made.body)


def json_bytes(body: bytes, status: int = 200) -> web.StreamResponse:
    """JSON that is bytes already."""
    return direct(_HEADS[status], body)


def public(body: bytes, content_type: str, *, max_age_s: int = 0) -> web.Response:
    """Something that everybody may read and, with `max_age_s`, keep."""
    cache = f"public, max-age={max_age_s}" if max_age_s else "no-cache"
    headers = {"Content-Type": content_type, "Cache-Control": cache, "Server": _SERVER}
    return web.Response(body=body, headers=headers)


def refusal(request: web.BaseRequest, refused: RequestRefused) -> web.Response:
    """The problem document of a refusal, in the caller's language."""
    english = prefers_english(request.headers.get("Accept-Language"))
    status, body, after_s = problem(refused, english=english)
    headers = dict(_PROBLEM_HEADERS)
    headers["Content-Language"] = "en" if english else "zh-CN"
    if after_s is not None:
        headers["Retry-After"] = str(after_s)
    if status == web.HTTPUnauthorized.status_code:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(body=body, status=status, headers=headers)


@cache
def last_words(reason: str) -> bytes:
    """A refusal as it is sent before a connection is closed without a request."""
    status, body, after_s = problem(RequestRefused(reason), english=False)
    headers = _PROBLEM_HEADERS | {
        "Content-Language": "zh-CN",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    if after_s is not None:
        headers["Retry-After"] = str(after_s)
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def private(body: bytes, content_type: str) -> web.Response:
    """Something for this caller alone that is not JSON."""
    return web.Response(
        body=body, headers=JSON_HEADERS | {"Content-Type": content_type}
    )
