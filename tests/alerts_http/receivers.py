"""A bureau's system that takes webhooks, and everything that it may do instead."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
from aiohttp import web

Behave = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Taken:
    """One message as it came."""

    id: str
    timestamp: int
    signature: str
    body: bytes

    @property
    def document(self) -> Any:
        """The body, parsed."""
        return orjson.loads(self.body)

    def is_signed_with(self, secret: bytes) -> bool:
        """As Standard Webhooks says, worked out here by itself."""
        signed = f"{self.id}.{self.timestamp}.".encode() + self.body
        mac = hmac.new(secret, signed, sha256).digest()
        return self.signature == "v1," + base64.b64encode(mac).decode()


@dataclass
class Receiver:
    """Listens on loopback; answers 204 unless it is told to behave otherwise."""

    url: str = ""
    got: list[Taken] = field(default_factory=list)
    behave: Behave | None = None
    at_once: int = 0
    most_at_once: int = 0

    @property
    def ids(self) -> list[str]:
        """Ids in the order in which messages came."""
        return [taken.id for taken in self.got]

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Note the message and answer."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.got.append(
                Taken(
                    request.headers["webhook-id"],
                    int(request.headers["webhook-timestamp"]),
                    request.headers["webhook-signature"],
                    await request.read(),
                )
            )
            assert request.headers["Content-Type"] == "application/json"
            if self.behave is not None:
                return await self.behave(request)
            return web.Response(status=204)
        finally:
            self.at_once -= 1

    async def until(self, count: int, within_s: float = 60.0) -> None:
        """Wait until so many messages have come."""
        async with asyncio.timeout(within_s):
            while len(self.got) < count:  # noqa: ASYNC110  # another process may send
                await asyncio.sleep(0.01)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver as long as the block."""
    receiver = Receiver()
    runner = web.ServerRunner(web.Server(receiver.serve), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    receiver.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}/alerts"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def answers(status: int, **headers: str) -> Behave:
    """Answer this, always."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def behave(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers=named)

    return behave
