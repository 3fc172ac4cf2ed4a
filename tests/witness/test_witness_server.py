import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from crypto.add_checkpoint import BODY_BYTES_MAX, AddCheckpoint
from crypto.checkpoint import CheckpointSigner, parse_checkpoint
from crypto.cosignature import WitnessKey, verify_cosignatures
from crypto.histories import parse_two_histories, verify_two_histories
from crypto.note import NoteKey
from gateway.witness.folder import WitnessFolder
from gateway.witness.rules import Cosigned, Witness
from tests.acceptance.desk import Answer
from tests.acceptance.gateway_process import medaid
from tests.witness.made_up_log import LOG_KEY, ORIGIN, TRUST, MadeUpLog
from tests.witness.test_add_checkpoint import MALFORMED
from tests.witness.witness_process import WitnessProcess

TRUE, FALSE = MadeUpLog(), MadeUpLog("rewritten")
LOG_VKEY = NoteKey(ORIGIN, LOG_KEY.public).vkey
PLAIN = "text/plain; charset=utf-8"
HEAD = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
TWO_LENGTHS = HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def serving(witness_dir: Path) -> Iterator[WitnessProcess]:
    """Run the witness."""
    with WitnessProcess(witness_dir, "--log-key", LOG_VKEY) as process:
        yield process


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


async def post(
    http: aiohttp.ClientSession, url: str, body: AddCheckpoint | bytes
) -> Answer:
    """`POST /add-checkpoint`."""
    octets = body if isinstance(body, bytes) else body.to_body()
    async with http.post(f"{url}/add-checkpoint", data=octets) as answer:
        return Answer(answer.status, answer.headers, await answer.read())


def kept(folder: Path) -> int:
    """The size that lies on disk; below 0 without any."""
    seen = WitnessFolder(folder).seen(ORIGIN)
    return -1 if seen is None else seen.checkpoint.size


async def test_log_is_countersigned_over_http(
    serving: WitnessProcess, http: aiohttp.ClientSession, witness_key: WitnessKey
) -> None:
    """200 with cosignature lines that make a cosigned note; 409 names the size."""
    size = 0
    for newer in (0, 3, 8, 8, 11):
        answer = await post(http, serving.url, TRUE.request(size, newer))
        size = newer

        assert (answer.status, answer.headers["Content-Type"]) == (200, PLAIN)
        lines = answer.body.decode()
        assert lines.startswith("— witness.example/w1 ")
        assert lines.endswith("\n")
        assert verify_cosignatures(TRUE.note(newer) + lines, [witness_key])
    answer = await post(http, serving.url, TRUE.request(0, 11))
    assert answer.headers["Content-Type"] == "text/x.tlog.size"
    assert (answer.status, answer.body) == (409, b"11\n")


async def test_statuses_are_those_of_the_specification(
    serving: WitnessProcess, http: aiohttp.ClientSession
) -> None:
    """Unknown log, untrusted signature, larger older size, wrong proof."""
    other = MadeUpLog(origin="other.example/log")
    forged = TRUE.note(5).replace("\n5\n", "\n6\n")
    await post(http, serving.url, TRUE.request(0, 5))

    for body, status in (
        (other.request(0, 5), 404),
        (AddCheckpoint(0, (), forged), 403),
        (AddCheckpoint(7, (), TRUE.note(5)), 400),
        (AddCheckpoint(5, TRUE.path(5, 9)[:-1], TRUE.note(9)), 422),
    ):
        answer = await post(http, serving.url, body)
        assert (answer.status, answer.headers["Content-Type"]) == (status, PLAIN)
        assert answer.body.endswith(b"\n")


