"""What was signed or opened once, sent again: everywhere, at once, after a kill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from crypto.key_files import parse_private_key_file
from crypto.keys import Role, SharedSecret, SigningKey
from tests.acceptance.desk import Answer, Desk, SignedCall
from tests.security.conftest import Callers, District

#: Fresh connections that together meet each of two workers, but for 1 in 4,096.
CONNECTIONS = 12
LOOK = "/v1/settlements?visit_no=v"


@asynccontextmanager
async def fresh(desk: Desk, url: str) -> AsyncIterator[Desk]:
    """The same party on a connection of its own: any worker may take it."""
    async with aiohttp.ClientSession() as http:
        yield Desk(http, url, desk.key, desk.tokens)


async def everywhere(desk: Desk, district: District, call: SignedCall) -> list[Answer]:
    """Send a captured request to every worker of both machines.

    The authority stays what was signed, as a wiretap at a load balancer would have it.
    """
    answers = []
    for url in (district.first.url,) * CONNECTIONS + (district.second.url,):
        async with fresh(desk, url) as other:
            answers.append(
                await other.send(call, Host=desk.url.removeprefix("http://"))
            )
    return answers


def assert_all_refused(answers: list[Answer], code: str) -> None:
    """Each of them is that refusal."""
    assert {(answer.status, answer.code) for answer in answers} == {(401, code)}


async def test_captured_sign_in_is_worth_nothing_anywhere(
    district: District, callers: Callers
) -> None:
    """Replayed to every worker of both machines: refused by each."""
    desk = callers["H101"]
    call = desk.signed_session()
    assert (await desk.send(call)).status == 201

    assert_all_refused(await everywhere(desk, district, call), "MA-3103")


async def test_of_64_copies_at_once_one_is_taken(
    district: District, callers: Callers
) -> None:
    """Over both machines, each copy on a connection of its own."""
    desk = callers["H101"]
    call = desk.signed_session()

    async def send(url: str) -> int:
        async with fresh(desk, url) as other:
            host = desk.url.removeprefix("http://")
            return (await other.send(call, Host=host)).status

    urls = (district.first.url, district.second.url) * 32
    statuses = await asyncio.gather(*map(send, urls))

    assert sorted(statuses) == [201] + [401] * 63


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_nonces_outlive_the_gateway(
    district: District, callers: Callers, way: str
) -> None:
    """Neither a drain nor SIGKILL makes a captured request good again."""
    desk = callers["H101"]
    call = desk.signed_session()
    assert (await desk.send(call)).status == 201
    if way == "kill":
        district.first.kill()
    else:
        assert district.first.stop() == 0
    # The port is kept, so the captured authority is that of the new process.
    district.first.start()

    assert_all_refused(await everywhere(desk, district, call), "MA-3103")
    async with fresh(desk, district.first.url) as again:
        assert (await again.get(LOOK)).status == 200, "sessions outlive it as well"


async def test_revocation_reaches_every_worker(
    district: District,
    callers: Callers,
    record_property: Callable[[str, object], None],
) -> None:
    """Within a second of the commit; each worker had remembered the session."""
    await asyncio.to_thread(district.sandbox.add_party, "H190")
    desk = callers["H190"]
    await desk.token()
    async with asyncio.timeout(60):
        held = [await _hold(desk, url) for url in _urls(district)]
        await district.execute(
            "UPDATE party_key SET revoked_at = now() WHERE key_id = $1", desk.key.kid
        )
        revoked = time.monotonic()
        took = await asyncio.gather(*(_until_refused(each, revoked) for each in held))
        await asyncio.gather(*(each.http.close() for each in held))

    record_property("slowest_s", round(max(took), 3))
    # A second is the promise; a shared machine may be late with everything.
    assert max(took) < 5


def _urls(district: District) -> list[str]:
    return [district.first.url] * CONNECTIONS + [district.second.url] * 2


async def _hold(desk: Desk, url: str) -> Desk:
    """A connection to one worker, over which the token has been good once."""
    held = Desk(aiohttp.ClientSession(), url, desk.key, desk.tokens)
    assert (await held.get(LOOK)).status == 200
    return held


async def _until_refused(desk: Desk, since: float) -> float:
    while (await desk.get(LOOK)).status != 401:  # noqa: ASYNC110  # other processes
        await asyncio.sleep(0.01)
    return time.monotonic() - since


async def test_a_token_is_of_one_party_key_and_operator(
    district: District, callers: Callers
) -> None:
    """Whoever presents it acts as that one; a new session does not end the former."""
    one, other = callers["H101"], callers["H102"]
    first, second = await one.sign_in(), await one.sign_in()
    stolen = Desk(callers.http, other.url, other.key, {other.key.kid: first})

    assert first != second
    assert (await stolen.get(LOOK)).status == 200
    kept = await _sessions(district, one.key.kid)
    assert set(kept) == {("H101", one.key.kid, "win-01")}
    answer = await one.raw(
        "GET", LOOK, None, {"Authorization": f"Bearer {first}", "X-Party": "H102"}
    )
    assert answer.json() == {"items": []}


async def _sessions(district: District, kid: str) -> list[tuple[str, str, str]]:
    connection = await asyncpg.connect(district.sandbox.server.dsn)
    try:
        rows = await connection.fetch(
            "SELECT p.code, s.key_id, s.operator FROM session s"
            " JOIN party p ON p.id = s.party_id WHERE s.key_id = $1",
            kid,
        )
    finally:
        await connection.close()
    return [(row["code"], row["key_id"], row["operator"]) for row in rows]


@pytest.mark.parametrize("seconds", [-3_600, -62, 62, 3_600, 10**9, -(10**9)])
async def test_requests_of_another_time_are_refused(
    callers: Callers, seconds: int
) -> None:
    """Both ways, at both machines' clocks."""
    desk = callers["H101"]
    answer = await desk.send(desk.signed_session(created=int(time.time()) + seconds))

    assert (answer.status, answer.code) == (401, "MA-3103")


async def test_keys_that_may_not_sign_in(district: District, callers: Callers) -> None:
    """The bureau's roster key and the gateway's own keys open no session."""
    sandbox = district.sandbox
    roster = _private(sandbox.data_dir / "bureau" / "roster-key.json")
    record = _private(sandbox.data_dir / "keys" / "record-sign.json")
    for key in (roster, record, SharedSecret(roster.kid, roster.public.public_bytes)):
        desk = Desk(callers.http, district.first.url, key)
        answer = await desk.send(desk.signed_session())
        assert (answer.status, answer.code) == (401, "MA-3102"), key.kid


def _private(path: Path) -> SigningKey:
    key = parse_private_key_file(path.read_bytes())
    assert isinstance(key, SigningKey)
    assert key.public.role is not Role.PARTY
    return key
