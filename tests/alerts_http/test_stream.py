"""`GET /v1/alerts/stream`: soon, complete, in order, to those who may, and bounded."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from settlement.service.access import token_hash
from settlement.store.database import Database
from tests.acceptance.desk import Desk, bill, new_name
from tests.acceptance.gateway_process import GatewayProcess
from tests.alerts_http.conftest import Callers, Watched
from tests.alerts_http.streams import (
    STREAM,
    listening,
    put_alerts,
    settle_twice,
)
from tests.roster.bureau import card_number, id_number

#: What is promised is a second; beyond this something hangs.
SOON_S = 10.0


async def settled(callers: Callers, watched: Watched) -> str:
    """A settlement that alerts can be about."""
    answer = await callers["H001"].settle(new_name(), bill(watched.sandbox.tekun()))
    assert answer.json()["decision"] == "approved"
    return str(answer.json()["settlement_id"])


async def test_an_alert_is_seen_while_the_patient_is_at_the_desk(
    callers: Callers, watched: Watched
) -> None:
    """The second settlement of a bill, and its alert, with both claims, in a second."""
    person = watched.sandbox.dibao()
    async with listening(callers["B001"]) as stream:
        ids, answered_at = await settle_twice(callers["H001"], person)
        while True:
            (event,) = await stream.take(1)
            # Alerts about the desk's operator, raised by other tests, grow by them too.
            if (
                set(ids) & set(event.data["settlement_ids"])
                and event.data["detector"] == "exact-repeat"
            ):
                break

    assert event.what == "raised"
    assert event.at - answered_at < SOON_S
    assert event.data["latest_settlement_id"] in ids
    listed = await callers["B001"].get(f"/v1/alerts/{event.data['alert_id']}")
    assert listed.json()["settlement_ids"] == event.data["settlement_ids"]
    opened = await callers["O001"].get(f"/v1/alert-cases/{event.data['case_id']}")
    assert opened.status == 200
    told = [orjson.dumps(event.data), listed.body, opened.body]
    for number in (card_number(person), id_number(person)):
        assert not [each for each in told if number.encode() in each]


@pytest.mark.parametrize("code", ["B001", "B002", "O001", "O002", "A001"])
async def test_who_may_look_sees_the_same(
    callers: Callers, watched: Watched, books: Database, code: str
) -> None:
    """Bureaus, officers and auditors look at one district, as at its settlements."""
    claim = await settled(callers, watched)
    async with listening(callers[code]) as stream:
        seqs = await put_alerts(books, claim, 2)
        got = await stream.take_these(seqs)

    assert [event.id for event in got] == seqs


async def test_a_facility_sees_none(callers: Callers) -> None:
    """Refused before anything is read."""
    for path in (STREAM, "/v1/alerts", "/v1/alert-cases"):
        answer = await callers["H001"].get(path)
        assert (answer.status, answer.code) == (403, "MA-3104"), path


async def test_nothing_is_lost_or_doubled_over_cuts(
    callers: Callers, watched: Watched, books: Database
) -> None:
    """Cut again and again, at either worker, while events come: each of them once."""
    claim, desk = await settled(callers, watched), callers["B001"]
    async with listening(desk) as stream:
        begun = last = stream.last_id or 0

    async def make() -> None:
        for size in range(1, 31):
            await put_alerts(books, claim, size)
            await asyncio.sleep(0.02)
        await put_alerts(books, claim, 7)  # so that seven follow each of them

    making = asyncio.create_task(make())
    got: list[int] = []
    while len(got) < 465:
        # A connection of its own each time: another worker may take it.
        async with aiohttp.ClientSession() as http:
            again = Desk(http, desk.url, desk.key, desk.tokens)
            async with listening(again, Last_Event_ID=str(last)) as stream:
                assert stream.last_id == last
                got += [event.id for event in await stream.take(7)]
                last = got[-1]
    await making
    stored = await books.pool.fetch(
        "SELECT seq FROM alert_event WHERE seq > $1 AND seq <= $2 ORDER BY seq",
        *(begun, last),
    )

    assert got == [row["seq"] for row in stored]


async def test_a_number_from_another_worker_doubles_nothing(
    callers: Callers, watched: Watched, books: Database
) -> None:
    """Whoever resumes where this worker has not read yet is given what follows."""
    claim = await settled(callers, watched)
    async with listening(callers["B001"]):
        seqs = await put_alerts(books, claim, 1)
        # At once, before any worker can have looked again.
        async with listening(callers["B001"], Last_Event_ID=str(seqs[0])) as stream:
            new = await put_alerts(books, claim, 1)
            assert [event.id for event in await stream.take_these(new)] == new

    assert seqs[0] not in stream.seen


async def test_where_a_stream_begins(
    callers: Callers, watched: Watched, books: Database
) -> None:
    """Now; behind `after`; the header counts before it; an unknown number is now."""
    claim, desk = await settled(callers, watched), callers["B001"]
    seqs = await put_alerts(books, claim, 3)
    before = seqs[0] - 1

    async with listening(desk) as stream:
        assert stream.last_id is not None
        assert seqs[0] - 1 <= stream.last_id <= seqs[-1]
    async with listening(desk, f"{STREAM}?after={before}") as stream:
        assert [event.id for event in await stream.take_these(seqs)] == seqs
    path = f"{STREAM}?after={before}"
    async with listening(desk, path, Last_Event_ID=str(seqs[1])) as stream:
        assert (await stream.take(1))[0].id == seqs[1] + 1
    async with listening(desk, f"{STREAM}?after={10**17}") as stream:
        new = await put_alerts(books, claim, 1)
        assert [event.id for event in await stream.take_these(new)] == new


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        (f"{STREAM}?after=x", {}, 422, "MA-1102"),
        (f"{STREAM}?after=-1", {}, 422, "MA-1102"),
        (f"{STREAM}?after=1&after=2", {}, 422, "MA-1102"),
        (f"{STREAM}?since=1", {}, 422, "MA-1102"),
        (STREAM, {"Last_Event_ID": "evt_1"}, 400, "MA-1107"),
        (STREAM, {"Last_Event_ID": "9" * 19}, 400, "MA-1107"),
    ],
)
async def test_what_is_no_number_is_refused(
    callers: Callers, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    """Never taken for the beginning or for now."""
    answer = await callers["B001"].ask("GET", path, at=None, **headers)

    assert (answer.status, answer.code) == (status, code)


async def test_events_of_each_kind(
    callers: Callers, watched: Watched, books: Database
) -> None:
    """Named as they are stored; the document is one line and holds tokens alone."""
    claim, seqs = await settled(callers, watched), []
    async with listening(callers["A001"]) as stream:
        for what in ("raised", "changed", "withdrawn", "muted"):
            seqs += await put_alerts(books, claim, 1, what)
        got = await stream.take_these(seqs)

    assert [event.what for event in got] == ["raised", "changed", "withdrawn", "muted"]
    assert {len(event.data["person_token"]) for event in got} == {32}


async def test_a_session_that_ends_takes_its_streams_with_it(
    callers: Callers, watched: Watched
) -> None:
    """By `revoke-key`, on every worker; others go on."""
    sandbox = watched.sandbox
    code = new_name("B").replace(":", "")
    await asyncio.to_thread(
        sandbox.add_party, code, "--role", "bureau", "--name", "Leaves"
    )
    leaving = callers[code]
    async with listening(callers["B001"]) as staying:
        async with listening(leaving) as one, listening(leaving) as two:
            await asyncio.to_thread(
                sandbox.command, "party", "revoke-key", leaving.key.kid
            )
            revoked_at = time.monotonic()
            await asyncio.gather(one.ended(SOON_S), two.ended(SOON_S))
            assert time.monotonic() - revoked_at < SOON_S
            assert "the session has ended" in one.comments
        assert not staying.comments
        assert not staying.response.content.at_eof()


async def test_a_session_whose_time_is_over_ends_its_streams(
    callers: Callers, books: Database
) -> None:
    """As its token would be refused, without anybody's doing."""
    desk = callers["O002"]
    token = await desk.sign_in()
    async with listening(desk) as stream:
        await books.pool.execute(
            "UPDATE session SET opened_at = opened_at - interval '13 hours',"
            " expires_at = expires_at - interval '13 hours' WHERE token_hash = $1",
            token_hash(token),
        )
        # Any change of parties empties what the workers remember.
        await books.pool.execute("SELECT pg_notify('medaid_access', '')")
        await stream.ended(SOON_S)
    del desk.tokens[desk.key.kid]

    assert "the session has ended" in stream.comments


