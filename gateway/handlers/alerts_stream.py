"""Alerts as they are raised, changed, withdrawn: Server-Sent Events."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.access import OVERSEERS, token_of
from gateway.answers import JSON_HEADERS
from gateway.edge import ANSWERED_AT
from gateway.logs import REQUEST_ID
from gateway.wire_alerts import RESUME_HEADER, parse_resume

if TYPE_CHECKING:
    from gateway.edge import Edge

#: A proxy must not keep what it is told at once.
_HEADERS = JSON_HEADERS | {
    "Content-Type": "text/event-stream",
    "X-Accel-Buffering": "no",
}
#: How soon a browser connects again, in milliseconds.
_RETRY_MS = 1_000


async def stream(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Events behind the one that is named, or from now on, until the session ends."""
    admission = await edge.admission(request, OVERSEERS)
    after = parse_resume(request.headers.get(RESUME_HEADER), request.query)
    hub, streams = edge.gateway.alerts.hub, edge.streams
    with streams.opened(edge, request, admission, token_of(request)) as opened:
        reader = await hub.join(after)
        response = web.StreamResponse(headers=_HEADERS)
        response.headers["Medaid-Request-Id"] = REQUEST_ID.get()
        try:
            await response.prepare(request)
            request[ANSWERED_AT] = perf_counter()
            # Where it begins, so that whoever is cut before the first event resumes.
            begin = b"retry: %d\nid: %d\n\n" % (_RETRY_MS, reader.position)
            await response.write(begin)
            await opened.tell(response, reader)
        except ConnectionError:
            pass  # it has hung up
        finally:
            hub.leave(reader)
    return response
