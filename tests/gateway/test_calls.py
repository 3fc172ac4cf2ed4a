"""What the edge does around a use case: headers, deadlines, faults, hang-ups."""

import asyncio
from datetime import UTC, datetime

import orjson
import pytest

from settlement.domain.bill import BillFault
from settlement.domain.errors import RequestRefused
from settlement.service.findings import Finding
from settlement.service.ports import Answer
from settlement.store.database import Database
from tests.gateway.bodies import CARD, RESIDENT_ID, bill
from tests.gateway.desk import (
    START,
    ControlledUseCases,
    RunningEdge,
    register,
    running_edge,
)

REVERSAL = b'{"settlement_id":"s-1","reason":"refund"}'


@pytest.fixture
async def bearer(running: RunningEdge, database: Database) -> str:
    """A facility that has signed in."""
    return await running.bearer(await register(database, "H001"))


async def settle(running: RunningEdge, bearer: str, **headers: str) -> tuple[int, str]:
    """Status and code of a settle request."""
    sent = {"Authorization": bearer, "Idempotency_Key": "k-1"} | headers
    status, document, _ = await running.ask("POST", "/v1/settlements", bill(), **sent)
    return status, document.get("code", "")


async def test_answers_pass_byte_for_byte(running: RunningEdge, bearer: str) -> None:
    """The stored answer is what leaves, and a replay says so."""
    replayed = Answer(201, b'{"a": 1,  "b":2}', replayed=True)
    running.use_cases.act = lambda: asyncio.sleep(0, replayed)

    async with running.http.post(
        f"{running.url}/v1/settlements",
        data=bill(),
        headers={
            "Authorization": bearer,
            "Idempotency-Key": "k-1",
            "Content-Type": "application/json; charset=utf-8",
        },
    ) as answer:
        assert answer.status == 201
        assert await answer.read() == b'{"a": 1,  "b":2}'
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_key_and_parsed_bill_reach_the_use_case(
    running: RunningEdge, bearer: str
) -> None:
    """Handlers parse, call one use case and render."""
    assert await settle(running, bearer) == (200, "")

    name, caller, key, parsed, when = running.use_cases.seen[-1]
    assert (name, caller.party_code, key) == ("settle", "H001", "k-1")
    assert parsed.total_fen == 25000
    assert (when.settled_at, when.sandbox) == (START, True)


async def test_deadline_is_on_the_loop_clock(running: RunningEdge, bearer: str) -> None:
    """`Medaid-Deadline-Ms` counts from now; ten seconds when it is left out."""
    before = asyncio.get_running_loop().time()
    await settle(running, bearer)
    await settle(running, bearer, Medaid_Deadline_Ms="600000")

    usual, long = (call[-1].deadline - before for call in running.use_cases.seen)
    assert 10 <= usual < 100
    assert 600 <= long < 700


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "600001", "1e3", "ten", "９"])
async def test_malformed_deadline_is_refused(
    running: RunningEdge, bearer: str, text: str
) -> None:
    """Whole milliseconds between 1 and 600,000."""
    assert await settle(running, bearer, Medaid_Deadline_Ms=text) == (400, "MA-1107")


async def test_sandbox_time_is_the_instant_of_settling(
    running: RunningEdge, bearer: str
) -> None:
    """In a sandbox the header sets the time; a malformed one is refused."""
    await settle(running, bearer, Medaid_Sandbox_Time="2014-06-01T00:00:00Z")

    assert running.use_cases.seen[-1][-1].settled_at == datetime(2014, 6, 1, tzinfo=UTC)
    assert await settle(running, bearer, Medaid_Sandbox_Time="2014-06-01") == (
        400,
        "MA-1107",
    )


async def test_sandbox_time_is_refused_elsewhere(
    running: RunningEdge, bearer: str
) -> None:
    """Outside a sandbox nobody sets the clock."""
    running.use_cases.sandbox = False

    assert await settle(
        running, bearer, Medaid_Sandbox_Time="2014-06-01T00:00:00Z"
    ) == (
        400,
        "MA-1108",
    )
    assert running.use_cases.seen == []


