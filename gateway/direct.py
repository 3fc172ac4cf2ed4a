"""JSON answers written to the socket in one piece.

aiohttp builds a case-insensitive multi-dictionary for each response and serialises
it; for the few fixed headers of our answers that costs a fifth of an eligibility
call. This object has what aiohttp's protocol asks of a response, and no more.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpVersion11

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web


class Head:
    """Status line and fixed headers, as bytes made once."""

    __slots__ = ("octets", "status")

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.octets = ("\r\n".join(lines) + "\r\nContent-Length: ").encode("ascii")


class DirectResponse:
    """A complete answer with a body; never chunked, never compressed."""

    __slots__ = ("_body", "_head", "_request", "keep_alive", "request_id", "status")

    def __init__(self, head: Head, body: bytes) -> None:
        self.status = head.status
        self.keep_alive: bool | None = None
        self.request_id = ""
        self._head = head
        self._body = body

    @property
    def body_length(self) -> int:
        """Bytes of the body."""
        return len(self._body)

    def force_close(self) -> None:
        """Make this the connection's last answer, and say so in it."""
        self.keep_alive = False

    async def prepare(self, request: web.BaseRequest) -> None:
        """Note whom to answer; called once by aiohttp."""
        self._request = request
        if self.keep_alive is None:
            self.keep_alive = request.keep_alive

    async def write_eof(self) -> None:
        """Send everything; raises `ConnectionResetError` when the caller is gone."""
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the caller has hung up")
        transport.write(
            b"%b%d\r\nMedaid-Request-Id: %b\r\nDate: %b\r\n%b\r\n%b"
            % (
                self._head.octets,
                len(self._body),
                self.request_id.encode("ascii"),
                rfc822_formatted_time().encode("ascii"),
                self._connection(),
                self._body,
            )
        )

    def _connection(self) -> bytes:
        if self._request.version < HttpVersion11:
            return b"Connection: keep-alive\r\n" if self.keep_alive else b""
        return b"" if self.keep_alive else b"Connection: close\r\n"


def name_request(
    response: web.StreamResponse | DirectResponse, request_id: str
) -> None:
    """Tell the caller under which id the logs know this request."""
    if isinstance(response, DirectResponse):
        response.request_id = request_id
    else:
        response.headers["Medaid-Request-Id"] = request_id


def direct(head: Head, body: bytes) -> web.StreamResponse:
    """The answer, under the type that aiohttp declares for handlers."""
    return cast("web.StreamResponse", DirectResponse(head, body))
