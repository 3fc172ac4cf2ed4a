"""Secrets and personal data, planted and then looked for wherever a gateway writes.

Each run plants values that can be recognised, drives every kind of error that there
is, and searches standard output, logs, answers, metrics, and what the system shows of
the processes.
"""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import pytest

from crypto.keys import OpeningKey, SharedSecret
from gateway.cli.main import COMMANDS
from gateway.logs import configure_logs
from settlement.domain.errors import FatalError
from settlement.store.database import Database
from tests.acceptance.desk import Answer, Desk, bill, card, new_name
from tests.acceptance.gateway_process import environment, medaid
from tests.gateway.bodies import bill as bill_bytes
from tests.gateway.desk import ControlledUseCases, register, running_edge
from tests.gateway.test_serve import children_of, line
from tests.roster import bureau
from tests.security.conftest import Callers, District

ID_NUMBER = bureau.id_number(7)
CARD = "A98765432"
NAME = "欧阳测试"
PASSWORD = "pw-c0rrect-h0rse"


@dataclass(slots=True)
class Planted:
    """Values that may stand nowhere, by what they are."""

    values: dict[str, bytes] = field(default_factory=dict)

    def add(self, name: str, value: str | bytes) -> None:
        """Plant one, in the spellings in which it could leak."""
        raw = value if isinstance(value, bytes) else value.encode()
        self.values[name] = raw
        if isinstance(value, bytes):
            self.values[f"{name}, hex"] = raw.hex().encode()
            self.values[f"{name}, base64"] = base64.b64encode(raw)

    def assert_not_in(self, text: bytes, where: str) -> None:
        """Fail naming what leaked and where, without repeating the value."""
        found = [name for name, value in self.values.items() if value in text]
        assert not found, f"{where} holds {found}"


def test_the_search_finds_what_is_there() -> None:
    """A search that cannot find anything proves nothing."""
    planted = Planted()
    planted.add("key", b"\x01" * 32)
    with pytest.raises(AssertionError, match="key, hex"):
        planted.assert_not_in(b"... " + (b"\x01" * 32).hex().encode(), "here")


def secrets_of(district: District) -> Planted:
    """Keys of the installation and of the parties, tokens, persons."""
    planted, sandbox = Planted(), district.sandbox
    for path in (sandbox.data_dir / "keys").iterdir():
        text = path.read_text(encoding="ascii")
        if text.startswith("{"):
            secret = orjson.loads(text).get("private_key")
            if secret is not None:
                planted.add(path.name, secret)
        else:
            planted.add(path.name, base64.b64decode(text))
    opening = sandbox.opening_key
    assert isinstance(opening, OpeningKey)
    planted.add("the bureau's key", opening.private_bytes())
    for code, key in sandbox.keys.items():
        secret = (
            key.secret_bytes() if isinstance(key, SharedSecret) else key.private_bytes()
        )
        planted.add(f"the key of {code}", secret)
    for kid, token in sandbox.tokens.items():
        planted.add(f"a token of {kid}", token)
    for name, value in (("card", CARD), ("identity", ID_NUMBER), ("name", NAME)):
        planted.add(name, value)
    return planted