async def test_two_histories_are_refused_and_the_evidence_is_kept(
    serving: WitnessProcess, http: aiohttp.ClientSession, witness_dir: Path
) -> None:
    """409 without a size, which would make the caller ask again; told once, loudly."""
    await post(http, serving.url, TRUE.request(0, 9))

    for _ in range(3):
        answer = await post(http, serving.url, AddCheckpoint(9, (), FALSE.note(9)))
        assert (answer.status, answer.headers["Content-Type"]) == (409, PLAIN)

    (path,) = (witness_dir / "evidence").iterdir()
    assert verify_two_histories(parse_two_histories(path.read_bytes()), TRUST)
    assert kept(witness_dir) == 9
    events = [json.loads(line) for line in serving.log.read_text().splitlines()]
    told = [each for each in events if each["event"] == "witness.two_histories"]
    assert {(each["level"], each["evidence"]) for each in told} == {
        ("critical", path.name)
    }


async def test_evidence_does_not_fill_the_disk(
    serving: WitnessProcess, http: aiohttp.ClientSession, witness_dir: Path
) -> None:
    """A log that signs ever new contradictions fills a hundred files."""
    await post(http, serving.url, TRUE.request(0, 9))
    signer = CheckpointSigner(ORIGIN, LOG_KEY)
    for number in range(103):
        note = signer.sign(9, number.to_bytes(32, "big"))
        assert (await post(http, serving.url, AddCheckpoint(9, (), note))).status == 409

    assert len(list((witness_dir / "evidence").iterdir())) == 100


async def test_malformed_bodies_have_stable_statuses(
    serving: WitnessProcess, http: aiohttp.ClientSession, witness_dir: Path
) -> None:
    """Three dozen of them: 400 with a code, 413 where it is too long; nothing kept."""
    for name, (body, error) in MALFORMED.items():
        answer = await post(http, serving.url, body)
        if len(body) > BODY_BYTES_MAX:
            assert answer.status == 413, name
        else:
            assert (answer.status, answer.headers["Content-Type"]) == (400, PLAIN), name
            assert answer.body.startswith(error.code.encode()), name
    assert len(MALFORMED) > 30
    assert kept(witness_dir) == -1


