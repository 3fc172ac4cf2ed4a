"""A proxy between HIS and gateway that loses, delays, doubles and damages messages.

It changes nothing of what is said: a message that comes through is the HIS's own, and
an answer the gateway's own, in another encoding or habit at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from gateway.his_simulator.faults import OF_THE_LINE, Fault, Strike, Weather
from gateway.his_simulator.messages import (
    NoEnvelope,
    dumped,
    read_answer,
    read_object,
)

_JSON, _GBK = "application/json", "gb18030"
_SETTLES, _REVERSES = "2207", "2601"
#: Longer than anybody waits, in parts of ten of their patience.
_TOO_LATE_OF_10 = 13
_A_LITTLE_S = 0.1
_KEPT = frozenset({"content-type", "authorization", "user-agent"})


class _Lost(Exception):
    """The connection ends without an answer."""


@dataclass(frozen=True, slots=True)
class _Message:
    """What the line reads of a message to know whose it is."""

    infno: str
    fixmedins_code: str
    mdtrt_id: str
    msgid: str
    omsgid: str


@dataclass(frozen=True, slots=True)
class _Sent:
    """Bytes on their way to the gateway."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Came:
    """Bytes on their way back."""

    status: int
    content_type: str
    body: bytes

    @property
    def charset(self) -> str:
        """As the answer declares it."""
        _, _, charset = self.content_type.partition("charset=")
        return charset.strip() or "utf-8"