async def provoke(desk: Desk) -> list[Answer]:
    """Requests of every kind that is refused, each with something to quote."""
    token = await desk.token()
    sent: list[tuple[str, str, bytes | None, dict[str, str]]] = []
    typed = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    person = {"kind": "resident_id", "number": ID_NUMBER}
    for body in (
        b'{"card":{"number":"' + ID_NUMBER.encode() + b'"',
        orjson.dumps(bill(1, card=person, total_fen=1)),
        orjson.dumps(bill(1, visit_no=f"MZ-{ID_NUMBER}")),
        orjson.dumps(bill(1, card={"kind": "social_security_card", "number": CARD})),
        orjson.dumps(bill(1, card=person) | {NAME: ID_NUMBER}),
        orjson.dumps(bill(1) | {"visit_no": ID_NUMBER, "diagnoses": [NAME]}),
        orjson.dumps({ID_NUMBER: NAME}),
        f'["{NAME}", {ID_NUMBER}]'.encode(),
        ID_NUMBER.encode() * 5_000,
    ):
        sent.extend(
            ("POST", path, body, typed | {"Idempotency-Key": new_name()})
            for path in ("/v1/settlements", "/v1/quotes", "/v1/settlements/search")
        )
    ask = orjson.dumps({"card": person, "service_date": NAME})
    sent.append(("POST", "/v1/eligibility", ask, typed))
    for key in (ID_NUMBER, CARD, f"k-{ID_NUMBER}", "x" * 65):
        body = orjson.dumps(
            bill(1, card={"kind": "social_security_card", "number": CARD})
        )
        sent.append(("POST", "/v1/settlements", body, typed | {"Idempotency-Key": key}))
    sent.extend(
        ("GET", path, None, typed)
        for path in (
            f"/v1/settlements/{ID_NUMBER}",
            f"/v1/settlements?visit_no={ID_NUMBER}",
            f"/v1/settlements?card={ID_NUMBER}",
            f"/v1/{ID_NUMBER}/{CARD}?name={ID_NUMBER}",
        )
    )
    sent.append(("GET", "/v1/settlements/x", None, {"Authorization": token}))
    sent.append((CARD[:7].upper(), "/v1/settlements", None, typed))
    for operator in (ID_NUMBER, NAME):
        signed = desk.signed_session(orjson.dumps({"operator": operator}))
        sent.append(("POST", signed.path, signed.body, signed.headers))
    answers = [await desk.raw(*each) for each in sent]
    assert {each.status for each in answers} >= {400, 401, 404, 413, 422}
    return answers


async def test_answers_logs_and_metrics(district: District, callers: Callers) -> None:
    """After every kind of refusal, of the real gateway with two workers."""
    desk = callers["H101"]
    person = district.sandbox.tekun()
    assert (await desk.settle(new_name(), bill(person))).status == 201
    answers = await provoke(desk)
    planted = secrets_of(district)
    planted.add("a card on the roster", card(person)["number"])
    metrics = await desk.raw("GET", "/metrics")

    for answer in answers:
        planted.assert_not_in(answer.body, f"an answer of status {answer.status}")
        planted.assert_not_in(repr(answer.headers).encode(), "a header")
    planted.assert_not_in(metrics.body, "/metrics")
    for machine in (district.first, district.second):
        planted.assert_not_in(machine.log.read_bytes(), "the log")
        planted.assert_not_in((machine.data_dir / "serve.out").read_bytes(), "stdout")
        for pid in (machine.pid, *machine.worker_pids()):
            for name in ("cmdline", "environ"):
                planted.assert_not_in(_shown(pid, name), name)


def _shown(pid: int, name: str) -> bytes:
    """What the system shows of a process: nothing, where only root may look."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except PermissionError:
        assert os.geteuid() != 0
        return b""


async def test_database_says_nothing(district: District) -> None:
    """The server's own log holds no statement's values."""
    text = district.sandbox.server.place.log.read_bytes()

    secrets_of(district).assert_not_in(text, "the database's log")


@pytest.fixture
def own_logs() -> Iterator[io.StringIO]:
    """What is logged while the test runs, as the gateway logs it."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    configure_logs()
    written = io.StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:], root.level = before, level


_FAULTS: list[BaseException] = [
    ValueError(f"card {CARD} of {NAME}"),
    KeyError(ID_NUMBER),
    OSError(5, "no", f"/{ID_NUMBER}"),
    UnicodeDecodeError("utf-8", NAME.encode(), 0, 1, "bad"),
    FatalError(f"a sentence about {ID_NUMBER}"),
    ExceptionGroup(f"several about {NAME}", [ValueError(CARD)]),
]


@pytest.mark.parametrize("fault", _FAULTS, ids=lambda fault: type(fault).__name__)
async def test_bug_in_a_use_case(
    database: Database,
    own_logs: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    fault: Exception,
) -> None:
    """Whatever its message quotes: answered as MA-5107, logged by type and place."""
    use_cases = ControlledUseCases()

    async def fail() -> None:
        raise fault

    use_cases.act = fail  # type: ignore[assignment]  # it never answers
    planted = Planted()
    for name, value in (("card", CARD), ("identity", ID_NUMBER), ("name", NAME)):
        planted.add(name, value)
    async with running_edge(database, use_cases) as edge:
        bearer = await edge.bearer(await register(database, "H001"))
        planted.add("token", bearer.removeprefix("Bearer "))
        status, problem, _ = await edge.ask(
            *("POST", "/v1/quotes", bill_bytes()), Authorization=bearer
        )
        counted = edge.edge.metrics.exposition()

    printed = capfd.readouterr()
    assert (status, problem["code"]) == (500, "MA-5107")
    planted.assert_not_in(orjson.dumps(problem), "the answer")
    planted.assert_not_in(counted, "the metrics")
    assert "request.failed" in own_logs.getvalue()
    planted.assert_not_in(own_logs.getvalue().encode(), "the log")
    planted.assert_not_in((printed.out + printed.err).encode(), "stderr")