async def test_requests_that_are_none_of_ours(
    serving: WitnessProcess, http: aiohttp.ClientSession
) -> None:
    """Other addresses and methods, and bodies without an end."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 4096 + 8):
            yield bytes(4096)

    async def status(method: str, path: str, **more: object) -> int:
        url = serving.url + path
        async with http.request(method, url, **more) as answer:  # type: ignore[arg-type]
            return answer.status

    body = TRUE.request(0, 5).to_body()
    assert await status("GET", "/add-checkpoint") == 405
    assert await status("PUT", "/add-checkpoint", data=body) == 405
    assert await status("POST", "/", data=body) == 404
    assert await status("POST", "/add-checkpoint/", data=body) == 404
    assert await status("POST", "/add-checkpoint?x=1", data=body) == 404
    assert await status("GET", "/metrics") == 404
    assert await status("POST", "/add-checkpoint", data=endless()) == 413
    large = bytes(BODY_BYTES_MAX + 1)
    assert await status("POST", "/add-checkpoint", data=large) == 413
    asks_first = {"Expect": "100-continue"}
    headed = await status("POST", "/add-checkpoint", data=body, headers=asks_first)
    assert headed == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /add-checkpoint HTTP/2.0\r\nHost: x\r\n\r\n", b"400"),
        (TWO_LENGTHS, b"400"),
        (HEAD + b"Content-Length: 99999\r\nExpect: 100-continue\r\n\r\n", b"413"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (HEAD + b"X: " + b"y" * 9000 + b"\r\n\r\n", b"431"),
    ],
)
async def test_what_is_no_http_is_answered_and_closed(
    serving: WitnessProcess, sent: bytes, status: bytes
) -> None:
    """As the gateway does, by the same listener."""
    address = urlsplit(serving.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()

    assert answer.split(b" ")[1] == status


async def test_slow_callers_take_nobodys_place(
    serving: WitnessProcess, http: aiohttp.ClientSession
) -> None:
    """A hundred who never finish their bodies, and one who does."""
    address = urlsplit(serving.url)
    with contextlib.ExitStack() as slow:
        for _ in range(100):
            one = socket.create_connection((address.hostname, address.port))
            slow.enter_context(one)
            one.sendall(HEAD + b"Content-Length: 500\r\n\r\nold 0\n")
        assert (await post(http, serving.url, TRUE.request(0, 5))).status == 200


async def test_too_many_at_once_are_told_to_come_again(
    serving: WitnessProcess, http: aiohttp.ClientSession, witness_dir: Path
) -> None:
    """While another process holds the folder; whoever waited is answered then."""
    with WitnessFolder(witness_dir).locked():
        asked = [
            asyncio.create_task(post(http, serving.url, TRUE.request(0, 5)))
            for _ in range(80)
        ]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 16:
            more, waiting = await asyncio.wait(
                waiting, return_when=asyncio.FIRST_COMPLETED
            )
            done |= more
        refused = {(each.result().status, len(done)) for each in done}
    statuses = [each.status for each in await asyncio.gather(*waiting)]

    assert refused == {(503, 16)}
    assert sorted(set(statuses)) == [200, 409]
    assert statuses.count(200) == 1


async def test_nothing_of_a_request_is_logged_or_repeated(
    serving: WitnessProcess, http: aiohttp.ClientSession
) -> None:
    """Whatever somebody sends, a card number also, stands in no line and no answer."""
    planted = "110101194912310027"
    bodies = [
        f"old {planted}\n\n{TRUE.note(5)}".encode(),
        TRUE.request(0, 5).to_body() + f"— {planted} AAAA\n".encode(),
        f"{planted}\n\n{planted}\n".encode(),
        TRUE.request(0, 5).to_body().replace(ORIGIN.encode(), planted.encode()),
    ]
    for body in bodies:
        answer = await post(http, serving.url, body)
        assert answer.status in (400, 404)
        assert planted.encode() not in answer.body
    async with http.get(f"{serving.url}/{planted}?{planted}") as missing:
        assert planted not in await missing.text()
    serving.stop()

    assert planted not in serving.log.read_text()


async def test_killed_between_keeping_and_answering(
    witness_dir: Path, http: aiohttp.ClientSession
) -> None:
    """What was kept holds although nobody got the cosignature, which comes again."""
    program = "tests.witness.dies_after_keeping"
    with WitnessProcess(
        witness_dir, "--log-key", LOG_VKEY, name="dies", program=program
    ) as dying:
        with pytest.raises(aiohttp.ClientError):
            await post(http, dying.url, TRUE.request(0, 9))
        assert dying.wait() == -signal.SIGKILL
    assert kept(witness_dir) == 9

    with WitnessProcess(witness_dir, "--log-key", LOG_VKEY) as again:
        lost = await post(http, again.url, TRUE.request(0, 9))
        other = await post(http, again.url, FALSE.request(0, 12))
        once_more = await post(http, again.url, TRUE.request(9, 9))

    assert (lost.status, lost.body) == (409, b"9\n")
    assert (other.status, other.body) == (409, b"9\n")
    assert once_more.status == 200


async def test_two_processes_on_one_folder_sign_one_history(
    witness_dir: Path, http: aiohttp.ClientSession
) -> None:
    """From each size the log is let on once, whoever asks whom at the same time."""
    size, rounds, clients = 4, 25, 8
    with (
        WitnessProcess(witness_dir, "--log-key", LOG_VKEY, name="one") as one,
        WitnessProcess(witness_dir, "--log-key", LOG_VKEY, name="two") as two,
    ):
        assert (await post(http, one.url, TRUE.request(0, size))).status == 200
        for turn in range(rounds):
            asked = [
                (FALSE if (turn + n) % 4 == 3 else TRUE).request(size, size + 1 + n)
                for n in range(clients)
            ]
            answers = await asyncio.gather(
                *(
                    post(http, (one, two)[n % 2].url, request)
                    for n, request in enumerate(asked)
                )
            )
            signed = [
                parse_checkpoint(request.note)
                for request, answer in zip(asked, answers, strict=True)
                if answer.status == 200
            ]
            assert {answer.status for answer in answers} <= {200, 409, 422}
            assert len(signed) == 1
            size = signed[0].size
            assert signed[0].root == TRUE.edge(size).root
            assert kept(witness_dir) == size


async def test_killed_again_and_again_nothing_signed_is_forgotten(
    witness_dir: Path, http: aiohttp.ClientSession
) -> None:
    """At any instant: what was acknowledged was kept, and is one history."""
    folder = WitnessFolder(witness_dir)
    first = Witness(folder, {ORIGIN: TRUST}, lambda: 1).add(TRUE.request(0, 4))
    assert isinstance(first, Cosigned)
    signed = 0

    async def ask(url: str) -> None:
        nonlocal signed
        last = kept(witness_dir)
        new = last + 1
        request = (TRUE, FALSE, TRUE)[new % 3].request(last, new + 1)
        answer = await post(http, url, request)
        if answer.status == 200:
            signed += 1
            assert kept(witness_dir) >= new + 1
            assert parse_checkpoint(request.note).root == TRUE.edge(new + 1).root
        else:
            next_one = await post(http, url, TRUE.request(last, new))
            assert (answer.status, next_one.status) == (422, 200)

    for turn in range(6):
        with WitnessProcess(witness_dir, "--log-key", LOG_VKEY) as running:
            for _ in range(3):
                await ask(running.url)
            # The next request is under way when the process dies, somewhere.
            loop = asyncio.get_running_loop()
            loop.call_later(turn / 500, running.process.kill)
            with contextlib.suppress(aiohttp.ClientError):
                while True:
                    await ask(running.url)
            running.wait()
    assert signed > 6
    assert kept(witness_dir) > 4 + 6 * 3


async def test_state_that_cannot_be_written_is_503(
    serving: WitnessProcess, http: aiohttp.ClientSession, witness_dir: Path
) -> None:
    """No cosignature leaves; once there is room again it goes on."""
    (witness_dir / ".state.json.new").mkdir()
    full = await post(http, serving.url, TRUE.request(0, 5))
    (witness_dir / ".state.json.new").rmdir()
    moved = witness_dir / "state.json"
    content = moved.read_bytes()
    moved.unlink()
    gone = await post(http, serving.url, TRUE.request(0, 5))
    moved.write_bytes(content)

    assert (full.status, gone.status) == (503, 503)
    assert full.headers["Retry-After"] == "1"
    assert kept(witness_dir) == -1
    assert (await post(http, serving.url, TRUE.request(0, 5))).status == 200
    log = serving.log.read_text()
    assert log.count('"witness.state_failed"') == 2


async def test_ends_when_told(
    serving: WitnessProcess, http: aiohttp.ClientSession
) -> None:
    """SIGTERM is status 0, and a caller in the middle of a body holds nothing up."""
    address = urlsplit(serving.url)
    with socket.create_connection((address.hostname, address.port)) as slow:
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n")
        assert (await post(http, serving.url, TRUE.request(0, 5))).status == 200
        assert serving.stop() == 0


def test_start_that_cannot_be(witness_dir: Path) -> None:
    """2 where somebody must mend something, 1 where it may pass; one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        followed = ("--log-key", LOG_VKEY)
        for status, options in (
            (2, ()),
            (2, ("--log-key", "nonsense")),
            (2, ("--trust", str(witness_dir / "nowhere"))),
            (2, ("--trust", str(witness_dir / "state.json"))),
            (1, (*followed, "--port", port)),
        ):
            ended = medaid("witness", "serve", "--dir", str(witness_dir), *options)
            assert ended.status == status, ended.err
            assert ended.err.startswith("Error: ")
            assert ended.err.count("\n") == 1
        nowhere = str(witness_dir / "nowhere")
        ended = medaid("witness", "serve", "--dir", nowhere, *followed)
        assert ended.status == 2
        assert "holds no witness" in ended.err
