"""What a request must be as HTTP, where the parser lets more through.

A proxy before us may read such a request otherwise than we do; so it is refused and
its connection closed (RFC 9112, section 11.2; ASVS 4.2.1).
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from gateway.routing import MethodRefused
from settlement.domain.errors import RequestRefused

_MALFORMED = "MA-1107"
_METHODS = ("GET", "POST")
_SCHEMES = ("http://", "https://")


class FramingRefused(RequestRefused):
    """Nothing that follows on this connection can be trusted."""

    def __init__(self) -> None:
        super().__init__(_MALFORMED)


def check_framing(request: web.BaseRequest) -> None:
    """Refuse versions and codings that we do not speak; raises `FramingRefused`.

    The parser takes any transfer coding whose last one is `chunked`, in HTTP/1.0
    too, and a version 0.9 or 2.0 in a request line.
    """
    version = request.version
    if version is not HttpVersion11 and version != HttpVersion10:
        raise FramingRefused
    coding = request.headers.get("Transfer-Encoding")
    if coding is not None and (
        coding.lower() != "chunked" or version is not HttpVersion11
    ):
        raise FramingRefused


def target_of(request: web.BaseRequest) -> str:
    """Path and query of the request, as they were sent.

    A target with an authority must name the one of `Host`, because signatures and
    proxies believe `Host` (RFC 9112, section 3.2.2). Raises `FramingRefused`, and
    `MethodRefused` for a tunnel and for `*`.
    """
    target = request.raw_path
    if target[0] == "/":
        return target
    if not target.lower().startswith(_SCHEMES):
        raise MethodRefused(_METHODS)
    authority, slash, path = target.partition("://")[2].partition("/")
    if authority.lower() != request.headers.get("Host", "").lower():
        raise FramingRefused
    return slash + path or "/"