async def test_error_of_the_database(
    database: Database, own_logs: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """A driver's message quotes the row that failed; ours does not."""
    use_cases = ControlledUseCases()

    async def fail() -> None:
        await database.pool.execute("SELECT $1::text::integer", f"{ID_NUMBER}{NAME}")

    use_cases.act = fail  # type: ignore[assignment]  # it never answers
    async with running_edge(database, use_cases) as edge:
        bearer = await edge.bearer(await register(database, "H001"))
        status, problem, _ = await edge.ask(
            *("POST", "/v1/quotes", bill_bytes()), Authorization=bearer
        )

    printed = capfd.readouterr()
    everything = orjson.dumps(problem).decode() + printed.out + printed.err
    everything += own_logs.getvalue()
    assert status == 500
    assert "NumericValueOutOfRangeError" in everything
    assert ID_NUMBER not in everything
    assert NAME not in everything


def test_log_that_cannot_be_written_is_not_explained(
    own_logs: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python would print the whole fault, with its message, in place of the line."""
    own_logs.close()
    fault = ValueError(f"card {CARD}")
    logging.getLogger("gateway.app").error("request.failed", exc_info=fault)

    assert CARD not in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
async def test_crash_of_a_worker(place: list[str], number: int) -> None:
    """With Python's fault handler on: frames, no values; the DSN's password neither."""
    with_password = place[-1].replace("medaid@", f"medaid:{PASSWORD}@")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli.main", "serve", *place[:2]),
        *("--port", "0", "--workers", "2"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment() | {"PYTHONFAULTHANDLER": "1", "MEDAID_DSN": with_password},
    )
    try:
        await line(process, "ready ")
        victim = min(children_of(process.pid))
        shown = b"".join(
            Path(f"/proc/{pid}/cmdline").read_bytes()
            for pid in (process.pid, *children_of(process.pid))
        )
        os.kill(victim, number)
        async with asyncio.timeout(30):
            while victim in children_of(process.pid):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)
    finally:
        process.terminate()
        printed, said = await process.communicate()

    assert b"Current thread" in said, "the fault handler has spoken"
    planted = Planted()
    planted.add("password", PASSWORD)
    for path in (Path(place[1]) / "keys").iterdir():
        planted.add(path.name, path.read_bytes().strip())
    for text, where in ((printed, "stdout"), (said, "stderr"), (shown, "cmdline")):
        planted.assert_not_in(text, where)


def test_uncaught_fault_of_a_command_is_no_traceback() -> None:
    """The last resort prints type and place; the message stays unsaid."""
    program = (
        "from gateway.last_words import speak_without_traceback\n"
        "speak_without_traceback()\n"
        f"raise RuntimeError({PASSWORD!r}) from ValueError({ID_NUMBER!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "RuntimeError" in done.stderr
    assert PASSWORD not in done.stderr
    assert ID_NUMBER not in done.stderr


def test_no_example_puts_a_secret_on_a_command_line() -> None:
    """What stands on a command line is seen by every user of the machine."""
    for command in COMMANDS:
        said = medaid(command, "--help").out.lower()
        assert "password" not in said
        assert "--secret" not in said
        assert "--token" not in said
        # An address may name a user; a password after it would be `USER:...@`.
        assert "user:" not in said


def test_answer_to_a_stranger_names_no_version(district: District) -> None:
    """Neither Python nor aiohttp say which they are."""

    async def ask(path: str) -> str:
        async with (
            aiohttp.ClientSession() as http,
            http.get(district.first.url + path) as answer,
        ):
            return answer.headers["Server"]

    paths = ("/healthz", "/nothing", "/v1/settlements/x", "/docs")
    assert {asyncio.run(ask(path)) for path in paths} == {"medaid"}
