"""Every call of version 1: its name, its method, its address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the interface; its name stands in metrics and in OpenAPI."""

    name: str
    method: str
    path: str
    """With at most one parameter: one segment, or several where it is `{path}`."""


CALLS = (
    Call("open_session", "POST", "/v1/sessions"),
    Call("eligibility", "POST", "/v1/eligibility"),
    Call("quote", "POST", "/v1/quotes"),
    Call("settle", "POST", "/v1/settlements"),
    Call("find_settlements", "GET", "/v1/settlements"),
    Call("search", "POST", "/v1/settlements/search"),
    Call("settlement", "GET", "/v1/settlements/{id}"),
    Call("record", "GET", "/v1/settlements/{id}/record"),
    Call("proof", "GET", "/v1/settlements/{id}/proof"),
    Call("reverse", "POST", "/v1/reversals"),
    Call("statistics", "POST", "/v1/statistics"),
    Call("reconcile_totals", "POST", "/v1/reconciliation/totals"),
    Call("reconcile_list", "POST", "/v1/reconciliation/{period}/list"),
    Call("reconcile_month", "GET", "/v1/reconciliation/{period}"),
    Call("reconcile_differences", "GET", "/v1/reconciliation/{period}/differences"),
    Call("reconcile_statement", "GET", "/v1/reconciliation/{period}/statement"),
    Call("take_roster_file", "POST", "/v1/roster/files"),
    Call("roster_file", "GET", "/v1/roster/files/{version}"),
    Call("roster_refused", "GET", "/v1/roster/files/{version}/refused"),
    Call("alerts", "GET", "/v1/alerts"),
    Call("alert_stream", "GET", "/v1/alerts/stream"),
    Call("alert", "GET", "/v1/alerts/{alert}"),
    Call("alert_cases", "GET", "/v1/alert-cases"),
    Call("alert_case", "GET", "/v1/alert-cases/{case}"),
    Call("assign_case", "POST", "/v1/alert-cases/{case}/assign"),
    Call("confirm_case", "POST", "/v1/alert-cases/{case}/confirm"),
    Call("dismiss_case", "POST", "/v1/alert-cases/{case}/dismiss"),
    Call("checkpoint", "GET", "/v1/log/checkpoint"),
    Call("tile", "GET", "/v1/log/tile/{path}"),
    Call("keys", "GET", "/v1/keys"),
    Call("healthz", "GET", "/healthz"),
    Call("readyz", "GET", "/readyz"),
    Call("openapi", "GET", "/openapi.json"),
    Call("docs", "GET", "/docs"),
)
#: Where the national envelope is spoken (docs/his/): no calls of version 1.
HIS_CALLS = (
    Call("his", "POST", "/his"),
    Call("his_path", "POST", "/his/{path}"),
    Call("his_service", "POST", "/fsi/api/{path}"),
    Call("his_platform", "POST", "/mbs/fmi/fsi/api/{path}"),
)
#: On the main listener in a sandbox alone, else on the loopback listener.
METRICS_CALL = Call("metrics", "GET", "/metrics")
