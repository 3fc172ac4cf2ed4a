"""A middleware on loopback that passes everything on, and breaks one promise."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
from aiohttp import web

from gateway.his_simulator.run import listening

Document = dict[str, Any]
_KEPT = ("Medaid-Sandbox-Time", "Content-Type")


@dataclass
class Passing:
    """One message on its way, and what was seen before it."""

    body: Document
    path: str
    seen: Memory
    answer: Document = field(default_factory=dict)
    canned: Document | None = None
    """Answered without asking the gateway."""
    declared: str | None = None
    """charset of the answer; `None` for the real one."""
    encoding: str | None = None
    status: int = 200

    @property
    def infno(self) -> str:
        return str(self.body.get("infno", ""))

    @property
    def data(self) -> Document:
        given = self.body.get("input")
        found = given.get("data") if isinstance(given, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def info(self) -> Document:
        output = self.answer.get("output")
        found = output.get("setlinfo") if isinstance(output, dict) else None
        return found if isinstance(found, dict) else {}

    def refuse(self, code: str = "MA-4101") -> None:
        """-2 instead of what it was."""
        self.answer |= {"infcode": -2, "err_msg": f"[{code}] 拒绝。", "output": {}}


@dataclass
class Memory:
    """Of a middleware's whole life."""

    settled: dict[str, Document] = field(default_factory=dict)
    """By msgid: the answer to a 2207 that was done."""
    visits: dict[str, str] = field(default_factory=dict)
    """By mdtrt_id: the first msgid."""
    contents: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    def count(self, name: str) -> int:
        """How often it was counted, with this time."""
        self.counts[name] = self.counts.get(name, 0) + 1
        return self.counts[name]


def nothing(_passing: Passing) -> None:
    """Leave it as it is."""


@dataclass
class Spoiler:
    """In front of a gateway."""

    target: str
    http: aiohttp.ClientSession
    before: Callable[[Passing], None] = nothing
    after: Callable[[Passing], None] = nothing
    resign: Callable[[Mapping[str, str]], dict[str, str] | None] | None = None
    """Proofs of its own instead of what came; `None` leaves them."""
    drops_time: bool = False
    breaks_on_no_json: bool = False
    infnos: list[str] = field(default_factory=list)
    _seen: Memory = field(default_factory=Memory)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One message."""
        raw = await request.content.read()
        charset = request.charset or "utf-8"
        try:
            body = json.loads(raw.decode(charset), parse_float=Decimal)
        except ValueError:
            if self.breaks_on_no_json:
                return web.Response(status=500, text="oops")
            return await self._pass_on(request, raw, request.path, None)
        passing = Passing(body, request.path, self._seen)
        self.infnos.append(passing.infno)
        self.before(passing)
        changed = json.dumps(passing.body, ensure_ascii=False, default=str)
        return await self._pass_on(
            request, changed.encode(charset), passing.path, passing
        )

    async def _pass_on(
        self, request: web.BaseRequest, raw: bytes, path: str, passing: Passing | None
    ) -> web.StreamResponse:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower().startswith("x-tif") or name in _KEPT
        }
        if self.drops_time:
            headers.pop("Medaid-Sandbox-Time", None)
        if self.resign is not None and (own := self.resign(headers)) is not None:
            headers = {k: v for k, v in headers.items() if not k.startswith("x-tif")}
            headers |= own
        if passing is not None and passing.canned is not None:
            passing.answer, charset = passing.canned, "utf-8"
        else:
            async with self.http.post(
                self.target + path, data=io.BytesIO(raw), headers=headers
            ) as came:
                told, charset = await came.read(), came.charset or "utf-8"
            if passing is None:
                content_type = f"application/json; charset={charset}"
                return web.Response(body=told, headers={"Content-Type": content_type})
            passing.answer = json.loads(told.decode(charset), parse_float=Decimal)
        self._remember(passing)
        self.after(passing)
        text = json.dumps(passing.answer, ensure_ascii=False, default=_number)
        content_type = f"application/json; charset={passing.declared or charset}"
        return web.Response(
            body=text.encode(passing.encoding or charset),
            status=passing.status,
            headers={"Content-Type": content_type},
        )

    def _remember(self, passing: Passing) -> None:
        if passing.infno == "2207" and int(passing.answer["infcode"]) == 0:
            copy = json.loads(json.dumps(passing.answer, default=_number))
            self._seen.settled.setdefault(str(passing.body["msgid"]), copy)
        if passing.infno == "2208":
            self._seen.cancelled.add(str(passing.data.get("setl_id")))


def _number(value: object) -> float:
    # Two places survive a float and back; only tests would do so.
    return float(str(value))


@asynccontextmanager
async def spoiling(
    target: str, http: aiohttp.ClientSession, **how: Any
) -> AsyncIterator[tuple[str, Spoiler]]:
    """Serve a middleware; its address, and the middleware."""
    spoiler = Spoiler(target, http, **how)
    async with listening(web.Server(spoiler.handle, access_log=None)) as url:
        yield url, spoiler