@pytest.mark.parametrize("path", ["/v1/settlements", "/v1/reversals"])
@pytest.mark.parametrize("key", [None, "", "a b", "k" * 65])
async def test_key_is_needed_and_checked(
    running: RunningEdge, bearer: str, path: str, key: str | None
) -> None:
    """Missing or malformed: 400, nothing begun."""
    headers = {"Authorization": bearer} | (
        {} if key is None else {"Idempotency-Key": key}
    )
    body = bill() if path == "/v1/settlements" else REVERSAL

    status, document, _ = await running.ask("POST", path, body, **headers)

    assert (status, document["code"]) == (400, "MA-1103")
    assert running.use_cases.seen == []


async def test_personal_number_as_key_is_refused(
    running: RunningEdge, bearer: str
) -> None:
    """A key is stored for ever, so it may be no identity number."""
    sent = await settle(running, bearer, Idempotency_Key=RESIDENT_ID)

    assert sent == (422, "MA-1104")


async def test_number_of_a_later_day_is_nobodys(
    running: RunningEdge, database: Database
) -> None:
    """The day of asking is the clock's in Shanghai, and in a sandbox the header's."""
    number = "110101202601060010"
    key = await register(database, "H001")

    async def statuses(**headers: str) -> list[int]:
        asked = headers | {"Authorization": await running.bearer(key)}
        order = {"original_idempotency_key": number, "card": CARD, "reason": "timeout"}
        calls = [
            ("/v1/quotes", bill(visit_no=number), "k"),
            ("/v1/settlements", bill(visit_no=number), "k"),
            ("/v1/settlements", bill(), number),
            ("/v1/settlements", bill(visit_no=number, referred=...), "k"),
            ("/v1/reversals", orjson.dumps(order), "k"),
        ]
        told = [
            await running.ask("POST", path, body, Idempotency_Key=name, **asked)
            for path, body, name in calls
        ]
        named = [str(document).count("MA-1104") > 0 for _, document, _ in told]
        return [status for status, _, _ in told] + named

    passed = [200, 200, 200, 422, 200] + [False] * 5
    refused = [422] * 5 + [True] * 5
    assert (await running.sign_in(key, number))[0] == 201
    assert await statuses() == passed
    assert await statuses(Medaid_Sandbox_Time="2026-01-05T16:00:00Z") == refused
    running.use_cases.now.forward(hours=14)
    assert (await running.sign_in(key, number))[0] == 422
    assert await statuses() == refused
    assert await statuses(Medaid_Sandbox_Time="2026-01-05T15:59:59Z") == passed


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/json; charset=gbk", "x"]
)
async def test_other_content_types_are_refused(
    running: RunningEdge, bearer: str, content_type: str | None
) -> None:
    """JSON in UTF-8 is the only form."""
    headers = {"Authorization": bearer}
    if content_type is not None:
        headers["Content-Type"] = content_type
    async with running.http.post(
        f"{running.url}/v1/quotes",
        data=bill(),
        headers=headers,
        skip_auto_headers=["Content-Type"],
    ) as answer:
        document = await answer.json(content_type=None)

    assert (answer.status, document["code"]) == (415, "MA-1106")


async def test_large_body_is_refused(
    database: Database, use_cases: ControlledUseCases
) -> None:
    """The body is limited, whatever it says of its length."""
    key = await register(database, "H001")
    async with running_edge(database, use_cases, max_body_bytes=2048) as edge:
        bearer = await edge.bearer(key)
        large = bill(diagnoses=["I10"] * 600)
        status, document, _ = await edge.ask(
            "POST", "/v1/quotes", large, Authorization=bearer
        )

    assert (status, document["code"]) == (413, "MA-1105")
    assert use_cases.seen == []


async def test_client_that_asks_first_is_told_to_continue(
    running: RunningEdge, bearer: str
) -> None:
    """`Expect: 100-continue` is sent by .NET clients with every body."""
    async with running.http.post(
        f"{running.url}/v1/quotes",
        data=bill(),
        headers={"Authorization": bearer, "Content-Type": "application/json"},
        expect100=True,
    ) as answer:
        assert answer.status == 200


async def test_unknown_addresses_and_methods_are_problems(running: RunningEdge) -> None:
    """404 and 405 speak the language of all errors."""
    status, document, _ = await running.ask("GET", "/v1/nothing", Accept_Language="en")
    assert (status, document["code"]) == (404, "MA-4105")
    assert document["title"] == "There is no such address."

    status, document, headers = await running.ask("DELETE", "/v1/settlements")
    assert (status, document["code"], headers["Allow"]) == (405, "MA-4106", "GET, POST")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Content-Language"] == "zh-CN"


