"""What is no HTTP, or another HTTP to others, ends in one answer or a closed line.

Every case is followed on the same connection by a request that a smuggler would have
us answer (`SMUGGLED`). Nothing reaches a use case, nothing that was sent comes back.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from settlement.service.ports import Answer
from settlement.store.database import Database
from tests.gateway.desk import (
    ANSWER,
    ControlledUseCases,
    RunningEdge,
    register,
    running_edge,
)
from tests.limits.raw import RawAnswer, connected, request

HEAD = b"GET /healthz HTTP/1.1\r\nHost: desk\r\n"
BODY = (
    b'{"card":{"kind":"social_security_card","number":"A12345678"},'
    b'"service_date":"2026-01-05"}'
)
SMUGGLED = b"GET /v1/keys HTTP/1.1\r\nHost: smuggled\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
#: Cards, tokens and whatever else was sent never come back.
MARKED = b"A12345678"


def post(headers: bytes, body: bytes = b"") -> bytes:
    """An eligibility call of a facility that has signed in."""
    return (
        b"POST /v1/eligibility HTTP/1.1\r\nHost: desk\r\nAuthorization: BEARER\r\n"
        b"Content-Type: application/json\r\n" + headers + b"\r\n" + body
    )


def chunks(size: bytes, end: bytes = b"\r\n0\r\n\r\n") -> bytes:
    """The body in one chunk whose size line is `size`."""
    return post(CHUNKED, size + b"\r\n" + BODY + end)


SIZE = b"%x" % len(BODY)
#: Refused as a whole: 400, the connection closed, nothing behind it read.
MALFORMED = {
    "bare LF": HEAD.replace(b"\r\n", b"\n") + b"\n",
    "bare LF after the request line": b"GET /healthz HTTP/1.1\nHost: desk\r\n\r\n",
    "bare LF at the end of the head": HEAD + b"\n",
    "bare CR": HEAD.replace(b"\r\n", b"\r") + b"\r",
    "NUL in a value": HEAD + b"X: A12345678\x00b\r\n\r\n",
    "NUL in a name": HEAD + b"X\x00Y: A12345678\r\n\r\n",
    "CR in a value": HEAD + b"X: A12345678\rb\r\n\r\n",
    "obs-fold": HEAD + b"X: a\r\n A12345678\r\n\r\n",
    "first header folded": b"GET /healthz HTTP/1.1\r\n Host: desk\r\n\r\n",
    "space before the colon": HEAD + b"Content-Length : 5\r\n\r\nhello",
    "no colon": HEAD + b"A12345678\r\n\r\n",
    "no name": HEAD + b": A12345678\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/0.9 by name": b"GET /healthz HTTP/0.9\r\nHost: desk\r\n\r\n",
    "HTTP/1.2": b"GET /healthz HTTP/1.2\r\nHost: desk\r\n\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\nHost: desk\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03A12345678\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": HEAD + b"Host: other\r\n\r\n",
    "absolute target of another host": (
        b"GET http://A12345678/healthz HTTP/1.1\r\nHost: desk\r\n\r\n"
    ),
    "authority as target": b"GET desk:80 HTTP/1.1\r\nHost: desk\r\n\r\n",
    "unknown method": b"BREW /healthz HTTP/1.1\r\nHost: desk\r\n\r\n",
    "method in lower case": b"get /healthz HTTP/1.1\r\nHost: desk\r\n\r\n",
    "space in the target": b"GET /A12345678 b HTTP/1.1\r\nHost: desk\r\n\r\n",
    "bytes in the target": b"GET /A12345678\xff HTTP/1.1\r\nHost: desk\r\n\r\n",
    "tab for a space": b"GET\t/healthz HTTP/1.1\r\nHost: desk\r\n\r\n",
    "length and chunked": post(LENGTH + CHUNKED, CHUNKS),
    "chunked and length 0": post(CHUNKED + b"Content-Length: 0\r\n", CHUNKS),
    "two lengths": post(LENGTH + b"Content-Length: 0\r\n", BODY),
    "the same length twice": post(LENGTH + LENGTH, BODY),
    "a list of lengths": post(LENGTH[:-2] + b", %d\r\n" % len(BODY), BODY),
    "length with a sign": post(b"Content-Length: +%d\r\n" % len(BODY), BODY),
    "negative length": post(b"Content-Length: -1\r\n", BODY),
    "hexadecimal length": post(b"Content-Length: 0x10\r\n", BODY),
    "length beyond 64 bits": post(b"Content-Length: %d\r\n" % 10**22, BODY),
    "empty length": post(b"Content-Length: \r\n", BODY),
    "unknown coding": post(b"Transfer-Encoding: xchunked\r\n", CHUNKS),
    "identity": post(b"Transfer-Encoding: identity\r\n", BODY),
    "chunked not last": post(b"Transfer-Encoding: chunked, identity\r\n", CHUNKS),
    "chunked behind another": post(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
    "two codings": post(CHUNKED + b"Transfer-Encoding: identity\r\n", CHUNKS),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
    "vertical tab in a coding": post(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
    "chunked in HTTP/1.0": post(CHUNKED, CHUNKS).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "chunk size no number": chunks(b"zz"),
    "chunk size negative": chunks(b"-5"),
    "chunk size with 0x": chunks(b"0x" + SIZE),
    "chunk size beyond 64 bits": chunks(b"f" * 20),
    "chunk size too small": chunks(b"3"),
    "chunk size, then a space": chunks(SIZE + b" "),
    "chunks with bare LF": post(CHUNKED, CHUNKS.replace(b"\r\n", b"\n")),
    "bare LF in a chunk extension": chunks(SIZE + b";a\nb"),
    "length in a trailer": chunks(SIZE, b"\r\n0\r\nContent-Length: 5\r\n\r\n"),
}
#: The same, but the head is what is too large.
TOO_LARGE = {
    "too many headers": HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(70)),
    "a long header": HEAD + b"X: " + MARKED * 600 + b"\r\n",
    "a long name": HEAD + MARKED * 600 + b": a\r\n",
    "a long target": b"GET /" + MARKED * 400 + b" HTTP/1.1\r\nHost: desk\r\n",
    "endless trailers": chunks(SIZE, b"\r\n0\r\n" + b"X: A12345678\r\n" * 2_000),
    "a long trailer": chunks(SIZE, b"\r\n0\r\nX: " + MARKED * 12_000 + b"\r\n"),
}
#: Understood and not done; the connection goes on as it should.
REFUSED = {
    "TRACE": (b"TRACE /healthz HTTP/1.1\r\nHost: desk\r\n\r\n", 405),
    "PUT": (b"PUT /v1/keys HTTP/1.1\r\nHost: desk\r\n\r\n", 405),
    "OPTIONS of all": (b"OPTIONS * HTTP/1.1\r\nHost: desk\r\n\r\n", 405),
    "target of another scheme": (
        b"GET ftp://desk/a HTTP/1.1\r\nHost: desk\r\n\r\n",
        405,
    ),
    "fragment": (b"GET /healthz#A12345678 HTTP/1.1\r\nHost: desk\r\n\r\n", 404),
    "two tokens": (post(LENGTH + b"Authorization: Bearer x\r\n", BODY), 401),
    "a coded body": (post(LENGTH + b"Content-Encoding: gzip\r\n", BODY), 415),
    "a body coded twice": (
        post(
            LENGTH + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", BODY
        ),
        415,
    ),
    "a list of codings": (
        post(LENGTH + b"Content-Encoding: identity, gzip\r\n", BODY),
        415,
    ),
    "an empty coding": (post(LENGTH + b"Content-Encoding:\r\n", BODY), 415),
    "a charset of another name": (
        post(LENGTH, BODY).replace(b"/json", b"/json; charset=utf88"),
        415,
    ),
    "10 MB": (post(b"Content-Length: 10000000\r\n", b"A12345678," * 1_000_000), 413),
    "10 MB in a chunk": (
        post(CHUNKED, b"989680\r\n" + b"A12345678," * 1_000_000 + b"\r\n0\r\n\r\n"),
        413,
    ),
    "200,000 deep": (post(b"Content-Length: 200000\r\n", b"[" * 200_000), 413),
    "60,000 deep": (post(b"Content-Length: 60000\r\n", b"[" * 60_000), 400),
    "12,000 objects deep": (post(b"Content-Length: 60000\r\n", b'{"a":' * 12_000), 400),
    "60,000 digits": (post(b"Content-Length: 60000\r\n", b"1" * 60_000), 422),
}
#: Odd but allowed: answered like any other, and so is what follows.
TAKEN = {
    "blank lines before": b"\r\n\r\n" + HEAD + b"\r\n",
    "absolute target": b"GET http://desk/healthz HTTP/1.1\r\nHost: DESK\r\n\r\n",
    "body of a GET": HEAD + b"Content-Length: 5\r\n\r\nhello",
    "length": post(LENGTH, BODY),
    "length with leading zeros": post(b"Content-Length: 000%d\r\n" % len(BODY), BODY),
    "no coding, by name": post(LENGTH + b"Content-Encoding: Identity\r\n", BODY),
    "a charset": post(LENGTH, BODY).replace(b"/json", b'/json; charset="UTF-8"'),
    "a charset as many write it": post(LENGTH, BODY).replace(
        b"/json", b"/json;charset=utf8"
    ),
    "chunked": post(CHUNKED, CHUNKS),
    "chunked in capitals": post(b"Transfer-Encoding: CHUNKED\r\n", CHUNKS),
    "chunk extension": chunks(SIZE + b";a=b"),
    "trailer": chunks(SIZE, b"\r\n0\r\nX: y\r\n\r\n"),
}


@pytest.fixture
async def edge(database: Database) -> AsyncIterator[RunningEdge]:
    """One worker's edge."""
    async with running_edge(database, ControlledUseCases()) as edge:
        yield edge


