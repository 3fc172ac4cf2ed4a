"""Which call a request is for."""

import pytest

from gateway.calls import CALLS, METRICS_CALL
from gateway.routing import MethodRefused, Router
from settlement.domain.errors import RequestRefused

ROUTER = Router(CALLS)


@pytest.mark.parametrize(
    ("method", "target", "name", "parameter"),
    [
        ("POST", "/v1/settlements", "settle", ""),
        ("GET", "/v1/settlements", "find_settlements", ""),
        ("GET", "/v1/settlements?visit_no=a/b", "find_settlements", ""),
        ("POST", "/v1/settlements/search", "search", ""),
        ("POST", "/v1/statistics", "statistics", ""),
        ("GET", "/v1/alerts?state=all", "alerts", ""),
        ("GET", "/v1/alerts/stream", "alert_stream", ""),
        ("GET", "/v1/alerts/stream?after=7", "alert_stream", ""),
        ("GET", "/v1/alerts/a1", "alert", "a1"),
        ("GET", "/v1/alert-cases", "alert_cases", ""),
        ("GET", "/v1/alert-cases/c1", "alert_case", "c1"),
        ("POST", "/v1/alert-cases/c1/assign", "assign_case", "c1"),
        ("POST", "/v1/alert-cases/c1/confirm", "confirm_case", "c1"),
        ("POST", "/v1/alert-cases/c1/dismiss", "dismiss_case", "c1"),
        ("POST", "/v1/reconciliation/totals", "reconcile_totals", ""),
        ("POST", "/v1/reconciliation/2026-01-05/list", "reconcile_list", "2026-01-05"),
        ("GET", "/v1/reconciliation/2026-01", "reconcile_month", "2026-01"),
        (
            "GET",
            "/v1/reconciliation/2026-01/differences?limit=5",
            "reconcile_differences",
            "2026-01",
        ),
        ("GET", "/v1/reconciliation/x/statement", "reconcile_statement", "x"),
        ("POST", "/v1/roster/files", "take_roster_file", ""),
        ("GET", "/v1/roster/files/7", "roster_file", "7"),
        ("GET", "/v1/roster/files/7/refused", "roster_refused", "7"),
        ("GET", "/v1/settlements/s-1", "settlement", "s-1"),
        ("GET", "/v1/settlements/s-1?x=1", "settlement", "s-1"),
        ("GET", "/v1/settlements/s-1/record", "record", "s-1"),
        ("GET", "/v1/settlements/s-1/proof", "proof", "s-1"),
        ("GET", "/v1/log/tile/0/x001/067.p/3", "tile", "0/x001/067.p/3"),
        ("GET", "/healthz", "healthz", ""),
    ],
)
def test_target_leads_to_its_call(
    method: str, target: str, name: str, parameter: str
) -> None:
    """Exact paths first, then one parameter; the query plays no part."""
    call, found = ROUTER.resolve(method, target)

    assert (call.name, found) == (name, parameter)


@pytest.mark.parametrize(
    "target",
    ["/", "", "/v1/settlements/", "/v1/settlements//record", "/v1/settlements/a/b",
     "/v2/settlements", "/v1/log/tile/", "/metrics", "//v1/settlements",
     "http://elsewhere/v1/settlements", "/v1/settlements/a/record/"],
)  # fmt: skip
def test_other_targets_are_not_found(target: str) -> None:
    """No address is guessed; `/metrics` is not on the main listener by itself."""
    with pytest.raises(RequestRefused) as caught:
        ROUTER.resolve("GET", target)

    assert caught.value.reason == "MA-4105"


def test_other_methods_are_refused_with_what_is_allowed() -> None:
    """RFC 9110 section 15.5.6: 405 names the methods."""
    with pytest.raises(MethodRefused) as caught:
        ROUTER.resolve("DELETE", "/v1/settlements")

    assert caught.value.reason == "MA-4106"
    assert caught.value.allowed == "GET, POST"


def test_names_and_addresses_are_unique() -> None:
    """Metrics and OpenAPI tell calls apart by name."""
    every = [*CALLS, METRICS_CALL]

    assert len({call.name for call in every}) == len(every)
    assert len({(call.method, call.path) for call in every}) == len(every)