@pytest.mark.parametrize("path", ["/v1/settlements", "/v1/reversals"])
async def test_excess_is_refused_before_it_is_read(
    running: RunningEdge, bearer: str, path: str
) -> None:
    """Where too much waits, nobody's body is parsed, not even to find fault with it."""
    running.use_cases.is_full = True
    status, document, headers = await running.ask(
        "POST", path, b"{", Authorization=bearer, Idempotency_Key="k-1"
    )

    assert (status, document["code"]) == (503, "MA-5101")
    assert headers["Retry-After"] == "1"
    assert running.use_cases.seen == []


async def test_refusal_carries_faults_and_time(
    running: RunningEdge, bearer: str
) -> None:
    """What the use case refuses is answered as it says."""

    async def refuse() -> Answer:
        raise RequestRefused(
            "MA-5101", faults=(BillFault("visit_no", "MA-1120"),), retry_after_s=3
        )

    running.use_cases.act = refuse
    status, document, headers = await running.ask(
        "POST",
        "/v1/settlements",
        bill(),
        Authorization=bearer,
        Idempotency_Key="k-1",
        Accept_Language="en",
    )

    assert (status, headers["Retry-After"]) == (503, "3")
    assert document["retry"] == {"allowed": True, "after_s": 3, "same_key": True}
    assert document["fields"][0]["path"] == "visit_no"