@pytest.fixture
async def bearer(edge: RunningEdge, database: Database) -> bytes:
    """A facility that has signed in."""
    return (await edge.bearer(await register(database, "H001"))).encode()


async def sent_alone(edge: RunningEdge, sent: bytes) -> list[RawAnswer]:
    """All answers on a connection that the gateway has to close by itself."""
    async with connected(edge.authority) as raw:
        sending = asyncio.create_task(raw.send(sent))
        answers = await raw.answers()
        await sending
    return answers


async def assert_unharmed(edge: RunningEdge) -> None:
    """Another connection is answered as if nothing had been."""
    async with connected(edge.authority) as raw:
        await raw.send(request())
        answer = await raw.answer()
    assert answer is not None
    assert answer.status == 200


async def refused_alone(
    edge: RunningEdge, bearer: bytes, cases: dict[str, bytes]
) -> dict[str, list[tuple[int, str]]]:
    """What each case is answered on a line of its own; `SMUGGLED` follows it."""
    found = {}
    for name, sent in cases.items():
        answers = await sent_alone(edge, sent.replace(b"BEARER", bearer) + SMUGGLED)
        assert [a for a in answers if MARKED in a.body] == [], name
        found[name] = [(a.status, a.code) for a in answers]
        await assert_unharmed(edge)
    return found