async def test_a_hundred_streams(
    callers: Callers, watched: Watched, books: Database
) -> None:
    """Each is given everything, and settling goes on beside them."""
    claim = await settled(callers, watched)

    wanted = asyncio.get_running_loop().create_future()

    async def read(desk: Desk, ready: asyncio.Barrier) -> list[int]:
        async with listening(desk) as stream:
            await ready.wait()
            await stream.take_these(await wanted)
            return stream.seen

    desks = [callers[code] for code in ("B001", "B002", "O001", "A001")]
    for desk in desks:
        await desk.token()
    ready = asyncio.Barrier(101)
    reading = [
        asyncio.create_task(read(desks[number % 4], ready)) for number in range(100)
    ]
    await ready.wait()
    seqs: list[int] = []
    for _ in range(5):
        seqs += await put_alerts(books, claim, 10)
        await settled(callers, watched)
    wanted.set_result(seqs)
    got = await asyncio.gather(*reading)

    assert all(set(seqs) <= set(ids) for ids in got)
    assert all(ids == sorted(set(ids)) for ids in got)


def _second_machine(data_dir: Path) -> Path:
    """A data folder with the same keys; cache and mark are each machine's own."""
    other = data_dir.parent / "second"
    other.mkdir()
    shutil.copytree(data_dir / "keys", other / "keys")
    for name in ("installation.json", "trust.json"):
        shutil.copy2(data_dir / name, other / name)
    return other


async def test_draining_ends_streams_at_once(watched: Watched) -> None:
    """A gateway that is told to end does not wait half a minute for who listens."""
    options = ("--dsn", watched.sandbox.server.dsn)
    folder = _second_machine(watched.sandbox.data_dir)
    second = GatewayProcess(folder, workers=1, options=options)
    second.start()
    try:
        async with aiohttp.ClientSession() as http:
            sandbox = watched.sandbox
            desk = Desk(http, second.url, sandbox.keys["B001"])
            async with listening(desk) as stream:
                began = time.monotonic()
                stopping = asyncio.create_task(asyncio.to_thread(second.stop))
                await stream.ended(SOON_S)
                status: Any = await stopping
    finally:
        second.stop()

    assert "draining; come back" in stream.comments
    assert status == 0
    assert time.monotonic() - began < SOON_S + 10
