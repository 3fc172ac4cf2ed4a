"""Days and months compared: totals, lists, how a month stands, and what was signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.access import ANY_ROLE, FACILITY
from gateway.answers import answer
from gateway.edge import Edge, json_body
from gateway.upload import received
from gateway.wire import parse_totals
from gateway.wire_reconciliation import (
    parse_facility,
    parse_past_month,
    parse_period,
    parse_wanted_differences,
)
from settlement.domain.calendar import shanghai_day

if TYPE_CHECKING:
    from datetime import date

    from aiohttp import web


async def totals(
    edge: Edge, request: web.BaseRequest, _parameter: str
) -> web.StreamResponse:
    """A facility's own totals beside ours."""
    caller = await edge.caller(request, FACILITY)
    asked = parse_totals(await json_body(request), today=_today(edge))
    return answer(await edge.gateway.reconciliation.totals(caller, asked))


async def match_list(
    edge: Edge, request: web.BaseRequest, period: str
) -> web.StreamResponse:
    """A facility's details, line by line."""
    caller = await edge.caller(request, FACILITY)
    today = _today(edge)
    wanted = parse_period(period, today=today)
    use_case = edge.gateway.reconciliation
    with use_case.lists.turn(caller.party_code):
        async with received(request, use_case.list_folder) as file:
            made = await use_case.match_list(
                caller,
                wanted,
                file.fileno(),
                today=today,
                is_wanted=lambda: _is_there(request),
            )
    return answer(made)


async def month(
    edge: Edge, request: web.BaseRequest, period: str
) -> web.StreamResponse:
    """How a month stands."""
    caller = await edge.caller(request, ANY_ROLE)
    number = parse_past_month(period, today=_today(edge))
    facility = parse_facility(request.query)
    return answer(await edge.gateway.reconciliation.month(caller, number, facility))


async def differences(
    edge: Edge, request: web.BaseRequest, period: str
) -> web.StreamResponse:
    """A page of a month's differences."""
    caller = await edge.caller(request, ANY_ROLE)
    number = parse_past_month(period, today=_today(edge))
    wanted = parse_wanted_differences(request.query)
    return answer(await edge.gateway.reconciliation.differences(caller, number, wanted))


async def statement(
    edge: Edge, request: web.BaseRequest, period: str
) -> web.StreamResponse:
    """A closed month as it was signed."""
    caller = await edge.caller(request, ANY_ROLE)
    number = parse_past_month(period, today=_today(edge))
    facility = parse_facility(request.query)
    use_case = edge.gateway.reconciliation
    return answer(await use_case.statement(caller, number, facility))


def _today(edge: Edge) -> date:
    return shanghai_day(edge.gateway.now())


def _is_there(request: web.BaseRequest) -> bool:
    """Whether somebody still waits for the answer."""
    return request.transport is not None and not request.transport.is_closing()
