"""A day from sign-in to statement: hospitals side by side, two windows each."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from gateway.his_simulator.bad_line import BadLine
from gateway.his_simulator.books import Outcome
from gateway.his_simulator.cashier import serve
from gateway.his_simulator.clients import Client
from gateway.his_simulator.comparing import aid_at_gateway
from gateway.his_simulator.desk import Desk, Finding
from gateway.his_simulator.evening import Evening, Statement
from gateway.his_simulator.faults import Fault, Weather
from gateway.his_simulator.line import HABITS, Line, OutcomeUnknown
from gateway.his_simulator.log import Log
from gateway.his_simulator.people import Person
from gateway.his_simulator.plan import Day, Visit, make_day
from gateway.his_simulator.platform import NationalPlatform
from gateway.his_simulator.result import FAIR, DayResult, HospitalDay

_WINDOWS = 2
_CONNECTIONS = 128
_LOOPBACK = "127.0.0.1"
#: What a message that came too late must be answered with: it was undone before.
_UNDONE_BEFORE = "MA-2205"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be played, and against whom."""

    gateway_url: str
    clients: Sequence[Client]
    people: Sequence[Person]
    visits: int
    weather: Weather
    on: date
    """The day on which the gateway settles."""
    clock: Callable[[], float]
    """Unix time."""
    nonce: Callable[[], str]
    today: Callable[[], date] | None = None
    """The day at which the gateway settles now; `None` where `on` stays."""
    platform_url: str | None = None
    """`None`: a national platform of its own."""
    patience_s: float = 3.0
    headers: Mapping[str, str] = field(default_factory=dict)
    write_log: Callable[[Mapping[str, Any]], None] = lambda _: None


@asynccontextmanager
async def listening(server: web.Server, port: int = 0) -> AsyncIterator[str]:
    """Serve on loopback while the block runs; gives the address."""
    runner = web.ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, _LOOPBACK, port)
        await site.start()
        host, own_port = runner.addresses[0][:2]
        yield f"http://{host}:{own_port}"
    finally:
        await runner.cleanup()


async def play(order: Order, show: Callable[[int, str], None]) -> DayResult:
    """Play the day; `show` is told how many visits are over, and the hour."""
    day = make_day(order.weather, order.on, order.clients, order.people, order.visits)
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=True)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector)
        )
        line = BadLine(order.weather, order.gateway_url, http, order.patience_s)
        line_url = await stack.enter_async_context(listening(line.server()))
        platform_url = order.platform_url
        if platform_url is None:
            platform_url = await stack.enter_async_context(
                listening(_platform(order).server())
            )
        log, findings = Log(order.write_log), list[Finding]()
        desks = [
            _desk(order, place, (line_url, platform_url), http, log, findings)
            for place in range(len(order.clients))
        ]
        done = _Counter(day, show)
        async with asyncio.TaskGroup() as group:
            for desk, visits in zip(desks, day.visits, strict=True):
                group.create_task(_morning_to_evening(desk, visits, done))
        await line.settle_down()
        _check_late(line, findings)
        evenings = await asyncio.gather(
            *(
                _evening(order, desk, visits)
                for desk, visits in zip(desks, day.visits, strict=True)
            )
        )
        return _result(order, day, desks, evenings, line, log, findings)


def _platform(order: Order) -> NationalPlatform:
    noon = datetime.combine(order.on, datetime.min.time()) + timedelta(hours=12)
    return NationalPlatform(order.people, lambda: noon)


def _desk(
    order: Order,
    place: int,
    urls: tuple[str, str],
    http: aiohttp.ClientSession,
    log: Log,
    findings: list[Finding],
) -> Desk:
    client = order.clients[place]

    def line(url: str, habit: str) -> Line:
        return Line(
            http, url, habit, client, order.clock, order.nonce, order.patience_s,
            dict(order.headers),
        )  # fmt: skip

    to_gateway, to_platform = urls
    return Desk(
        client=client,
        gateway=line(to_gateway, HABITS[place % len(HABITS)]),
        national=line(to_platform, "/"),
        log=log,
        findings=findings,
    )


