"""Faults between clients, gateway and PostgreSQL, made by our own proxies."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import aiohttp
import orjson

from tests.acceptance.desk import AT, Answer, Desk, bill, new_name
from tests.torture.proxy import Proxy, to_port
from tests.torture.stage import HarnessError, Stage
from tests.torture.terminals import Intent, Journal

_NO_ANSWER = (aiohttp.ClientError, TimeoutError, OSError)
_PERSONS = range(411, 451)
#: All offsets are cut at in so many parts.
_PARTS = 18
_CUTS_AT_ONCE = 6


async def delay_clients(stage: Stage, rng: random.Random) -> None:
    """Latency and jitter between clients and gateway."""
    await _some_time(stage.front, rng, latency_s=rng.choice((0.02, 0.1, 0.5)))


async def delay_server(stage: Stage, rng: random.Random) -> None:
    """Latency and jitter between gateway and PostgreSQL."""
    await _some_time(stage.back, rng, latency_s=rng.choice((0.005, 0.02, 0.1)))


async def slice_everything(stage: Stage, rng: random.Random) -> None:
    """Bytes arrive in small pieces on both sides."""
    stage.back.toxics.slice_bytes = rng.choice((7, 64, 300))
    await _some_time(stage.front, rng, slice_bytes=rng.choice((1, 13, 200)))
    stage.back.heal()


async def black_hole_clients(stage: Stage, rng: random.Random) -> None:
    """What clients send and what they would get vanishes."""
    await _some_time(stage.front, rng, black_hole=True)


async def black_hole_server(stage: Stage, rng: random.Random) -> None:
    """PostgreSQL says nothing any more; then every connection is reset."""
    await _some_time(stage.back, rng, black_hole=True)


async def reset_clients(stage: Stage, rng: random.Random) -> None:
    """All connections of clients are reset, again and again."""
    for _ in range(rng.randint(2, 6)):
        stage.front.reset_all()
        await asyncio.sleep(rng.random() * 0.1)


async def reset_server(stage: Stage, rng: random.Random) -> None:
    """All connections to PostgreSQL are reset, again and again."""
    for _ in range(rng.randint(1, 4)):
        stage.back.reset_all()
        await asyncio.sleep(rng.random() * 0.15)


async def close_slowly(stage: Stage, rng: random.Random) -> None:
    """Ends of connections are told late, while they are reset upstream."""
    stage.front.toxics.slow_close_s = 0.5
    stage.back.reset_all()
    await asyncio.sleep(rng.uniform(0.2, 0.8))
    stage.front.heal()


async def refuse_server(stage: Stage, rng: random.Random) -> None:
    """PostgreSQL cannot be reached by anybody new, and the old are reset."""
    stage.back.toxics.refuse = True
    stage.back.reset_all()
    await asyncio.sleep(rng.uniform(0.3, 1.5))
    stage.back.heal()


async def garbage_server(stage: Stage, rng: random.Random) -> None:
    """PostgreSQL's answers are noise for a moment."""
    stage.back.toxics.garbage = True
    await asyncio.sleep(rng.uniform(0.05, 0.3))
    stage.back.heal()
    stage.back.reset_all()


async def cut_server(stage: Stage, rng: random.Random) -> None:
    """Connections to PostgreSQL are reset after some bytes of an answer."""
    stage.back.toxics.cut_answer_after = rng.randint(1, 40_000)
    await asyncio.sleep(rng.uniform(0.2, 0.6))
    stage.back.heal()
    stage.back.reset_all()


async def _some_time(proxy: Proxy, rng: random.Random, **toxics: float) -> None:
    for name, value in toxics.items():
        setattr(proxy.toxics, name, value)
    if "latency_s" in toxics:
        proxy.toxics.jitter_s = toxics["latency_s"]
    await asyncio.sleep(rng.uniform(0.3, 1.5))
    proxy.heal()