async def test_malformed_is_refused_and_the_line_closed(
    edge: RunningEdge, bearer: bytes
) -> None:
    """400 and the end; what was smuggled behind it is not even looked at."""
    found = await refused_alone(edge, bearer, MALFORMED)

    assert found == {name: [(400, "MA-1107")] for name in MALFORMED}
    assert edge.use_cases.seen == []


async def test_large_head_is_refused_and_the_line_closed(
    edge: RunningEdge, bearer: bytes
) -> None:
    """431 and the end."""
    cases = {name: sent + b"\r\n" for name, sent in TOO_LARGE.items()}

    found = await refused_alone(edge, bearer, cases)

    assert found == {name: [(431, "MA-1109")] for name in TOO_LARGE}
    assert edge.use_cases.seen == []


async def answered_with_next(edge: RunningEdge, sent: bytes) -> RawAnswer:
    """The answer; the next request on the same connection is answered as well."""
    async with connected(edge.authority) as raw:
        sending = asyncio.create_task(raw.send(sent + SMUGGLED))
        answer, following = await raw.answer(), await raw.answer()
        await sending
    assert answer is not None
    assert following is not None
    assert following.json() == {"origin": "o", "keys": []}
    assert MARKED not in answer.body
    return answer


async def test_refused_leaves_the_connection_whole(
    edge: RunningEdge, bearer: bytes
) -> None:
    """One problem that says what to do, and the connection goes on."""
    found = {}
    for name, (sent, _) in REFUSED.items():
        answer = await answered_with_next(edge, sent.replace(b"BEARER", bearer))
        assert answer.json()["next_step"], name
        found[name] = answer.status

    assert found == {name: status for name, (_, status) in REFUSED.items()}
    assert edge.use_cases.seen == []