class _Counter:
    """Counts visits for the bar."""

    def __init__(self, day: Day, show: Callable[[int, str], None]) -> None:
        self.done = 0
        self._show = show
        self._count = day.count

    def __call__(self, visit: Visit) -> None:
        self.done += 1
        self._show(self.done, f"{visit.at:%H:%M}")


async def _morning_to_evening(
    desk: Desk, visits: Sequence[Visit], done: _Counter
) -> None:
    if visits:
        await _sign_in(desk, visits[0].at - timedelta(minutes=1))
    async with asyncio.TaskGroup() as group:
        for number in range(_WINDOWS):
            own = visits[number::_WINDOWS]
            group.create_task(_window(desk, own, f"win-{number + 1:02d}", done))


async def _window(
    desk: Desk, visits: Sequence[Visit], window: str, done: _Counter
) -> None:
    for visit in visits:
        try:
            await serve(desk, visit, window)
        except OutcomeUnknown:
            desk.found("the national platform does not answer", visit.mdtrt_id)
        done(visit)


async def _sign_in(desk: Desk, at: datetime) -> None:
    """9001 at both; the gateway's `sign_no` goes into every header afterwards."""
    given = {"signIn": {"opter_no": "win-01", "mac": "", "ip": _LOOPBACK}}
    try:
        await desk.ask_platform("9001", given, at)
    except OutcomeUnknown:
        desk.found("the national platform does not answer 9001")
    answer = await desk.read("9001", given, at)
    if answer is None or not answer.is_done:
        code = "nothing" if answer is None else answer.code
        desk.found(f"9001 was answered with {code}")
        return
    desk.sign_no = f"{answer.node('signinoutb').get('sign_no') or ''}"


async def _evening(
    order: Order, desk: Desk, visits: Sequence[Visit]
) -> tuple[list[Statement], int]:
    # Who began before midnight may have settled after it.
    last = order.on if order.today is None else max(order.on, order.today())
    at = datetime.combine(order.on, datetime.min.time()) + timedelta(hours=18)
    by_id = {visit.mdtrt_id: visit for visit in visits}
    statements = await Evening(desk, by_id, (order.on, last), at).close()
    return statements, await aid_at_gateway(desk, at)


def _check_late(line: BadLine, findings: list[Finding]) -> None:
    for visit, code in line.late:
        if code != _UNDONE_BEFORE:
            what = f"a 2207 that its 2601 had overtaken was answered {code or '0'}"
            findings.append(Finding("", visit, what))


def _result(
    order: Order,
    day: Day,
    desks: Sequence[Desk],
    evenings: Sequence[tuple[list[Statement], int]],
    line: BadLine,
    log: Log,
    findings: list[Finding],
) -> DayResult:
    by_fault: dict[str, Counter[Outcome]] = {}
    for desk, visits in zip(desks, day.visits, strict=True):
        for visit in visits:
            name = visit.strike.fault.value if visit.strike else FAIR
            outcome = desk.books.outcomes.get(visit.mdtrt_id, Outcome.OPEN)
            by_fault.setdefault(name, Counter())[outcome] += 1
    hospitals = [
        HospitalDay(
            fixmedins_code=desk.client.fixmedins_code,
            name=desk.client.name,
            outcomes=Counter(
                desk.books.outcomes.get(visit.mdtrt_id, Outcome.OPEN)
                for visit in visits
            ),
            statements=statements,
            aid_fen=desk.books.aid_fen,
            gateway_aid_fen=told,
        )
        for desk, visits, (statements, told) in zip(
            desks, day.visits, evenings, strict=True
        )
    ]
    order_of = [FAIR, *(fault.value for fault in Fault)]
    return DayResult(
        on=order.on,
        seed=order.weather.seed,
        faults=order.weather.faults,
        hospitals=hospitals,
        by_fault={name: by_fault[name] for name in order_of if name in by_fault},
        struck=dict(line.struck),
        log=log.counts(),
        late=len(line.late),
        findings=findings,
    )
