"""The bureau's queue of alerts: looked at, opened, worked off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import OVERSEERS, STAFF
from gateway.answers import answer
from gateway.edge import Edge, json_body
from gateway.wire_alerts import (
    parse_assign,
    parse_confirm,
    parse_dismiss,
    parse_id,
    parse_wanted_alerts,
    parse_wanted_cases,
)
from settlement.domain.calendar import shanghai_day

if TYPE_CHECKING:
    from datetime import date

    from aiohttp import web

_NO_ALERT = "MA-4101"
_NO_CASE = "MA-4108"


async def alerts(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """A page of the queue."""
    await edge.caller(request, OVERSEERS)
    wanted = parse_wanted_alerts(request.query)
    return answer(await edge.gateway.alerts.page(wanted))


async def alert(
    edge: Edge, request: web.BaseRequest, alert_id: str
) -> web.StreamResponse:
    """One alert."""
    await edge.caller(request, OVERSEERS)
    wanted = parse_id(alert_id, _NO_ALERT)
    return answer(await edge.gateway.alerts.alert(wanted))


async def cases(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """Cases, the strongest first."""
    await edge.caller(request, OVERSEERS)
    wanted = parse_wanted_cases(request.query)
    return answer(await edge.gateway.alerts.cases(wanted))


async def case(
    edge: Edge, request: web.BaseRequest, case_id: str
) -> web.StreamResponse:
    """One case with its evidence."""
    await edge.caller(request, OVERSEERS)
    wanted = parse_id(case_id, _NO_CASE)
    return answer(await edge.gateway.alerts.case(wanted))


async def assign(
    edge: Edge, request: web.BaseRequest, case_id: str
) -> web.StreamResponse:
    """Say who works on a case."""
    caller = await edge.caller(request, STAFF)
    to, note = parse_assign(await json_body(request), today=_today(edge))
    wanted = parse_id(case_id, _NO_CASE)
    use_case = edge.gateway.alerts
    return answer(await edge.finish(use_case.assign(caller, wanted, to, note)))


async def confirm(
    edge: Edge, request: web.BaseRequest, case_id: str
) -> web.StreamResponse:
    """It was misuse."""
    caller = await edge.caller(request, STAFF)
    said = parse_confirm(await json_body(request), today=_today(edge))
    wanted = parse_id(case_id, _NO_CASE)
    step = edge.gateway.alerts.confirm(caller, wanted, said.note, said.recover)
    return answer(await edge.finish(step))


async def dismiss(
    edge: Edge, request: web.BaseRequest, case_id: str
) -> web.StreamResponse:
    """It was honest."""
    caller = await edge.caller(request, STAFF)
    note = parse_dismiss(await json_body(request), today=_today(edge))
    wanted = parse_id(case_id, _NO_CASE)
    return answer(await edge.finish(edge.gateway.alerts.dismiss(caller, wanted, note)))


def _today(edge: Edge) -> date:
    return shanghai_day(edge.gateway.now())
