"""A hospital's client against a server that drops, delays and refuses."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from crypto.http_signature import (
    HttpRequest,
    parse_request_signature,
    verify_request_signature,
)
from crypto.keys import SharedSecret
from gateway.client import (
    GatewayClient,
    Line,
    OutcomeUnknownError,
    Patience,
    SignInRefusedError,
)

KEY = SharedSecret("pt-0123456789abcdef", bytes(range(32)))
NOW = 1_767_578_400
BILL = {"visit_no": "MZ-1", "total_fen": 25_000}

Misbehave = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class LossyGateway:
    """Settles each key once; `faults` act after settling, as a lost answer does."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.settled: Counter[str] = Counter()
        self.tokens = 0
        self.refuse_sign_in = False
        self.revoked: set[str] = set()
        self.before: list[Misbehave] = []
        self.after: list[Misbehave] = []

    async def sign_in(self, request: web.Request) -> web.Response:
        """Open a session for a good signature."""
        body = await request.read()
        signed = HttpRequest(
            method=request.method,
            authority=request.headers["Host"],
            path=request.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        verify_request_signature(parse_request_signature(signed), KEY, now=NOW)
        if self.refuse_sign_in:
            return web.json_response({"code": "MA-3102"}, status=401)
        self.tokens += 1
        return web.json_response({"token": f"token-{self.tokens}"}, status=201)

    async def settle(self, request: web.Request) -> web.StreamResponse:
        """Settle once, with the next faults before and after."""
        body = await request.read()
        key = request.headers["Idempotency-Key"]
        self.seen.append((key, body))
        if request.headers["Authorization"].removeprefix("Bearer ") in self.revoked:
            return web.json_response({"code": "MA-3101"}, status=401)
        if self.before:
            early = await self.before.pop(0)(request)
            if early is not None:
                return early
        replayed = self.settled[key] > 0
        self.settled[key] = 1
        if self.after:
            early = await self.after.pop(0)(request)
            if early is not None:
                return early
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        answer = {"decision": "approved", "aid_fen": 5760}
        return web.json_response(answer, status=201, headers=headers)


async def cut(request: web.Request) -> None:
    """Cut the connection without a byte of an answer."""
    assert request.transport is not None
    request.transport.abort()


def answer_with(status: int, code: str, **headers: str) -> Misbehave:
    """Refuse with the status and code."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"code": code}, status=status, headers=headers)

    return refuse


@asynccontextmanager
async def client_of(
    gateway: LossyGateway, **patience: Any
) -> AsyncIterator[GatewayClient]:
    """Serve the gateway on a port of its own, and give a client of it."""
    app = web.Application()
    app.router.add_post("/v1/sessions", gateway.sign_in)
    app.router.add_post("/v1/settlements", gateway.settle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    nonces = itertools.count(10_000_000)
    async with aiohttp.ClientSession() as http:
        line = Line(
            http=http,
            base_url=f"http://127.0.0.1:{port}",
            clock=lambda: NOW,
            nonce=lambda: f"nonce-{next(nonces)}",
            patience=Patience(first_pause_s=0.001, **patience),
        )
        yield GatewayClient(line, KEY, "cashier-1")
    await runner.cleanup()


async def test_lost_answer_same_key_and_bytes_are_sent_again() -> None:
    """A lost answer is asked for again under the same key with the same content."""
    gateway = LossyGateway()
    gateway.after = [cut, cut]

    async with client_of(gateway) as client:
        reply = await client.settle("K-1", BILL)

    assert reply.status == 201
    assert reply.replayed
    assert reply.attempts == 3
    assert len(set(gateway.seen)) == 1
    assert gateway.settled == {"K-1": 1}


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "MA-4102"), (503, "MA-5101"), (429, "MA-3105"), (502, "")],
)
async def test_not_now_is_asked_again_under_the_same_key(
    status: int, code: str
) -> None:
    """Busy, under way and too many: wait, then the same key."""
    gateway = LossyGateway()
    gateway.before = [answer_with(status, code, **{"Retry-After": "0"})]

    async with client_of(gateway) as client:
        reply = await client.settle("K-1", BILL)

    assert (reply.status, reply.attempts) == (201, 2)
    assert [key for key, _ in gateway.seen] == ["K-1", "K-1"]


async def test_retry_after_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway says how long it needs; asking earlier only adds to its load."""
    waited: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waited.append(seconds)
        await sleep(0)

    gateway = LossyGateway()
    gateway.before = [answer_with(503, "MA-5101", **{"Retry-After": "7"})]

    async with client_of(gateway) as client:
        monkeypatch.setattr("gateway.client.asyncio.sleep", note)
        await client.settle("K-1", BILL)

    assert waited[0] == 7.0


async def test_refusal_is_final() -> None:
    """What is malformed stays malformed: no second attempt."""
    gateway = LossyGateway()
    gateway.before = [answer_with(422, "MA-1113")]

    async with client_of(gateway) as client:
        reply = await client.settle("K-1", BILL)

    assert (reply.status, reply.code, reply.attempts) == (422, "MA-1113", 1)


async def test_refusal_that_waiting_does_not_cure_is_final() -> None:
    """No policy for a date is 503, but no desk can wait for one."""
    gateway = LossyGateway()
    gateway.before = [answer_with(503, "MA-5106")]

    async with client_of(gateway) as client:
        reply = await client.settle("K-1", BILL)

    assert (reply.status, reply.attempts) == (503, 1)


async def test_answers_lost_to_the_end_is_outcome_unknown() -> None:
    """Without an answer the outcome is unknown, never failed."""
    gateway = LossyGateway()
    gateway.after = [cut] * 4

    async with client_of(gateway, attempts=4) as client:
        with pytest.raises(OutcomeUnknownError, match="same key"):
            await client.settle("K-1", BILL)

    assert gateway.settled == {"K-1": 1}


async def test_busy_after_a_lost_answer_is_outcome_unknown() -> None:
    """A later 503 tells nothing about the attempt whose answer was lost."""
    gateway = LossyGateway()
    gateway.after = [cut]
    gateway.before = [
        lambda _: _nothing(),
        answer_with(503, "MA-5101"),
        answer_with(503, "MA-5101"),
    ]

    async with client_of(gateway, attempts=3) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.settle("K-1", BILL)


async def test_busy_to_the_end_without_a_lost_answer_is_a_known_refusal() -> None:
    """Refused before it began, every time: known not to be settled."""
    gateway = LossyGateway()
    gateway.before = [answer_with(503, "MA-5101")] * 3

    async with client_of(gateway, attempts=3) as client:
        reply = await client.settle("K-1", BILL)

    assert (reply.status, reply.code) == (503, "MA-5101")
    assert gateway.settled == {}


async def test_ended_session_is_renewed_and_the_key_kept() -> None:
    """A token that ended is no reason to lose a settlement."""
    gateway = LossyGateway()
    gateway.revoked = {"token-1"}

    async with client_of(gateway) as client:
        reply = await client.settle("K-1", BILL)

    assert reply.status == 201
    assert gateway.tokens == 2


async def test_many_at_once_sign_in_once() -> None:
    """One session serves all of a desk's calls."""
    gateway = LossyGateway()

    async with client_of(gateway) as client:
        await asyncio.gather(*(client.settle(f"K-{n}", BILL) for n in range(8)))

    assert gateway.tokens == 1
    assert gateway.settled == {f"K-{n}": 1 for n in range(8)}


async def test_refused_sign_in_names_the_key_and_the_code() -> None:
    """A wrong key is said at once, and not tried for ever."""
    gateway = LossyGateway()
    gateway.refuse_sign_in = True

    async with client_of(gateway) as client:
        with pytest.raises(SignInRefusedError, match=r"pt-0123456789abcdef.*MA-3102"):
            await client.settle("K-1", BILL)


async def test_hanging_up_delivers_the_whole_request() -> None:
    """A cut line loses the answer, not the request."""
    gateway = LossyGateway()

    async with client_of(gateway) as client:
        await client.settle_and_hang_up("K-1", BILL, None, 0.2)
        reply = await client.settle("K-1", BILL)

    assert reply.replayed
    assert len(set(gateway.seen)) == 1


async def _nothing() -> None:
    return None
