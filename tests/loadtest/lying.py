"""A gateway made wrong on purpose: a proxy that loses, doubles, alters and delays.

Everything behind it is the real gateway, so whatever the kit finds it finds in what
a real client would be told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

_HOP = {"content-length", "transfer-encoding", "connection", "date", "server"}
_SETTLE = "/v1/settlements"
_DELAYED = {"/v1/eligibility", "/v1/quotes", _SETTLE, "/v1/reversals"}


class LyingProxy:
    """Forwards to a gateway; lies as it is told, once each, and notes about whom."""

    def __init__(self, gateway: str, *, lies: set[str], delay_s: float = 0) -> None:
        """`lies`: of `lost`, `doubled`, `fen`, `forged`."""
        self._gateway = gateway
        self._lies = set(lies)
        self._delay_s = delay_s
        self.victims: dict[str, str] = {}
        """By lie: the idempotency key."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Give the proxy's address."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        # As many connections as the callers have: nobody waits for one here.
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as self._http:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            _, port = runner.addresses[0][:2]
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method == "POST" and request.path in _DELAYED:
            await asyncio.sleep(self._delay_s)
        body = await request.read()
        answer = await self._forward(request, body)
        key = request.headers.get("Idempotency-Key", "")
        is_new = "Idempotent-Replayed" not in answer.headers
        if request.path == _SETTLE and answer.status == 201 and is_new and self._lies:
            return await self._lie(request, body, answer, key)
        return answer

    async def _forward(
        self,
        request: web.Request,
        body: bytes,
        *,
        path: str = "",
        key: str = "",
    ) -> web.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _HOP
        }
        if key:
            headers["Idempotency-Key"] = key
        async with self._http.request(
            request.method,
            self._gateway + (path or request.path_qs),
            data=body or None,
            headers=headers,
        ) as got:
            kept = {k: v for k, v in got.headers.items() if k.lower() not in _HOP}
            return web.Response(status=got.status, body=await got.read(), headers=kept)

    async def _lie(
        self, request: web.Request, body: bytes, answer: web.Response, key: str
    ) -> web.Response:
        assert isinstance(answer.body, bytes)
        decision = json.loads(answer.body)
        if decision["decision"] != "approved" or decision["aid_fen"] == 0:
            return answer
        lie = min(self._lies)
        self._lies.discard(lie)
        self.victims[lie] = key
        match lie:
            case "lost":
                undo = {"settlement_id": decision["settlement_id"], "reason": "mistake"}
                await self._forward(
                    request, json.dumps(undo).encode(), path="/v1/reversals", key=key
                )
            case "doubled":
                bill = json.loads(body) | {"repeat_reason": "second_bill"}
                bill.pop("expected_aid_fen", None)
                twin = json.dumps(bill).encode()
                await self._forward(request, twin, key=f"{key}-twin")
            case "fen":
                decision["aid_fen"] += 1
                decision["patient_pays_fen"] -= 1
            case _:
                decision["settlement_id"] = "0" * 32
        altered = json.dumps(decision).encode()
        return web.Response(
            status=201, body=altered, headers={"Content-Type": "application/json"}
        )