async def test_odd_but_allowed_is_answered(edge: RunningEdge, bearer: bytes) -> None:
    """Strict is not narrow."""
    for name, sent in TAKEN.items():
        answer = await answered_with_next(edge, sent.replace(b"BEARER", bearer))
        assert answer.status == 200, name


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"CONNECT desk:80 HTTP/1.1\r\nHost: desk\r\n\r\n", 405),
        (
            HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n",
            200,
        ),
        (
            HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMA\r\n\r\n",
            200,
        ),
    ],
)
async def test_no_other_protocol_is_spoken(
    edge: RunningEdge, asked: bytes, status: int
) -> None:
    """What follows a tunnel or an upgrade is not HTTP to the sender: not read."""
    (answer,) = await sent_alone(edge, asked + SMUGGLED)

    assert answer.status == status


async def test_head_is_refused_without_a_body(edge: RunningEdge) -> None:
    """A HEAD's answer has no body that could be taken for the next answer."""
    async with connected(edge.authority) as raw:
        raw.to_head = True
        await raw.send(request(method="HEAD"))
        answer = await raw.answer()
        raw.to_head = False
        await raw.send(request())
        following = await raw.answer()

    assert answer is not None
    assert answer.status == 405
    assert following is not None
    assert following.status == 200


@pytest.mark.parametrize(
    ("wanted", "keeps"), [("", False), ("Connection: keep-alive\r\n", True)]
)
async def test_http_1_0_is_spoken(edge: RunningEdge, wanted: str, keeps: bool) -> None:
    """One request for each connection, unless more are asked for."""
    asked = f"GET /healthz HTTP/1.0\r\n{wanted}\r\n".encode()
    async with connected(edge.authority) as raw:
        await raw.send(asked)
        first = await raw.answer()
        await raw.send(asked)
        second = await raw.answer()

    assert first is not None
    assert (second is not None) == keeps


async def test_pipelined_requests_are_answered_in_order(
    edge: RunningEdge, bearer: bytes
) -> None:
    """More than the queue holds; a slow one first; nothing is lost or overtaken."""

    async def slowly() -> Answer:
        await asyncio.sleep(0 if edge.use_cases.seen[1:] else 0.2)
        return ANSWER

    targets = [f"/v1/settlements?visit_no=V{number}" for number in range(100)]
    edge.use_cases.act = slowly
    async with connected(edge.authority) as raw:
        slow = TAKEN["length"].replace(b"BEARER", bearer)
        rest = [request(t, Authorization=bearer.decode()) for t in targets]
        await raw.send(slow + b"".join(rest) + SMUGGLED)
        answers = [await raw.answer() for _ in range(len(targets) + 2)]

    assert [a.status for a in answers if a is not None] == [200] * len(answers)
    asked = [call[2] for call in edge.use_cases.seen[1:]]
    assert asked == [f"V{number}" for number in range(100)]
    assert answers[-1] is not None
    assert answers[-1].json() == {"origin": "o", "keys": []}


@pytest.mark.parametrize(
    ("expects", "status"), [("100-continue", 100), ("100-Continue", 100), ("tea", 400)]
)
async def test_expectations(
    edge: RunningEdge, bearer: bytes, expects: str, status: int
) -> None:
    """The one expectation that there is is met; any other is refused at once."""
    head = post(LENGTH + f"Expect: {expects}\r\n".encode())
    async with connected(edge.authority) as raw:
        await raw.send(head.replace(b"BEARER", bearer))
        answer = await raw.answer()
        assert answer is not None
        assert answer.status == status
        # Sent all the same, it belongs to the refused request and to no other.
        await raw.send(BODY + SMUGGLED)
        following = [await raw.answer()]
        if status == 100:
            following.append(await raw.answer())

    told = [each.status for each in following if each is not None]
    assert told == ([200, 200] if status == 100 else [])


REFUSED_BEFORE_THE_BODY = {
    "no session": (post(LENGTH).replace(b"BEARER", b"Bearer " + b"A" * 43), 401),
    "another type": (post(LENGTH).replace(b"/json", b"/xml"), 415),
    "too large": (post(b"Content-Length: 10000000\r\n"), 413),
    "no such call": (post(LENGTH).replace(b"eligibility", b"nothing"), 404),
    "a call that reads no body": (HEAD + LENGTH + b"\r\n", 200),
    "such a call, from what is public": (
        b"GET /v1/keys HTTP/1.1\r\nHost: desk\r\n" + LENGTH + b"\r\n",
        200,
    ),
    "what is looked up": (
        post(LENGTH).replace(
            b"POST /v1/eligibility", b"GET /v1/settlements?visit_no=V"
        ),
        200,
    ),
}


