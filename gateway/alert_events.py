"""Alert events as streams and webhooks carry them: the same document in two wrappers.

An event tells that something became of an alert; its document is the alert as it
stands when it is sent. Tokens stand for persons; no name or card is in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from gateway.alert_documents import alert_document
from settlement.domain.calendar import rfc3339

if TYPE_CHECKING:
    from settlement.service.watch.delivery import AlertEvent


def stream_event(event: AlertEvent) -> bytes:
    """For `GET /v1/alerts/stream` (WHATWG HTML, section 9.2): JSON has no line end."""
    data = orjson.dumps(alert_document(event.alert))
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.seq, event.what.encode(), data)


def webhook_body(event: AlertEvent) -> bytes:
    """For webhooks: type, time and data, as Standard Webhooks has them."""
    return orjson.dumps(
        {
            "type": f"alert.{event.what}",
            "timestamp": rfc3339(event.at),
            "data": alert_document(event.alert),
        }
    )