@dataclass
class BadLine:
    """One line for all hospitals; what has struck whom stands in `struck`."""

    weather: Weather
    target: str
    http: aiohttp.ClientSession
    patience_s: float
    struck: Counter[Fault] = field(default_factory=Counter)
    late: list[tuple[str, str]] = field(default_factory=list)
    """Visits whose 2207 came after its 2601, and the code it was answered with."""
    _visit_of: dict[str, str] = field(default_factory=dict)
    _times: Counter[str] = field(default_factory=Counter)
    _held: dict[str, _Sent] = field(default_factory=dict)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    def server(self) -> web.Server:
        """Serves every address, and passes it on."""
        return web.Server(self._handle, access_log=None)

    async def settle_down(self) -> None:
        """Wait for what is still on its way to the gateway."""
        await asyncio.gather(*self._under_way)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        sent = _Sent(
            request.path_qs,
            {
                name: value
                for name, value in request.headers.items()
                if name.lower() in _KEPT or name.lower().startswith(("x-", "medaid-"))
            },
            await request.read(),
        )
        try:
            came = await self._carry(sent)
        except (_Lost, aiohttp.ClientError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return web.Response(
            status=came.status,
            body=came.body,
            headers={"Content-Type": came.content_type},
        )

    async def _carry(self, sent: _Sent) -> _Came:
        message = _read(sent.body)
        if message is None:
            return await self._forward(sent)
        visit = message.mdtrt_id or self._visit_of.get(message.omsgid, "")
        if message.infno == _SETTLES:
            self._visit_of[message.msgid] = visit
        strike = self.weather.strike(message.fixmedins_code, visit) if visit else None
        if strike is None or strike.fault not in OF_THE_LINE:
            return await self._forward(sent)
        return await self._strike(sent, message, visit, strike)

    async def _strike(
        self, sent: _Sent, message: _Message, visit: str, strike: Strike
    ) -> _Came:
        fault = strike.fault
        if fault is Fault.INFCODE_TYPE or fault is Fault.OUTPUT_TEXT:
            self.struck[fault] += 1
            return _rewritten(await self._forward(sent), strike)
        if fault is Fault.OUT_OF_ORDER:
            return await self._overtaken(sent, message, visit, strike)
        # Losses go on with whatever the HIS sends next about the visit.
        key = f"{message.fixmedins_code} {visit}"
        is_loss = fault in (Fault.ANSWER_LOST, Fault.REQUEST_LOST)
        has_begun = self._times[key] > 0 and strike.infno == _SETTLES and is_loss
        if message.infno != strike.infno and not has_begun:
            return await self._forward(sent)
        if self._times[key] >= (strike.times if is_loss else 1):
            return await self._forward(sent)
        self._times[key] += 1
        self.struck[fault] += 1
        return await self._once(sent, strike)

    async def _once(self, sent: _Sent, strike: Strike) -> _Came:
        match strike.fault:
            case Fault.REQUEST_LOST:
                raise _Lost
            case Fault.ANSWER_LOST | Fault.MSGID_CHANGED:
                await self._forward(sent)
                raise _Lost
            case Fault.SLOW:
                return await self._slowly(sent, strike)
            case Fault.DOUBLED:
                return await self._doubled(sent, strike)
            case Fault.WRONG_ENCODING:
                return await self._forward(_in_gbk(sent, strike))
            case _:
                return await self._forward(sent)

    async def _slowly(self, sent: _Sent, strike: Strike) -> _Came:
        if strike.variant == 0:
            await asyncio.sleep(_A_LITTLE_S)
            return await self._forward(sent)
        came = await self._forward(sent)
        await asyncio.sleep(self.patience_s * _TOO_LATE_OF_10 / 10)
        return came

    async def _doubled(self, sent: _Sent, strike: Strike) -> _Came:
        """Twice at once; the HIS gets the first answer, or the last."""
        both = [asyncio.create_task(self._forward(sent)) for _ in range(2)]
        came = [await each for each in asyncio.as_completed(both)]
        return came[-strike.variant]

    async def _overtaken(
        self, sent: _Sent, message: _Message, visit: str, strike: Strike
    ) -> _Came:
        """The first 2207 waits until its 2601 is through; what repeats it is lost."""
        key = f"{message.fixmedins_code} {visit}"
        if message.infno == _SETTLES and not self._times[key]:
            if key not in self._held:
                self._held[key] = sent
                self.struck[strike.fault] += 1
            raise _Lost
        if message.infno != _REVERSES or key not in self._held:
            return await self._forward(sent)
        came = await self._forward(sent)
        self._times[key] += 1
        late = self._late(self._held.pop(key), visit)
        if strike.variant:
            task = asyncio.create_task(late)
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        else:
            await late
        return came

    async def _late(self, sent: _Sent, visit: str) -> None:
        came = await self._forward(sent)
        try:
            answer = read_answer(came.body, came.charset)
        except NoEnvelope:
            self.late.append((visit, "?"))
            return
        self.late.append((visit, "" if answer.is_done else answer.code))

    async def _forward(self, sent: _Sent) -> _Came:
        url = self.target + sent.path
        async with self.http.post(url, data=sent.body, headers=sent.headers) as answer:
            kind = answer.headers.get("Content-Type", _JSON)
            return _Came(answer.status, kind, await answer.read())


def _read(body: bytes) -> _Message | None:
    try:
        found = read_object(body, "utf-8")
    except NoEnvelope:
        return None
    given = found.get("input")
    data = given.get("data") if isinstance(given, Mapping) else None
    fields = data if isinstance(data, Mapping) else {}
    return _Message(
        f"{found.get('infno') or ''}"[:4],
        f"{found.get('fixmedins_code') or ''}",
        f"{fields.get('mdtrt_id') or ''}",
        f"{found.get('msgid') or ''}",
        f"{fields.get('omsgid') or ''}",
    )


def _in_gbk(sent: _Sent, strike: Strike) -> _Sent:
    """Declared as what it is, or not."""
    is_declared = strike.variant == 0
    kind = f"{_JSON}; charset=gbk" if is_declared else _JSON
    headers = {
        name: value
        for name, value in sent.headers.items()
        if name.lower() != "content-type"
    }
    body = sent.body.decode().encode(_GBK)
    return _Sent(sent.path, headers | {"Content-Type": kind}, body)


def _rewritten(came: _Came, strike: Strike) -> _Came:
    """The same answer in another platform's habit."""
    try:
        body: dict[str, Any] = read_object(came.body, came.charset)
    except NoEnvelope:
        return came
    if strike.fault is Fault.OUTPUT_TEXT and not isinstance(body.get("output"), str):
        body["output"] = dumped(body.get("output")).decode()
    infcode = body.get("infcode")
    if strike.fault is Fault.INFCODE_TYPE:
        is_text = isinstance(infcode, str)
        body["infcode"] = orjson.Fragment(f"{infcode}") if is_text else f"{infcode}"
    raw = dumped(body).decode().encode(came.charset)
    return _Came(came.status, came.content_type, raw)
