"""Every answer holds to our own `/openapi.json`, whatever is made from it."""

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from urllib3.response import HTTPResponse

from gateway.openapi import document
from gateway.openapi_calls import TEXTS
from tests.fuzz import inputs
from tests.fuzz.hostile_bodies import BILL, ELIGIBILITY, SEARCH, STATISTICS, TOTALS
from tests.fuzz.oracle import check_answer
from tests.fuzz.target import INSTANT, Target

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_BASE = "http://gateway.test"


def _without_access() -> dict[str, Any]:
    """The description without who may ask: the adapter below has a session."""
    described = document()
    for methods in described["paths"].values():
        for operation in methods.values():
            operation["security"] = []
    return described


def _operations() -> dict[str, Any]:
    schema = schemathesis.openapi.from_dict(_without_access())
    found = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]  # a wrong one raises
    return {each.definition.raw["operationId"]: each for each in found}


OPERATIONS = _operations()


class _Adapter(BaseAdapter):
    """Sends what `requests` has prepared to the gateway under attack."""

    def __init__(self, target: Target) -> None:
        super().__init__()
        self._target = target

    def send(  # type: ignore[override]  # nothing here has a time-out or a proxy
        self, request: requests.PreparedRequest, **_: Any
    ) -> requests.Response:
        headers: dict[str, str | bytes] = {
            "authorization": self._target.bearer,
            "medaid-sandbox-time": INSTANT,
        }
        headers |= {name.lower(): value for name, value in request.headers.items()}
        sent = {
            name: value.encode("latin-1") if isinstance(value, str) else value
            for name, value in headers.items()
            if name not in {"content-length", "connection", "accept-encoding"}
        }
        raw: Any = request.body or b""
        got = self._target.run(
            self._target.client.ask(
                str(request.method),
                request.path_url,
                sent,
                raw.encode() if isinstance(raw, str) else raw,
            )
        )
        check_answer(got, english=got.headers.get("content-language") == "en")
        answer = requests.Response()
        answer.status_code = got.status
        answer.headers.update(got.headers)
        answer._content = got.body
        answer.raw = HTTPResponse(body=got.body, headers=got.headers, status=got.status)
        answer.request = request
        answer.url = str(request.url)
        return answer

    def close(self) -> None:
        """Nothing of its own is open."""


@pytest.fixture(scope="module")
def line(target: Target) -> requests.Session:
    """A session that reaches the gateway without a socket of its own."""
    session = requests.Session()
    session.mount(_BASE, _Adapter(target))
    return session


def _cases(mode: GenerationMode) -> st.SearchStrategy[Any]:
    asked = [
        each.as_strategy(generation_mode=mode)
        for name, each in OPERATIONS.items()
        if mode is GenerationMode.POSITIVE or _has_input(name)
    ]
    return st.one_of(asked)


def test_every_success_holds_to_the_description(line: requests.Session) -> None:
    """A day at the desk: each call succeeds, and its answer is the one described."""
    answers = []

    def ask(name: str, **given: Any) -> Any:
        case = OPERATIONS[name].Case(**given)
        answer = case.call(base_url=_BASE, session=line)
        case.validate_response(answer, checks=_CHECKS)
        assert answer.status_code == TEXTS[name].status, (name, answer.text)
        answers.append(name)
        return answer

    key = {"Idempotency-Key": "openapi-1"}
    bill = BILL.sound()
    ask("eligibility", body=ELIGIBILITY.sound())
    ask("quote", body=bill)
    settled = ask("settle", body=bill, headers=key).json()
    reversal = {"settlement_id": settled["settlement_id"], "reason": "refund"}
    ask("reverse", body=reversal, headers=key)
    ask("search", body=SEARCH.sound())
    ask("statistics", body=STATISTICS.sound())
    ask("reconcile_totals", body=TOTALS.sound())
    ask("find_settlements", query={"idempotency_key": "openapi-1"})
    ask("find_settlements", query={"visit_no": bill["visit_no"]})
    for name in ("settlement", "record", "proof"):
        ask(name, path_parameters={"id": settled["settlement_id"]})
    ask("tile", path_parameters={"path": "0/000.p/1"})
    for name in (
        "checkpoint",
        "keys",
        "healthz",
        "readyz",
        "metrics",
        "openapi",
        "docs",
    ):
        ask(name)

    # Signing in is the fixture's: its answer gave the token of all these calls. Months
    # that are over, alerts and roster files have tests of their own that ask, in the
    # described shapes: a facility may not.
    elsewhere = {
        name
        for name, text in TEXTS.items()
        if text.group in {"months", "alerts", "roster"} and name != "reconcile_totals"
    }
    assert set(answers) == set(TEXTS) - {"open_session"} - elsewhere


def _has_input(name: str) -> bool:
    raw = OPERATIONS[name].definition.raw
    return bool(raw["parameters"] or raw.get("requestBody"))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_hold_to_the_description(
    line: requests.Session, mode: GenerationMode
) -> None:
    """Status, media type, headers and members are those of `/openapi.json`."""
    checks = [*_CHECKS]
    if mode is GenerationMode.NEGATIVE:
        checks.append(negative_data_rejection)
    test = f"calls by openapi, {mode.value}"

    @settings(
        max_examples=inputs.wanted(test),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
    )
    @given(_cases(mode))
    def ask(case: Any) -> None:
        inputs.taken[test] += 1
        note(f"{case.method} {case.path} {case.body!r} {case.headers}")
        answer = case.call(base_url=_BASE, session=line)
        case.validate_response(answer, checks=checks)

    ask()
    inputs.report(test)
