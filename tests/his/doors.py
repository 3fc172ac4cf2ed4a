"""A house whose envelope has its real door, and a hospital's ways of showing itself."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
from aiohttp import web

from crypto.http_signature import HttpRequest, sign_request
from crypto.keys import SharedSecret
from crypto.tif import tif_signature
from gateway.access import Door
from gateway.app import build_server
from gateway.attempts import Attempts, any_number
from gateway.background import running_beside
from gateway.edge import Edge
from gateway.his.access import EnvelopeAccess
from gateway.his.desk import HisDesk
from gateway.metrics import Metrics
from settlement.domain.calendar import SHANGHAI
from settlement.service.access import Sessions
from settlement.service.his_clients import NewHisClient, allow
from settlement.service.parties import NewParty, register_with_secret
from settlement.service.signatures import Signatures
from settlement.store.access import AccessStore
from settlement.store.his_clients import HisClientStore
from tests.his.desk import Told, dumped
from tests.settlement.house import House

SEALING_KEY = bytes(range(32))
INSTITUTION = "H99010000001"
PARTY = "HIS-H01"
SANDBOX_TIME = "2026-01-05T02:14:09Z"
TIF_SECRET = "not-a-secret-of-anybody"


@dataclass
class GuardedRoom:
    """The house behind its real door, and a connection to it."""

    house: House
    edge: Edge
    access: EnvelopeAccess
    url: str
    http: aiohttp.ClientSession
    key: SharedSecret
    metrics: Metrics
    nonces: int = 0
    paasids: dict[str, str] = field(default_factory=dict)

    async def allowed(
        self, profile: str = "x-tif", *, tells: bool = True, **changes: Any
    ) -> str:
        """Let the hospital in by a profile; the account that it shows.

        `tells`: the worker hears of it at once.
        """
        values: dict[str, Any] = {
            "code": PARTY,
            "fixmedins_code": INSTITUTION,
            "profile": profile,
            "key_id": f"acc-{profile}-{len(self.paasids)}",
            "secrets": {"secret": TIF_SECRET} if profile == "x-tif" else {},
            "accepts_weak": True,
        }
        new = NewHisClient(**(values | changes))
        await allow(
            self.house.database,
            new,
            sealing_key=SEALING_KEY,
            random=os.urandom,
            now=self.house.gateway.now(),
        )
        self.paasids[new.key_id] = profile
        if tells:
            self.access.clients.forget()
        return new.key_id

    async def revoked(self, key_id: str) -> None:
        """End a client, and let the worker hear of it."""
        store = HisClientStore(self.house.database)
        assert await store.revoke(key_id, self.house.gateway.now())
        self.access.clients.forget()

    def tif(self, account: str, **changes: str) -> dict[str, str]:
        """Headers of a request of now; `changes` are by their last word."""
        self.nonces += 1
        parts = {
            "paasid": account,
            "timestamp": f"{int(self.house.gateway.now().timestamp())}",
            "nonce": f"{self.nonces:012d}",
        } | changes
        parts.setdefault(
            "signature",
            tif_signature(
                TIF_SECRET, timestamp=parts["timestamp"], nonce=parts["nonce"]
            ),
        )
        return {f"x-tif-{name}": value for name, value in parts.items()}

    async def send(
        self, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None
    ) -> Told:
        """Send a body; the answer as a HIS reads it."""
        raw = body if isinstance(body, bytes) else dumped(body).encode()
        sent = {
            "Content-Type": "application/json",
            "Medaid-Sandbox-Time": SANDBOX_TIME,
        } | (headers or {})
        async with self.http.post(f"{self.url}/his", data=raw, headers=sent) as answer:
            return Told(answer.status, json.loads(await answer.read()))

    async def ask_until(
        self, code: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Told:
        """Send it until the answer has the code: another process' news take a while."""
        async with asyncio.timeout(30):
            while (told := await self.send(body, headers)).code != code:
                pass
        return told

    def signed(self, raw: bytes, key: SharedSecret | None = None) -> dict[str, str]:
        """Headers of a signature over a body sent to `/his`: the hospital's own."""
        self.nonces += 1
        request = HttpRequest(
            method="POST",
            authority=self.url.removeprefix("http://"),
            path="/his",
            headers={"content-type": "application/json"},
            body=raw,
        )
        return sign_request(
            request,
            key or self.key,
            created=int(self.house.gateway.now().timestamp()),
            nonce=f"nonce-of-the-test-{self.nonces:06d}",
        )

    def later(self, seconds: int) -> str:
        """A timestamp so many seconds from now."""
        at = self.house.gateway.now() + timedelta(seconds=seconds)
        return f"{int(at.astimezone(SHANGHAI).timestamp())}"


@asynccontextmanager
async def open_guarded_room(
    house: House,
    attempts: Attempts | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[GuardedRoom]:
    """Serve the house with one registered hospital; nobody is allowed yet."""
    store, metrics = AccessStore(house.database), Metrics()
    sessions = Sessions(store, random=os.urandom)
    signatures = Signatures(store, SEALING_KEY)
    key = SharedSecret.generate(os.urandom)
    await register_with_secret(
        house.database,
        NewParty(code=PARTY, role="facility", name=PARTY, level=1),
        key,
        sealing_key=SEALING_KEY,
        random=os.urandom,
        now=house.gateway.now() - timedelta(minutes=1),
    )
    limit = attempts or any_number()
    access = EnvelopeAccess.of(
        house.gateway,
        SEALING_KEY,
        sessions=sessions,
        signatures=signatures,
        attempts=limit,
    )
    edge = Edge(
        gateway=house.gateway,
        door=Door(sessions, signatures, house.gateway.now, limit),
        metrics=metrics,
        his=HisDesk(access.door, access.files),
    )
    runner = web.ServerRunner(build_server(edge))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        async with (
            aiohttp.ClientSession() as http,
            running_beside(access.nonces.run(), name="nonces"),
            running_beside(
                sessions.watch(house.gateway.now, on_change=access.clients.forget),
                name="access",
            ),
        ):
            yield GuardedRoom(
                house,
                edge,
                access,
                f"{'https' if tls else 'http'}://127.0.0.1:{port}",
                http,
                key,
                metrics,
            )
    finally:
        await runner.cleanup()


def base64_of(octets: bytes) -> str:
    """In the plain alphabet."""
    return base64.b64encode(octets).decode()