class Cutter:
    """Cuts settle requests and their answers at one offset after another."""

    def __init__(self, stage: Stage, code: str, journal: Journal, step: int) -> None:
        """A hospital of its own, and a proxy of its own for each cut."""
        self._stage = stage
        self._code = code
        self._journal = journal
        self._step = step
        self._tokens: dict[str, str] = {}
        self.intents: list[Intent] = []
        #: Offsets that were cut at, and the longest that was seen, by kind.
        self.offsets: dict[str, set[int]] = {"answer": set(), "request": set()}
        self.length = {"answer": 3_000, "request": 1_500}
        self._next = {"answer": 0, "request": 0}

    async def cut_answers(self, _stage: Stage, _rng: random.Random) -> None:
        """Answers end after N bytes: the retry has the same bytes."""
        await self._sweep("answer")

    async def cut_requests(self, _stage: Stage, _rng: random.Random) -> None:
        """Requests end after N bytes: nothing is settled."""
        await self._sweep("request")

    def kind_of(self, inject: object) -> str | None:
        """What is cut by this fault, if it is one of the two."""
        kinds = {self.cut_answers: "answer", self.cut_requests: "request"}
        return next((kind for cut, kind in kinds.items() if cut == inject), None)

    def left(self, kind: str) -> int:
        """Offsets of this kind that nothing was cut at yet."""
        wanted = set(range(0, self.length[kind], self._step))
        return len(wanted - self.offsets[kind])

    async def _sweep(self, kind: str) -> None:
        """The next part of all offsets."""
        count = self.length[kind] // self._step // _PARTS + 1
        offsets = [self._take(kind) for _ in range(count)]
        for start in range(0, count, _CUTS_AT_ONCE):
            some = offsets[start : start + _CUTS_AT_ONCE]
            await asyncio.gather(*(self._cut(kind, offset) for offset in some))

    def _take(self, kind: str) -> int:
        offset = self._next[kind]
        self._next[kind] = (offset + self._step) % self.length[kind]
        if self._next[kind] < offset:
            self._next[kind] = 0
        return offset

    async def _cut(self, kind: str, offset: int) -> None:
        proxy = Proxy(self._stage.front.connect, self._stage.rng)
        if kind == "answer":
            proxy.toxics.cut_answer_after = offset
            proxy.toxics.cut_gently = offset % 2 == 0
        else:
            proxy.toxics.cut_request_after = offset
        await proxy.start()
        try:
            intent = self._intend()
            request = await self._request(intent, proxy.port)
            raw = await _exchange(proxy.port, request)
        finally:
            await proxy.stop()
        answer, is_first = await self._retry(intent)
        self.offsets[kind].add(offset)
        longest = len(raw) + 1 if kind == "answer" else len(request) + 1
        self.length[kind] = max(self.length[kind], longest)
        self._judge(kind, offset, raw, answer)
        if kind == "request" and offset < len(request) and is_first and answer.replayed:
            place = f"{kind} cut after {offset} bytes"
            self._stage.tally.violated(place, "half a request was settled")

    def _judge(self, kind: str, offset: int, raw: bytes, answer: Answer) -> None:
        """What arrived is the beginning of the answer that stands."""
        place = f"{kind} cut after {offset} bytes"
        status, _, body = raw.partition(b"\r\n\r\n")
        if status.startswith(b"HTTP/1.1 201") and not answer.body.startswith(body):
            self._stage.tally.violated(place, "the retry has other bytes")

    def _intend(self) -> Intent:
        person = self._stage.rng.choice(_PERSONS)
        intent = Intent("settle", new_name("cut"), bill(person), facility=self._code)
        self._journal.write(intent)
        self.intents.append(intent)
        return intent

    async def _request(self, intent: Intent, port: int) -> bytes:
        token = await self._token(self._desk)
        body = orjson.dumps(intent.sent)
        lines = [
            "POST /v1/settlements HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            f"Authorization: Bearer {token}",
            "Content-Type: application/json",
            f"Medaid-Sandbox-Time: {AT}",
            f"Idempotency-Key: {intent.key}",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body

    @property
    def _desk(self) -> Desk:
        desk = self._stage.desk(self._code, operator="cutter")
        desk.tokens = self._tokens
        return desk

    async def _token(self, desk: Desk) -> str:
        for _ in range(600):
            try:
                return await desk.token()
            except (*_NO_ANSWER, AssertionError):
                await asyncio.sleep(0.1)
        raise HarnessError("no session for a minute")

    async def _retry(self, intent: Intent) -> tuple[Answer, bool]:
        """Ask until there is an answer, past the cutting proxy.

        Also whether it came to the very first asking: to a later one it may be that
        of an asking before, whose answer another fault took.
        """
        for attempt in range(600):
            with contextlib.suppress(*_NO_ANSWER, AssertionError):
                answer = await self._desk.settle(intent.key, intent.sent)
                if answer.status == 201:
                    intent.answer = intent.answer or answer
                    return answer, attempt == 0
                if answer.status == 401:
                    self._tokens.clear()
            await asyncio.sleep(0.1)
        raise HarnessError("a cut request had no answer for a minute")


async def _exchange(port: int, request: bytes) -> bytes:
    """Send bytes, and return whatever comes before the connection ends."""
    got = b""
    with contextlib.suppress(OSError, TimeoutError):
        reader, writer = await to_port(port)()
        try:
            writer.write(request)
            async with asyncio.timeout(3):
                while data := await reader.read(65_536):
                    got += data
                    if _is_whole(got):
                        break
        finally:
            writer.transport.abort()
    return got


def _is_whole(got: bytes) -> bool:
    """Whether an answer with a length has come to its end."""
    head, end, body = got.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
    return False


_POST, _HOST, _END = b"POST /v1/settlements HTTP/1.1", b"Host: a", b"\r\n\r\n"
_LENGTH, _CHUNKED = b"Content-Length: ", b"Transfer-Encoding: chunked"


def _head(*lines: bytes) -> bytes:
    return b"\r\n".join(lines) + _END


_MALFORMED: tuple[bytes, ...] = (
    _head(_POST, _HOST, _LENGTH + b"4", _CHUNKED) + b"0" + _END,
    _head(_POST, _HOST, _LENGTH + b"-1"),
    _head(_POST, _HOST, _LENGTH + b"5", _LENGTH + b"6") + b"abcdef",
    _head(_POST, _HOST, _CHUNKED) + b"ZZ\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    _head(b"GET /v1/settlements/\x00 HTTP/1.1", _HOST),
    _head(b"GET " + b"/a" * 9_000 + b" HTTP/1.1", _HOST),
    _head(b"GET / HTTP/1.1", *[b"X-A: b"] * 3_000),
    _head(b"PRI * HTTP/2.0", b"", b"SM"),
    _head(b"FETCH /v1/keys HTTP/9.9", _HOST),
    _head(_POST, _HOST, _LENGTH + b"100000000"),
    _head(b"GET /healthz HTTP/1.1", _HOST, b"X: a\x00b"),
    _END + _END,
    bytes(range(256)),
)


async def send_malformed(stage: Stage, rng: random.Random) -> None:
    """What is no HTTP, or not quite, while others settle."""
    for request in rng.sample(_MALFORMED, 6):
        got = await _exchange_once(stage.front.port, request)
        status = got[9:12]
        if status[:1] == b"5" and b"MA-5107" in got:
            stage.tally.violated("malformed HTTP", f"answered {status.decode()}")
        if status[:1] == b"2" and b"/healthz" not in request:
            stage.tally.violated("malformed HTTP", "answered as if it were sound")


async def _exchange_once(port: int, request: bytes) -> bytes:
    got = b""
    with contextlib.suppress(OSError, TimeoutError):
        reader, writer = await to_port(port)()
        try:
            writer.write(request)
            async with asyncio.timeout(0.5):
                got = await reader.read(65_536)
        finally:
            writer.transport.abort()
    return got


async def hang_up_raw(stage: Stage, rng: random.Random) -> None:
    """Connections that send half a head, then vanish or stay silent."""
    held = []
    for _ in range(30):
        link = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        link.setblocking(False)
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().sock_connect(
                link, ("127.0.0.1", stage.front.port)
            )
            link.send(b"POST /v1/settlements HTTP/1.1\r\nHost: a\r\nContent-Le")
        held.append(link)
    await asyncio.sleep(rng.uniform(0.1, 0.5))
    for link in held:
        link.close()
