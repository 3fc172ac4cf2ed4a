"""Every call of version 1, and who answers it."""

from __future__ import annotations

from gateway.handlers import description, desk, health, log, lookups, sessions
from gateway.routing import Call

CALLS = (
    Call("open_session", "POST", "/v1/sessions", sessions.open_session),
    Call("eligibility", "POST", "/v1/eligibility", desk.eligibility),
    Call("quote", "POST", "/v1/quotes", desk.quote),
    Call("settle", "POST", "/v1/settlements", desk.settle),
    Call("find_settlements", "GET", "/v1/settlements", lookups.by_query),
    Call("search", "POST", "/v1/settlements/search", lookups.search),
    Call("settlement", "GET", "/v1/settlements/{id}", lookups.by_id),
    Call("record", "GET", "/v1/settlements/{id}/record", lookups.record),
    Call("proof", "GET", "/v1/settlements/{id}/proof", lookups.proof),
    Call("reverse", "POST", "/v1/reversals", desk.reverse),
    Call("checkpoint", "GET", "/v1/log/checkpoint", log.checkpoint),
    Call("tile", "GET", "/v1/log/tile/{path}", log.tile),
    Call("keys", "GET", "/v1/keys", log.keys),
    Call("healthz", "GET", "/healthz", health.healthz),
    Call("readyz", "GET", "/readyz", health.readyz),
    Call("openapi", "GET", "/openapi.json", description.openapi),
    Call("docs", "GET", "/docs", description.docs),
)
#: On the main listener in a sandbox alone, else on the loopback listener.
METRICS_CALL = Call("metrics", "GET", "/metrics", health.metrics)