async def test_bug_is_answered_without_detail(
    running: RunningEdge, bearer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception is 500 with the code alone, and the worker goes on."""

    async def break_down() -> Answer:
        raise ZeroDivisionError(CARD["number"])

    running.use_cases.act = break_down
    broken = await settle(running, bearer)
    running.use_cases.act = None

    assert broken == (500, "MA-5107")
    assert await settle(running, bearer) == (200, "")
    failed = [r for r in caplog.records if r.msg == "request.failed"]
    assert [vars(r)["call"] for r in failed] == ["settle"]


async def test_caller_who_hangs_up_does_not_stop_a_settlement(
    running: RunningEdge, bearer: str
) -> None:
    """What has begun is completed, so that the retry finds it."""
    begun, finish, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def commit() -> Answer:
        begun.set()
        await finish.wait()
        done.set()
        return Answer(201, b"{}")

    running.use_cases.act = commit
    request = asyncio.create_task(settle(running, bearer))
    await begun.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    finish.set()

    await asyncio.wait_for(done.wait(), 5)
    await running.edge.settled()


async def test_settlement_under_way_survives_the_end_of_its_handler(
    running: RunningEdge,
) -> None:
    """A cancelled handler leaves its settlement running, and the drain waits for it."""
    finish, done = asyncio.Event(), asyncio.Event()

    async def commit() -> Answer:
        await finish.wait()
        done.set()
        return Answer(201, b"{}")

    handler = asyncio.create_task(running.edge.finish(commit()))
    await asyncio.sleep(0)
    handler.cancel()
    await asyncio.gather(handler, return_exceptions=True)
    drain = asyncio.create_task(running.edge.settled())
    await asyncio.sleep(0)
    assert not drain.done()

    finish.set()
    await drain

    assert done.is_set()


async def test_lookups_reach_their_use_cases(running: RunningEdge, bearer: str) -> None:
    """Each address calls the use case of its name with its parameter."""
    asked = {
        "/v1/settlements/s-1": ("by_id", "s-1"),
        "/v1/settlements?idempotency_key=k-1": ("by_key", "k-1"),
        "/v1/settlements?visit_no=a%2Fb": ("by_visit", "a/b"),
        "/v1/settlements/s-1/record": ("record", "s-1"),
        "/v1/settlements/s-1/proof": ("proof", "s-1"),
    }

    for path, expected in asked.items():
        status, _, _ = await running.ask("GET", path, Authorization=bearer)
        name, caller, value = running.use_cases.seen[-1]
        assert (status, (name, value)) == (200, expected)
        assert caller.party_code == "H001"
    status, _, _ = await running.ask(
        "POST", "/v1/settlements/search", b'{"visit_no":"v"}', Authorization=bearer
    )
    assert (status, running.use_cases.seen[-1][0]) == (200, "search")


async def test_public_calls_need_no_token(running: RunningEdge) -> None:
    """The log, the keys and the health of the gateway are for everybody."""
    for path in ("/v1/log/checkpoint", "/v1/log/tile/0/000", "/v1/keys", "/healthz",
                 "/readyz", "/openapi.json", "/docs", "/metrics"):  # fmt: skip
        status, _, _ = await running.ask("GET", path)
        assert status == 200, path
    status, document, _ = await running.ask("GET", "/v1/log/tile/0/001")
    assert (status, document["code"]) == (404, "MA-4101")


async def test_tiles_may_be_kept_and_checkpoints_not(running: RunningEdge) -> None:
    """A tile never changes; a checkpoint does."""
    _, _, tile = await running.ask("GET", "/v1/log/tile/0/000")
    _, _, checkpoint = await running.ask("GET", "/v1/log/checkpoint")

    assert "max-age=31536000" in tile["Cache-Control"]
    assert checkpoint["Cache-Control"] == "no-cache"


async def test_not_ready_says_why(running: RunningEdge) -> None:
    """503 with every reason; a draining worker says so too."""
    running.use_cases.unready = (Finding("no_roster"), Finding("clock_far", "7"))
    running.edge.draining = True

    status, document, _ = await running.ask("GET", "/readyz")

    assert status == 503
    assert document == {
        "ready": False,
        "reasons": ["this process is shutting down", "no roster has been imported"],
        "details": [
            {
                "code": "draining",
                "stops": True,
                "text": {
                    "zh": "本进程正在停止服务",
                    "en": "this process is shutting down",
                },
            },
            {
                "code": "no_roster",
                "stops": True,
                "text": {
                    "zh": "尚未导入救助对象名册",
                    "en": "no roster has been imported",
                },
            },
            {
                "code": "clock_far",
                "stops": False,
                "text": {
                    "zh": "本机时钟与数据库时钟相差 7 秒",
                    "en": "this machine's clock and the database's are 7 seconds apart",
                },
            },
        ],
    }
    assert (await running.ask("GET", "/healthz"))[0] == 200


async def test_metrics_count_by_call_without_personal_data(
    running: RunningEdge, bearer: str
) -> None:
    """Names of calls and codes; no path, no query, no party."""
    await running.ask("GET", f"/v1/settlements/{RESIDENT_ID}", Authorization=bearer)
    await running.ask("GET", f"/{RESIDENT_ID}?card={RESIDENT_ID}")

    _, raw, _ = await running.ask("GET", "/metrics")
    text = raw.decode()

    assert RESIDENT_ID not in text
    assert "H001" not in text
    assert 'medaid_http_refusals_total{call="unknown",code="MA-4105"} 1.0' in text
    assert (
        'medaid_http_request_duration_seconds_count{call="settlement",status="200"} 1.0'
        in text
    )


async def test_metrics_are_not_on_the_main_listener_of_a_real_gateway(
    database: Database, use_cases: ControlledUseCases
) -> None:
    """Outside a sandbox `/metrics` is on the loopback listener alone."""
    use_cases.sandbox = False
    async with running_edge(database, use_cases) as edge:
        status, _, _ = await edge.ask("GET", "/metrics")

    assert status == 404


async def test_old_http_and_closing_clients_are_answered(running: RunningEdge) -> None:
    """HTTP/1.0 and `Connection: close` end the connection after the answer."""
    host, port = running.authority.split(":")
    for request, expected in (
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
         b"Connection: close"),
    ):  # fmt: skip
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()

        assert expected in answer
        assert answer.endswith(b'{"status":"alive"}')


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"A12345678\r\n\r\n", b"400", b'"MA-1107"'),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA12345678\r\n\r\n", b"400", b'"MA-1107"'),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: A12345678\r\n\r\n",
            b"400",
            b'"MA-1107"',
        ),
        (
            b"GET /" + b"A12345678" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"431",
            b'"MA-1109"',
        ),
    ],
)
async def test_what_is_no_http_is_answered_without_quoting_it(
    running: RunningEdge, sent: bytes, status: bytes, code: bytes
) -> None:
    """A problem with its code; nothing that was sent comes back."""
    host, port = running.authority.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()

    assert answer.split(b" ")[1] == status
    assert code in answer
    assert b"A12345678" not in answer


@pytest.mark.parametrize("cut", [b"zz\r\nabc", b"5\r\nabc"])
async def test_body_that_breaks_off_is_no_bug(
    running: RunningEdge, bearer: str, cut: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """A malformed or unfinished body ends the request, not the worker's good name."""
    host, port = running.authority.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /v1/quotes HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + cut
    )
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()

    assert b"MA-5107" not in answer
    assert "request.failed" not in caplog.text
    assert running.use_cases.seen == []
