"""A worker's edge over real access tables, with use cases that a test controls."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
import orjson
from aiohttp import web

from crypto.http_signature import HttpRequest, sign_request
from crypto.keys import SharedSecret, SigningKey
from gateway.access import Door
from gateway.app import build_server
from gateway.edge import Edge
from gateway.metrics import Metrics
from gateway.wiring import Gateway
from settlement.domain.errors import RequestRefused
from settlement.service.access import Sessions
from settlement.service.findings import Finding
from settlement.service.parties import (
    NewParty,
    register_with_public_key,
    register_with_secret,
)
from settlement.service.ports import Answer, Caller
from settlement.service.signatures import Signatures
from settlement.store.access import AccessStore
from settlement.store.database import Database

SECRET_KEY = bytes(range(32))
START = datetime(2026, 1, 5, 2, 0, 0, tzinfo=UTC)
ANSWER = Answer(200, b'{"made":"by the use case"}')
Key = SharedSecret | SigningKey


@dataclass
class Clock:
    """The wall clock of a test."""

    instant: datetime = START

    def __call__(self) -> datetime:
        """The instant that the test has set."""
        return self.instant

    def forward(self, **by: float) -> None:
        """Let time pass."""
        self.instant += timedelta(**by)


@dataclass
class ControlledUseCases:
    """Notes what the edge passed on; answers what the test says."""

    now: Clock = field(default_factory=Clock)
    sandbox: bool = True
    seen: list[tuple[Any, ...]] = field(default_factory=list)
    act: Callable[[], Awaitable[Answer]] | None = None
    unready: tuple[Finding, ...] = ()
    is_full: bool = False

    async def _answer(self, *call: Any) -> Answer:
        self.seen.append(call)
        return ANSWER if self.act is None else await self.act()

    def require_room(self) -> None:
        """Refuse where the test says that too much waits."""
        if self.is_full:
            raise RequestRefused("MA-5101", retry_after_s=1)

    async def settle(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("settle", *call)

    async def reverse(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("reverse", *call)

    async def quote(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("quote", *call)

    async def eligibility(self, *call: Any, with_quota: bool) -> Answer:
        """Use case."""
        return await self._answer("eligibility", *call, with_quota)

    async def settlement_by_id(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("by_id", *call)

    async def settlement_by_key(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("by_key", *call)

    async def settlements_by_visit(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("by_visit", *call)

    async def search(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("search", *call)

    async def statistics(self, *call: Any) -> Answer:
        """Use case."""
        return await self._answer("statistics", *call)

    async def record(self, *call: Any) -> bytes:
        """Use case."""
        return (await self._answer("record", *call)).body

    async def proof(self, *call: Any) -> str:
        """Use case."""
        return (await self._answer("proof", *call)).body.decode()

    async def checkpoint(self) -> bytes:
        """Use case."""
        return b"a note\n"

    async def tile(self, path: str) -> bytes | None:
        """Use case."""
        return b"tile" if path == "0/000" else None

    async def findings(self) -> tuple[Finding, ...]:
        """Use case."""
        return self.unready

    def keys(self) -> Mapping[str, Any]:
        """Use case."""
        return {"origin": "o", "keys": []}

    @property
    def caller(self) -> Caller:
        """Who made the last call."""
        caller: Caller = self.seen[-1][1]
        return caller


@dataclass
class RunningEdge:
    """One worker's edge, listening."""

    url: str
    edge: Edge
    use_cases: ControlledUseCases
    http: aiohttp.ClientSession

    @property
    def authority(self) -> str:
        """Host and port, as clients send them."""
        return self.url.removeprefix("http://")

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | AsyncIterator[bytes] | None = None,
        **headers: str,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON (or text) and headers; `_` in header names stands for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(
            method, self.url + path, data=body, headers=sent
        ) as answer:
            raw = await answer.read()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return answer.status, orjson.loads(raw) if is_json else raw, answer.headers

    def signed(
        self,
        key: Key,
        path: str,
        body: bytes,
        *,
        created: datetime | None = None,
        nonce: str | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, str]:
        """The headers of a signed request."""
        headers = {"content-type": "application/json"}
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        request = HttpRequest("POST", self.authority, path, headers, body)
        moment = created or self.use_cases.now()
        return headers | sign_request(
            request,
            key,
            created=int(moment.timestamp()),
            nonce=nonce or os.urandom(12).hex(),
        )

    async def sign_in(
        self, key: Key, operator: str = "win-03", **options: Any
    ) -> tuple[int, Any]:
        """Ask for a session."""
        body = orjson.dumps({"operator": operator})
        headers = self.signed(key, "/v1/sessions", body, **options)
        status, document, _ = await self.ask("POST", "/v1/sessions", body, **headers)
        return status, document

    async def bearer(self, key: Key) -> str:
        """The `Authorization` of a new session."""
        status, document = await self.sign_in(key)
        assert status == 201, document
        return f"Bearer {document['token']}"


@asynccontextmanager
async def running_edge(
    database: Database,
    use_cases: ControlledUseCases,
    *,
    follows_parties: bool = True,
    **options: Any,
) -> AsyncIterator[RunningEdge]:
    """Listen on a free port of loopback until the block ends.

    One that does not follow parties forgets no session because one was registered,
    whenever that would be noticed.
    """
    store = AccessStore(database)
    sessions = Sessions(store, random=os.urandom)
    door = Door(sessions, Signatures(store, SECRET_KEY), use_cases.now)
    gateway = cast("Gateway", use_cases)
    edge = Edge(gateway=gateway, door=door, metrics=Metrics())
    beside = sessions.watch(use_cases.now) if follows_parties else asyncio.sleep(0)
    watch = asyncio.create_task(beside)
    runner = web.ServerRunner(build_server(edge, **options), shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as http:
            yield RunningEdge(f"http://{host}:{port}", edge, use_cases, http)
    finally:
        await runner.cleanup()
        await edge.settled()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def register(
    database: Database,
    code: str,
    role: str = "facility",
    *,
    must_sign: bool = False,
    key: SigningKey | None = None,
) -> Key:
    """A party with a key of its own."""
    party = NewParty(
        code=code,
        role=role,
        name=code,
        level=1 if role == "facility" else None,
        subdistrict="110101001",
        must_sign=must_sign,
    )
    if key is not None:
        await register_with_public_key(database, party, key.public, now=START)
        return key
    secret = SharedSecret.generate(os.urandom)
    await register_with_secret(
        database,
        party,
        secret,
        sealing_key=SECRET_KEY,
        random=os.urandom,
        now=START,
    )
    return secret
