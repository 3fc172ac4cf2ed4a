"""Streams read as WHATWG HTML, section 9.2, says; alerts put in as the watch does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from settlement.store import alerts as rows
from settlement.store.watching import wait_for_cursor
from tests.acceptance.desk import Desk, bill, new_name

if TYPE_CHECKING:
    import aiohttp

    from settlement.store.database import Database

#: A hang, on a machine that others use too.
HANG_S = 60.0
STREAM = "/v1/alerts/stream"


@dataclass
class Event:
    """One event as a browser would dispatch it."""

    id: int
    what: str
    data: Any
    at: float
    """Of the loop's clock, when it had come."""


@dataclass
class Listener:
    """An open stream, and what came of it."""

    response: aiohttp.ClientResponse
    last_id: int | None = None
    comments: list[str] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    """Every id that came."""

    async def events(self) -> AsyncIterator[Event]:
        """Until it ends; raises what the connection raises."""
        what = "message"
        data: list[str] = []
        async for raw in self.response.content:
            line = raw.decode().removesuffix("\n")
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    assert self.last_id is not None
                    now = asyncio.get_running_loop().time()
                    self.seen.append(self.last_id)
                    yield Event(self.last_id, what, orjson.loads("\n".join(data)), now)
                what, data = "message", []
            elif not name:
                self.comments.append(value)
            elif name == "id":
                self.last_id = int(value)
            elif name == "event":
                what = value
            elif name == "data":
                data.append(value)
            else:
                assert name == "retry"

    async def take(self, count: int) -> list[Event]:
        """The next so many events; raises `TimeoutError` when they do not come."""
        found: list[Event] = []
        async with asyncio.timeout(HANG_S):
            async for event in self.events():
                found.append(event)
                if len(found) == count:
                    return found
        raise AssertionError(f"the stream ended after {len(found)}: {self.comments}")

    async def take_these(self, seqs: Sequence[int]) -> list[Event]:
        """These events, whatever the watch itself raises between them."""
        found: list[Event] = []
        while not found or found[-1].id < seqs[-1]:
            found += await self.take(1)
        return [event for event in found if event.id in set(seqs)]

    async def ended(self, within_s: float = HANG_S) -> None:
        """Read until the stream ends, whatever comes."""
        async with asyncio.timeout(within_s):
            async for _ in self.events():
                pass


@asynccontextmanager
async def listening(
    desk: Desk, path: str = STREAM, **headers: str
) -> AsyncIterator[Listener]:
    """An open stream whose beginning is known."""
    sent = {"Authorization": f"Bearer {await desk.token()}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with desk.http.get(desk.url + path, headers=sent) as response:
        assert response.status == 200, await response.read()
        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Medaid-Request-Id"]
        listener = Listener(response)
        async with asyncio.timeout(HANG_S):
            for line in (b"retry: 1000\n", b"id: ", b"\n"):
                raw = await response.content.readline()
                assert raw.startswith(line), raw
                if line == b"id: ":
                    listener.last_id = int(raw[4:])
        yield listener


async def settle_twice(desk: Desk, person: int) -> tuple[list[str], float]:
    """The same bill under two visit numbers; ids, and when the second was answered."""
    ids = []
    for _ in range(2):
        answer = await desk.settle(new_name(), bill(person))
        assert (answer.status, answer.json()["decision"]) == (201, "approved")
        ids.append(answer.json()["settlement_id"])
    return ids, asyncio.get_running_loop().time()


async def put_alerts(
    database: Database,
    settlement: str,
    count: int,
    what: str = "raised",
    case_id: bytes | None = None,
) -> list[int]:
    """So many alerts about one settlement, stored as a look stores them."""
    return await _put(database, bytes.fromhex(settlement), count, what, case_id)


async def _put(
    database: Database, claim: bytes, count: int, what: str, case_id: bytes | None
) -> list[int]:
    now = datetime.now(UTC)
    async with database.pool.acquire() as session, session.transaction():
        await wait_for_cursor(session)
        rules = await session.fetchval("SELECT max(no) FROM alert_rules")
        made = [_row(claim, rules) for _ in range(count)]
        stored = [(row, "raised", case_id) for row in made]
        await rows.insert_alerts(session, stored, now)
        await rows.put_claims(session, [(row.id, [claim]) for row in made])
        before = await session.fetchval("SELECT coalesce(max(seq), 0) FROM alert_event")
        await rows.put_events(session, [(row.id, what) for row in made], now)
        found: Sequence[Any] = await session.fetch(
            "SELECT seq FROM alert_event WHERE seq > $1 ORDER BY seq", before
        )
    return [row["seq"] for row in found]


def _row(claim: bytes, rules: int) -> rows.AlertRow:
    return rows.AlertRow(
        id=os.urandom(16),
        detector="exact-repeat",
        subject=os.urandom(16),
        person=os.urandom(16),
        household=None,
        facility_id=None,
        operator=None,
        score=50,
        facts='[["bills", 2], ["day", "2026-01-05"], ["total_fen", 1], ["aid_fen", 1]]',
        latest=claim,
        rules_no=rules,
    )


async def put_case(database: Database, settlement: str) -> bytes:
    """An open case with one alert about a settlement."""
    now = datetime.now(UTC)
    identity = os.urandom(16)
    case = rows.CaseRow(
        id=identity,
        subject=os.urandom(16),
        person=os.urandom(16),
        household=None,
        facility_id=None,
        score=50,
        opened_at=now,
    )
    async with database.pool.acquire() as session, session.transaction():
        await rows.open_cases(session, [case])
    await put_alerts(database, settlement, 1, case_id=identity)
    return identity