@pytest.mark.parametrize("case", REFUSED_BEFORE_THE_BODY)
async def test_answer_in_place_of_continue_ends_the_connection(
    edge: RunningEdge, bearer: bytes, case: str
) -> None:
    """Nobody knows whether the body follows; the next request must not be taken for it.

    The caller is told so, and asks again on a new connection.
    """
    head, status = REFUSED_BEFORE_THE_BODY[case]
    asked = head[:-2] + b"Expect: 100-continue\r\n\r\n"
    async with connected(edge.authority) as raw:
        await raw.send(asked.replace(b"BEARER", bearer))
        answer = await raw.answer()

    assert answer is not None
    assert answer.status == status
    assert answer.headers.get("connection") == "close"


async def test_body_that_came_unasked_leaves_the_connection_whole(
    edge: RunningEdge,
) -> None:
    """Who does not wait for the continue loses nothing by having offered to."""
    head, _ = REFUSED_BEFORE_THE_BODY["no session"]
    asked = head[:-2] + b"Expect: 100-continue\r\n\r\n" + BODY

    assert (await answered_with_next(edge, asked)).status == 401


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMA\r\n"


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_body_behind_an_offer_to_upgrade_is_read(
    edge: RunningEdge, bearer: bytes, protocol: bytes
) -> None:
    """Some clients offer HTTP/2 with each call: it is answered, and is the last one."""
    # More than is read ahead.
    body = BODY + b" " * 60_000
    length = b"Content-Length: %d\r\n" % len(body)
    asked = post(length + UPGRADE + b"Upgrade: " + protocol + b"\r\n")
    async with connected(edge.authority) as raw:
        await raw.send(asked.replace(b"BEARER", bearer) + body[:10])
        await asyncio.sleep(0.05)
        await raw.send(body[10:] + SMUGGLED)
        await asyncio.sleep(0.05)
        await raw.send(SMUGGLED)
        answers = await asyncio.wait_for(raw.answers(), 3.0)

    assert [each.status for each in answers] == [200]
    assert answers[0].headers.get("connection") == "close"


async def test_offer_to_upgrade_waits_its_turn(edge: RunningEdge) -> None:
    """Behind another request it is answered as well."""
    asked = HEAD + UPGRADE + b"Upgrade: h2c\r\n\r\n"

    answers = await sent_alone(edge, SMUGGLED + asked + SMUGGLED)

    assert [each.status for each in answers] == [200, 200]


async def test_body_that_becomes_unreadable_is_told_at_once(
    edge: RunningEdge, bearer: bytes
) -> None:
    """The chunk after the next one is noise: 400 now, not when its time is up."""
    async with connected(edge.authority) as raw:
        await raw.send(post(CHUNKED, b"1\r\n{\r\n").replace(b"BEARER", bearer))
        await asyncio.sleep(0.1)
        await raw.send(b"zzA12345678\r\n" + SMUGGLED)
        answers = await asyncio.wait_for(raw.answers(), 3.0)

    assert [(each.status, each.code) for each in answers] == [(400, "MA-1107")]
    assert MARKED not in answers[0].body
    assert edge.use_cases.seen == []


async def test_two_idempotency_keys_are_none(edge: RunningEdge, bearer: bytes) -> None:
    """A proxy and we could believe different ones."""
    asked = post(LENGTH + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n", BODY)
    asked = asked.replace(b"/v1/eligibility", b"/v1/settlements")
    async with connected(edge.authority) as raw:
        await raw.send(asked.replace(b"BEARER", bearer))
        answer = await raw.answer()

    assert answer is not None
    assert (answer.status, answer.code) == (400, "MA-1103")
    assert edge.use_cases.seen == []


async def test_hanging_up_in_the_middle_of_a_body_is_nobodys_bug(
    edge: RunningEdge, bearer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a body and gone: nothing is done, and nothing is logged as a fault."""
    async with connected(edge.authority) as raw:
        await raw.send(post(LENGTH, BODY[:10]).replace(b"BEARER", bearer))
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.05)

    assert edge.use_cases.seen == []
    assert [r for r in caplog.records if r.levelname in ("ERROR", "CRITICAL")] == []
